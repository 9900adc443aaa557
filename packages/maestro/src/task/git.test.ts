import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { commitIn, gitIn } from "../../test/support/git.ts";
import { need } from "../../test/support/need.ts";
import { workbench } from "../../test/support/run-task.ts";
import type { Workbench } from "../../test/support/run-task.ts";
import { git } from "./git.ts";

const AUTHOR = { name: "Grace Höpper", email: "grace@example.com" };

interface History {
  readonly path: string;
  readonly first: string;
  readonly second: string;
  readonly third: string;
}

/** A repository of three commits with a tag on the first and a branch on the second. */
function history(bench: Workbench, name = "shop"): History {
  const path = join(bench.base, name);
  mkdirSync(path);
  gitIn(path, "init", "-q", "-b", "main");
  const first = commitIn(path, { "a.txt": "one\n", "lib/b.txt": "b\n" }, "first");
  gitIn(path, "tag", "-a", "v1.0.0", "-m", "one");
  const second = commitIn(path, { "a.txt": "two\n" }, "second\n\nwith a body\n");
  gitIn(path, "branch", "older");
  const third = commitIn(path, { "ü b.txt": "neu\n" }, "third");
  return { path, first, second, third };
}

async function run(bench: Workbench, input: JsonObject): Promise<JsonObject> {
  return (await bench.run(git, input)) as JsonObject;
}

async function refused(
  bench: Workbench,
  input: JsonObject,
): Promise<{ code: string; message: string; final: boolean | undefined; details: JsonValue | undefined }> {
  const { code, message, final, details } = (await bench.fail(git, input)).error;
  return { code, message, final, details };
}

const here = { url: "shop", transports: ["file"] };

