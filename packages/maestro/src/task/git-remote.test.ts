import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { JsonObject } from "../core/json.ts";
import { certificateFor } from "../../test/support/certificate.ts";
import { commitIn, gitIn, serveGit } from "../../test/support/git.ts";
import { need } from "../../test/support/need.ts";
import { workbench } from "../../test/support/run-task.ts";
import type { Workbench } from "../../test/support/run-task.ts";
import { git } from "./git.ts";
import { TaskFailure } from "./task.ts";

const SECRET = "s3cret-'of\"-$(the)-test";

function repository(bench: Workbench): string {
  const path = join(bench.base, "served/shop");
  mkdirSync(path, { recursive: true });
  gitIn(path, "init", "-q", "-b", "main");
  return commitIn(path, { "a.txt": "one\n" }, "first");
}

/** What every process of this machine shows of its arguments. */
function allArguments(): string {
  return readdirSync("/proc")
    .filter((pid) => /^\d+$/.test(pid))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8");
      } catch {
        return ""; // It ended in the meantime.
      }
    })
    .join("\n");
}

describe("git@1 over http", { ...need("git"), concurrency: 2 }, () => {
  const local = { transports: ["http"], allowPrivate: ["127.0.0.1"] };

  it("clones from a server, by the address that was checked", async () => {
    using bench = workbench();
    const commit = repository(bench);
    await using server = await serveGit(join(bench.base, "served"));
    const url = `http://127.0.0.1:${server.port}/shop`;
    const output = (await bench.run(git, { operation: "clone", url, ...local })) as JsonObject;
    assert.deepEqual([output["commit"], output["url"]], [commit, url]);
    const exact = (await bench.run(git, { operation: "clone", url, ...local, commit })) as JsonObject;
    assert.equal(exact["commit"], commit);
    const blocked = await bench.fail(git, { operation: "clone", url, transports: ["http"] });
    assert.equal(blocked.error.code, "BLOCKED_ADDRESS");
    assert.match(blocked.message, /loopback.*list "127\.0\.0\.1" under `allowPrivate`/);
  });

  it("tells what a server refuses, breaks off or redirects", async () => {
    using bench = workbench();
    repository(bench);
    await using server = await serveGit(join(bench.base, "served"), { password: SECRET });
    const url = `http://127.0.0.1:${server.port}/shop`;
    const code = async (): Promise<readonly [string, boolean | undefined]> => {
      const { error } = await bench.fail(git, { operation: "clone", url, ...local });
      return [error.code, error.final];
    };
    assert.deepEqual(await code(), ["GIT_AUTH", true]);
    server.answer = (_request, response) =>
      response.writeHead(302, { location: "http://169.254.169.254/" }).end() !== undefined;
    assert.deepEqual(await code(), ["GIT_REDIRECT", true]);
    server.answer = (_request, response) => response.writeHead(503).end() !== undefined;
    assert.deepEqual(await code(), ["GIT_CONNECT", undefined]);
    server.answer = (_request, response) => response.writeHead(404).end() !== undefined;
    assert.deepEqual(await code(), ["GIT_REPOSITORY", true]);
    server.answer = (request) => request.socket.destroy() !== undefined;
    assert.deepEqual(await code(), ["GIT_CONNECT", undefined]);
    server.answer = (_request, response) => {
      response.writeHead(200, { "content-type": "application/x-git-upload-pack-advertisement" });
      return response.end("nonsense") !== undefined;
    };
    assert.equal((await code())[0].startsWith("GIT_"), true);
  });

  it("gives the password to a server that it can verify, and shows it to nobody", need("openssl"), async () => {
    using bench = workbench({ environment: { TOKEN: SECRET } });
    const commit = repository(bench);
    const certificate = certificateFor("127.0.0.1", bench.base);
    await using server = await serveGit(join(bench.base, "served"), { password: SECRET, certificate });
    const input = {
      operation: "clone",
      url: `https://127.0.0.1:${server.port}/shop`,
      allowPrivate: ["127.0.0.1"],
      password: { env: "TOKEN" },
    };
    const strange = await bench.fail(git, input);
    assert.deepEqual([strange.error.code, strange.error.final], ["GIT_TLS", true], strange.message);
    assert.equal(server.credentials.length, 0);
    let seen = "";
    server.answer = () => {
      seen += allArguments();
      return false;
    };
    const output = (await bench.run(git, { ...input, ca: "127.0.0.1.pem" })) as JsonObject;
    assert.equal(output["commit"], commit);
    assert.ok(server.credentials.includes(`git:${SECRET}`));
    assert.match(seen, /git/);
    assert.ok(!seen.includes("s3cret"));
    const files = readdirSync(bench.dir, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
    assert.ok(files.length > 5);
    for (const { parentPath, name } of files)
      assert.ok(!readFileSync(join(parentPath, name), "latin1").includes("s3cret"), name);
    assert.doesNotMatch(JSON.stringify([output, bench.events]), /s3cret/);
    const wrong = await bench.fail(git, { ...input, ca: "127.0.0.1.pem", username: "other" });
    assert.deepEqual([wrong.error.code, wrong.error.final], ["GIT_AUTH", true], wrong.message);
  });

  it("takes a credential of one line, and none that is missing", async () => {
    using bench = workbench({ environment: { LINES: "a\nhost=evil" } });
    const input = { operation: "clone", url: "https://127.0.0.1:1/shop", allowPrivate: ["127.0.0.1"] };
    assert.equal((await bench.fail(git, { ...input, password: { env: "UNSET" } })).error.code, "CREDENTIAL");
    const lines = await bench.fail(git, { ...input, password: { env: "LINES" } });
    assert.equal(lines.error.code, "CREDENTIAL");
    assert.match(lines.message, /has several lines, and git takes one/);
    assert.equal((await bench.fail(git, input)).error.code, "GIT_CONNECT");
  });

  it("ends git and all it started when it is called off", async () => {
    using bench = workbench();
    repository(bench);
    await using server = await serveGit(join(bench.base, "served"));
    server.answer = () => {
      bench.abort.abort(new TaskFailure({ code: "CANCELLED", message: "no longer wanted" }));
      return true; // And never answers.
    };
    const work = bench.fail(git, { operation: "clone", url: `http://127.0.0.1:${server.port}/shop`, ...local });
    assert.equal((await work).error.code, "CANCELLED");
  });
});

describe("git@1 over ssh", need("git", "ssh"), () => {
  it("uses the key it is given, believes only known hosts and reads none of the user's files", async () => {
    using bench = workbench({ environment: { KEY: "-----BEGIN KEY-----\ns3cret\n-----END KEY-----" } });
    const commit = repository(bench);
    // What stands in for ssh writes down how it was called, and answers as the other side would.
    const bin = join(bench.base, "bin");
    mkdirSync(bin);
    writeFileSync(join(bench.base, "known hosts"), "");
    writeFileSync(
      join(bin, "ssh"),
      `#!/bin/sh\nfor a; do printf '%s\\n' "$a"; done > ${bench.base}/called\ncat /proc/$PPID/cmdline >> ${bench.base}/called\nexec git -c safe.directory='*' upload-pack ${bench.base}/served/shop\n`,
    );
    chmodSync(join(bin, "ssh"), 0o755);
    const path = process.env["PATH"] ?? "";
    process.env["PATH"] = `${bin}:${path}`;
    try {
      const output = (await bench.run(git, {
        operation: "clone",
        url: "deploy@127.0.0.1:shop",
        allowPrivate: ["127.0.0.1"],
        sshKey: { env: "KEY" },
        knownHosts: "known hosts",
      })) as JsonObject;
      assert.equal(output["commit"], commit);
    } finally {
      process.env["PATH"] = path;
    }
    const called = readFileSync(join(bench.base, "called"), "utf8");
    for (const part of [
      "-F\n/dev/null",
      "BatchMode=yes",
      "StrictHostKeyChecking=yes",
      "HostName=127.0.0.1",
      "HostKeyAlias=127.0.0.1",
      `UserKnownHostsFile="${bench.base}/known hosts"`,
      "deploy@127.0.0.1",
    ])
      assert.ok(called.includes(part), `${part} is not in\n${called}`);
    assert.doesNotMatch(called, /s3cret/);
    const key = join(bench.dir, ".ssh-key-of-the-task");
    assert.equal(statSync(key).mode & 0o777, 0o600);
  });

  it("refuses a host that it does not know", async () => {
    using bench = workbench({ environment: { KEY: "no key" } });
    writeFileSync(join(bench.base, "known"), "");
    const failure = await bench.fail(git, {
      operation: "clone",
      url: "ssh://git@127.0.0.1:1/shop",
      allowPrivate: ["127.0.0.1"],
      sshKey: { env: "KEY" },
      knownHosts: "known",
    });
    assert.deepEqual([failure.error.code, failure.error.final], ["GIT_CONNECT", undefined], failure.message);
  });
});