describe("git@1 clone", { ...need("git"), concurrency: 2 }, () => {
  it("checks out exactly one commit, by name or by id", async () => {
    using bench = workbench();
    const { path, first, second, third } = history(bench);
    const head = await run(bench, { operation: "clone", ...here });
    const clone = join(bench.dir, "repository");
    assert.deepEqual([head["path"], head["commit"], head["changed"]], [clone, third, true]);
    assert.equal(head["tree"], gitIn(path, "rev-parse", "HEAD^{tree}"));
    assert.deepEqual(readdirSync(clone).toSorted(), [".git", "a.txt", "lib", "ü b.txt"]);
    assert.equal(gitIn(clone, "rev-list", "--count", "HEAD"), "1");
    assert.equal((await run(bench, { operation: "clone", ...here, ref: "v1.0.0" }))["commit"], first);
    assert.equal((await run(bench, { operation: "clone", ...here, ref: "older", commit: second }))["commit"], second);
    const exact = await run(bench, { operation: "clone", ...here, commit: first, branch: "fix/it" });
    assert.equal(exact["commit"], first);
    assert.equal(gitIn(clone, "symbolic-ref", "--short", "HEAD"), "fix/it");
    await run(bench, { operation: "clone", ...here, depth: 0 });
    assert.equal(gitIn(clone, "rev-list", "--count", "HEAD"), "3");
    assert.equal(gitIn(clone, "describe", "--tags", "--abbrev=0"), "v1.0.0");
  });

  it("fails where the name is no longer the commit, or there is none", async () => {
    using bench = workbench();
    const { first, third } = history(bench);
    const moved = await refused(bench, { operation: "clone", ...here, ref: "main", commit: first });
    assert.deepEqual([moved.code, moved.final, moved.details], ["CHANGED", true, { expected: first }]);
    assert.match(moved.message, new RegExp(`main of file://.*/shop is ${third}, and ${first} was expected`));
    const none = await refused(bench, { operation: "clone", ...here, ref: "nowhere" });
    assert.deepEqual([none.code, none.final], ["GIT_REF", true]);
    assert.match(none.message, /couldn't find remote ref nowhere/);
    assert.equal((await refused(bench, { operation: "clone", ...here, commit: "0".repeat(40) })).code, "GIT_REF");
    const gone = await refused(bench, { operation: "clone", url: "gone", transports: ["file"] });
    assert.deepEqual([gone.code, gone.final], ["GIT_REPOSITORY", true]);
  });

  it("puts the clone where it is wanted when it is whole, and finds it there again", async () => {
    using bench = workbench();
    const { first, third } = history(bench);
    const input = { operation: "clone", ...here, path: "deep/checkout" };
    const output = await run(bench, input);
    assert.deepEqual([output["path"], output["changed"]], [join(bench.base, "deep/checkout"), true]);
    assert.equal(existsSync(join(bench.dir, "repository")), false);
    assert.deepEqual([(await run(bench, input))["changed"], output["commit"]], [false, third]);
    assert.equal((await refused(bench, { ...input, commit: first })).code, "EXISTS");
    mkdirSync(join(bench.base, "full"));
    writeFileSync(join(bench.base, "full/file"), "x");
    const full = await refused(bench, { ...input, path: "full" });
    assert.deepEqual([full.code, full.final], ["EXISTS", true]);
    assert.match(full.message, /is there already, and is not this commit/);
    assert.deepEqual(readdirSync(join(bench.base, "full")), ["file"]);
    const own = await refused(bench, { ...input, path: join(bench.dir, "../../../keys") });
    assert.equal(own.code, "OUTSIDE");
  });

  it("refuses what is no address, and what it was not told to speak", async () => {
    using bench = workbench();
    history(bench);
    const cases: readonly (readonly [JsonObject, RegExp])[] = [
      [{ url: "shop" }, /file is not among `transports`/],
      [{ url: "http://git.example.com/x" }, /http is not among `transports`/],
      [{ url: "ext::sh -c 'touch /tmp/x'" }, /blanks or control characters/],
      [{ url: "ext::sh" }, /names a helper of git/],
      [{ url: "--upload-pack=touch" }, /begins with `-`/],
      [{ url: "ssh://-oProxyCommand=x/y" }, /is no URL|has no host/],
      [{ url: "-oProxyCommand=x:y" }, /begins with `-`/],
      [{ url: "git://git.example.com/x" }, /git:\/\/ is not spoken/],
      [{ url: "https://user:secret@git.example.com/x" }, /would end in the history of the run/],
      [{ url: "https://token@git.example.com/x" }, /would end in the history of the run/],
      [{ url: "https://git.example.com/x?y" }, /has a query/],
      [{ url: "file://other/x", transports: ["file"] }, /names another machine/],
      [{ url: "git@git.example.com:x" }, /ssh needs `sshKey` and `knownHosts`/],
      [{ url: "https://git.example.com/x", sshKey: { env: "K" } }, /go with ssh only/],
      [{ url: "http://git.example.com/x", transports: ["http"], password: { env: "P" } }, /not sent over http/],
      [{ ...here, ref: "--upload-pack=x" }, /begins with `-`, which git would read as an option/],
      [{ ...here, ref: "a:b" }, /is no name of a branch/],
      [{ ...here, ref: "+main" }, /is no plain name/],
      [{ ...here, ref: "a..b" }, /is no name of a branch/],
      [{ ...here, ref: "main~1" }, /is no plain name/],
      [{ ...here, branch: "-b" }, /begins with `-`/],
      [{ ...here, paths: ["a"] }, /paths: does not go with `clone`/],
      [{ ...here, path: "a\0b" }, /NUL/],
      [{ ...here, allowPrivate: ["!"] }, /neither a host name/],
    ];
    for (const [input, message] of cases) {
      const failure = await refused(bench, { operation: "clone", ...input });
      assert.equal(failure.code, "INPUT_INVALID", failure.message);
      assert.match(failure.message, message);
    }
    const metadata = await refused(bench, { operation: "clone", url: "https://169.254.169.254/latest" });
    assert.equal(metadata.code, "BLOCKED_ADDRESS");
  });

  it("runs nothing that a repository brings along", async () => {
    using bench = workbench();
    const { path } = history(bench);
    const mark = join(bench.base, "mark");
    mkdirSync(join(bench.base, "home"));
    writeFileSync(join(path, ".git/hooks/post-checkout"), `#!/bin/sh\ntouch ${mark}\n`);
    chmodSync(join(path, ".git/hooks/post-checkout"), 0o755);
    gitIn(path, "config", "uploadpack.packObjectsHook", `touch ${mark}; exec`);
    commitIn(
      path,
      {
        ".gitattributes": "* filter=evil diff=evil\n",
        ".gitmodules": '[submodule "x"]\n\tpath = x\n\turl = ext::sh\n',
      },
      "evil",
    );
    symlinkSync("/etc/passwd", join(path, "link"));
    commitIn(path, {}, "a link");
    await run(bench, { operation: "clone", ...here });
    assert.equal(existsSync(mark), false);
    assert.equal(existsSync(join(bench.dir, "repository/.git/hooks")), false);
  });
});

describe("git@1 in a repository", { ...need("git"), concurrency: 2 }, () => {
  it("checks out a commit, and not over changes unless it is told to", async () => {
    using bench = workbench();
    const { path, first, second, third } = history(bench);
    const back = await run(bench, { operation: "checkout", path: "shop", ref: "main~2" });
    assert.deepEqual(back, { path, commit: first, previous: third, changed: true });
    assert.equal(readFileSync(join(path, "a.txt"), "utf8"), "one\n");
    writeFileSync(join(path, "a.txt"), "mine\n");
    const dirty = await refused(bench, { operation: "checkout", path: "shop", commit: third });
    assert.deepEqual([dirty.code, dirty.final], ["GIT_DIRTY", true]);
    assert.match(dirty.message, /set `force: true` to lose it/);
    assert.equal(
      (await refused(bench, { operation: "checkout", path: "shop", ref: "older", commit: third })).code,
      "CHANGED",
    );
    const forced = { operation: "checkout", path: "shop", ref: "older", commit: second, force: true, branch: "new" };
    assert.equal((await run(bench, forced))["commit"], second);
    assert.equal(gitIn(path, "symbolic-ref", "--short", "HEAD"), "new");
    assert.equal((await refused(bench, { operation: "checkout", path: "shop", ref: "nowhere" })).code, "GIT_REF");
    assert.match((await refused(bench, { operation: "checkout", path: "shop" })).message, /give `ref` or `commit`/);
  });

  it("compares commits and files, and keeps a patch that applies", async () => {
    using bench = workbench();
    const { path, first, third } = history(bench);
    const between = await run(bench, {
      operation: "diff",
      path: "shop",
      from: "v1.0.0",
      ref: "main",
      patch: "out/c.patch",
    });
    const { patch, ...rest } = between;
    assert.deepEqual(rest, {
      path,
      from: first,
      to: third,
      count: 2,
      added: 2,
      deleted: 1,
      files: [
        { path: "a.txt", status: "M", added: 1, deleted: 1 },
        { path: "ü b.txt", status: "A", added: 1, deleted: 0 },
      ],
    });
    const kept = bench.events.find((event) => event.kind === "artifact");
    assert.deepEqual([kept?.name, kept?.path], ["out/c.patch", (patch as JsonObject)["path"]]);
    gitIn(path, "checkout", "-q", "v1.0.0");
    gitIn(path, "apply", String(kept?.path));
    assert.equal(readFileSync(join(path, "ü b.txt"), "utf8"), "neu\n");
    writeFileSync(join(path, "lib/b.txt"), Buffer.from([0, 1, 2]));
    rmSync(join(path, "a.txt"));
    const now = await run(bench, { operation: "diff", path: "shop", paths: ["lib", "a.txt"] });
    assert.deepEqual(now["files"], [
      { path: "a.txt", status: "D", added: 0, deleted: 1 },
      { path: "lib/b.txt", status: "M", added: null, deleted: null },
    ]);
    assert.equal(now["to"], null);
    const many = await refused(bench, { operation: "diff", path: "shop", maxFiles: 1 });
    assert.deepEqual([many.code, many.final], ["LIMIT", true]);
    assert.equal((await refused(bench, { operation: "diff", path: "shop", patch: "p", maxBytes: 10 })).code, "LIMIT");
  });

  it("commits the named paths with the message as it is, once", async () => {
    using bench = workbench();
    const { path, third } = history(bench);
    writeFileSync(join(path, "a.txt"), "three\n");
    writeFileSync(join(path, "--all"), "odd\n");
    writeFileSync(join(path, "*.txt"), "star\n");
    rmSync(join(path, "lib/b.txt"));
    writeFileSync(join(path, "staged"), "not asked for\n");
    gitIn(path, "add", "staged");
    const message = '# no comment\n\n  it\'s "exact" $HOME ü\n\n\ntrailing  \n';
    const input = {
      operation: "commit",
      path: "shop",
      message,
      author: AUTHOR,
      paths: ["a.txt", "--all", "*.txt", "lib"],
      date: "2026-04-01T12:00:00Z",
    };
    const output = await run(bench, { ...input, onto: third });
    assert.deepEqual([output["changed"], output["parent"], output["count"]], [true, third, 4]);
    assert.equal(gitIn(path, "rev-parse", "HEAD"), output["commit"]);
    const raw = gitIn(path, "cat-file", "commit", "HEAD");
    assert.match(raw, /author Grace Höpper <grace@example\.com> 1775044800 \+0000/);
    assert.equal(`${raw.slice(raw.indexOf("\n\n") + 2)}  \n`, message);
    assert.equal(
      gitIn(path, "show", "--format=", "--name-status", "-z", "HEAD"),
      "A\0*.txt\0A\0--all\0M\0a.txt\0D\0lib/b.txt\0",
    );
    assert.equal(gitIn(path, "status", "--porcelain"), "A  staged");
    assert.deepEqual((await run(bench, { ...input, paths: ["a.txt"] }))["changed"], false);
    const moved = await refused(bench, { ...input, onto: third });
    assert.equal(moved.code, "CHANGED");
  });

  it("makes the first commit of a repository", async () => {
    using bench = workbench();
    const path = join(bench.base, "new");
    mkdirSync(path);
    gitIn(path, "init", "-q");
    writeFileSync(join(path, "a"), "a");
    const output = await run(bench, { operation: "commit", path: "new", message: "one", author: AUTHOR, paths: ["."] });
    assert.deepEqual([output["parent"], output["changed"]], [null, true]);
    assert.equal(output["commit"], gitIn(path, "rev-parse", "HEAD"));
  });

  it("tells history, state and description", async () => {
    using bench = workbench();
    const { path, first, second, third } = history(bench);
    const log = await run(bench, { operation: "log", path: "shop", from: "v1.0.0", maxCount: 5 });
    const commits = log["commits"] as readonly JsonObject[];
    assert.deepEqual(
      commits.map(({ commit, subject }) => [commit, subject]),
      [
        [third, "third"],
        [second, "second"],
      ],
    );
    assert.deepEqual(commits[1], {
      commit: second,
      parents: [first],
      tree: gitIn(path, "rev-parse", `${second}^{tree}`),
      author: { name: "Ada", email: "ada@example.com" },
      authoredAt: Date.parse("2026-03-01T10:00:00Z"),
      committedAt: Date.parse("2026-03-01T10:00:00Z"),
      subject: "second",
      message: "second\n\nwith a body\n",
    });
    assert.equal((await run(bench, { operation: "log", path: "shop", paths: ["lib"] }))["count"], 1);
    assert.equal((await run(bench, { operation: "log", path: "shop", maxCount: 1 }))["count"], 1);
    assert.deepEqual(await run(bench, { operation: "status", path: "shop" }), {
      path,
      commit: third,
      branch: "main",
      clean: true,
      count: 0,
      entries: [],
    });
    writeFileSync(join(path, "new ü"), "x");
    assert.deepEqual((await run(bench, { operation: "status", path: "shop" }))["entries"], [
      { status: "??", path: "new ü" },
    ]);
    const described = await run(bench, { operation: "describe", path: "shop" });
    assert.deepEqual(described, {
      path,
      commit: third,
      tag: "v1.0.0",
      distance: 2,
      describe: `v1.0.0-2-g${third.slice(0, 12)}`,
    });
    assert.equal((await run(bench, { operation: "describe", path: "shop", ref: "v1.0.0" }))["describe"], "v1.0.0");
  });

  it("starts nothing that the repository's configuration names, and reads none of the user's", async () => {
    using bench = workbench();
    const { path } = history(bench);
    const mark = join(bench.base, "mark");
    const evil = `touch ${mark}; :`;
    for (const name of [
      "core.fsmonitor",
      "core.sshCommand",
      "core.pager",
      "core.editor",
      "diff.external",
      "gpg.program",
      "credential.helper",
      "core.alternateRefsCommand",
    ])
      gitIn(path, "config", name, evil);
    gitIn(path, "config", "commit.gpgSign", "true");
    gitIn(path, "config", "core.hooksPath", join(path, "evil-hooks"));
    mkdirSync(join(path, "evil-hooks"));
    for (const hook of [
      "pre-commit",
      "commit-msg",
      "post-commit",
      "post-checkout",
      "prepare-commit-msg",
      "reference-transaction",
      "post-index-change",
    ]) {
      writeFileSync(join(path, "evil-hooks", hook), `#!/bin/sh\ntouch ${mark}\n`);
      chmodSync(join(path, "evil-hooks", hook), 0o755);
    }
    writeFileSync(join(path, "a.txt"), "changed\n");
    await run(bench, { operation: "status", path: "shop" });
    await run(bench, { operation: "diff", path: "shop", patch: "p" });
    await run(bench, { operation: "commit", path: "shop", message: "m", author: AUTHOR, paths: ["a.txt"] });
    await run(bench, { operation: "checkout", path: "shop", ref: "older" });
    await run(bench, { operation: "log", path: "shop" });
    assert.equal(existsSync(mark), false);
  });

  it("refuses names and paths that git would take for something else", async () => {
    using bench = workbench();
    history(bench);
    const cases: readonly (readonly [JsonObject, RegExp])[] = [
      [{ operation: "log", ref: "--output=/tmp/x" }, /begins with `-`/],
      [{ operation: "log", ref: "a..b" }, /is no name/],
      [{ operation: "log", ref: ":/second" }, /is no name/],
      [{ operation: "diff", paths: ["../x"] }, /no path inside the repository/],
      [{ operation: "diff", paths: ["/etc"] }, /no path inside the repository/],
      [{ operation: "commit", message: "m", author: AUTHOR, paths: [".git/config"] }, /no path inside the repository/],
      [{ operation: "commit", message: "a\0b", author: AUTHOR, paths: ["a"] }, /message: holds a NUL/],
      [{ operation: "commit", paths: ["a"] }, /message: `commit` needs it; author: `commit` needs it/],
      [{ operation: "diff", patch: "../p" }, /leads out of the attempt's folder/],
      [{ operation: "status", url: "x" }, /url: does not go with `status`/],
    ];
    for (const [input, message] of cases) {
      const failure = await refused(bench, { path: "shop", ...input });
      assert.equal(failure.code, "INPUT_INVALID", failure.message);
      assert.match(failure.message, message);
    }
    mkdirSync(join(bench.base, "shop/lib/inner"));
    assert.equal((await refused(bench, { operation: "status", path: "shop/lib/inner" })).code, "GIT_REPOSITORY");
    assert.equal((await refused(bench, { operation: "log", path: "." })).code, "GIT_REPOSITORY");
    assert.equal((await refused(bench, { operation: "log", path: "gone" })).code, "NOT_FOUND");
  });
});
