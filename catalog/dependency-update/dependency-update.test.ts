import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { Place } from "../../packages/maestro/test/support/maestro.ts";
import { need } from "../../packages/maestro/test/support/need.ts";

// The runbook for real: a project in git, packages made by npm, and the command. No network.

const HERE = fileURLToPath(new URL(".", import.meta.url));
const RUN = [
  "run",
  join(HERE, "dependency-update.maestro.yaml"),
  "-i",
  `here=${HERE}`,
  "-i",
  "project=shop",
  "-i",
  "source=packages",
  "--purpose",
  "maintenance",
  "--authority",
  "TEST-1",
  "--no-wait",
  "-o",
  "json",
];

interface Shown {
  readonly run: { readonly id: string; readonly status: string };
  readonly outputs: Readonly<Record<string, string | boolean>> | null;
  readonly tasks: readonly { readonly id: string; readonly status: string }[];
}

describe("dependency-update", need("git"), () => {
  let place: Place;
  const at = (...parts: readonly string[]): string => join(place.dir, ...parts);
  const call = (cwd: string, command: string, ...args: readonly string[]): string => {
    const ended = spawnSync(command, args, {
      cwd,
      encoding: "utf8",
      env: { ...process.env, npm_config_cache: at("cache") },
    });
    assert.equal(ended.status, 0, `${command} ${args.join(" ")}\n${ended.stdout}${ended.stderr}`);
    return ended.stdout;
  };
  const installed = (): string =>
    (JSON.parse(readFileSync(at("shop/node_modules/greet/package.json"), "utf8")) as { readonly version: string })
      .version;
  const log = (): readonly string[] => call(at("shop"), "git", "log", "--format=%s").trim().split("\n");

  before(async () => {
    place = await Place.make();
    // In the sandbox of a root engine npm is nobody, and reads what everybody may read.
    chmodSync(place.dir, 0o755);
    for (const folder of ["shop", "packages", "greet"]) mkdirSync(at(folder));
    for (const [version, says] of [
      ["1.0.0", "hello"],
      ["1.1.0", "hello"],
      ["2.0.0", "good day"],
    ] as const) {
      writeFileSync(at("greet/package.json"), JSON.stringify({ name: "greet", version, main: "index.js" }));
      writeFileSync(at("greet/index.js"), `module.exports = () => ${JSON.stringify(says)};\n`);
      // What `npm pack` would write, and sooner.
      call(place.dir, "tar", "-czf", at(`packages/greet-${version}.tgz`), "--transform=s/^greet/package/", "greet");
    }
    const project = { name: "shop", version: "1.0.0", private: true, scripts: { test: "node test.js" } };
    writeFileSync(at("shop/package.json"), JSON.stringify(project));
    writeFileSync(at("shop/.gitignore"), "node_modules\n");
    writeFileSync(
      at("shop/test.js"),
      'if (require("greet")() !== "hello") throw new Error("greet says something else");\n',
    );
    call(at("shop"), "npm", "install", "--offline", "--no-audit", "--no-fund", "../packages/greet-1.0.0.tgz");
    call(at("shop"), "git", "init", "--quiet", "--initial-branch=main", ".");
    call(at("shop"), "git", "add", "--all");
    call(
      at("shop"),
      "git",
      "-c",
      "user.name=t",
      "-c",
      "user.email=t@example.com",
      "commit",
      "--quiet",
      "--message",
      "begin",
    );
  });
  after(() => place.remove());

  async function start(code: number, ...inputs: readonly string[]): Promise<Shown> {
    const ended = await place.run([...RUN, ...inputs.flatMap((input) => ["-i", input])]);
    assert.equal(ended.code, code, ended.out + ended.err);
    return JSON.parse(ended.out) as Shown;
  }

  it("puts a project back as it was where its tests fail with the new version", async () => {
    const { run, tasks } = await start(1, "upTo=major");
    assert.equal(run.status, "failed");
    assert.equal(tasks.find(({ id }) => id === "test")?.status, "failed");
    assert.equal(installed(), "1.0.0");
    assert.equal(call(at("shop"), "git", "status", "--porcelain"), "");
    assert.deepEqual(log(), ["begin"]);
    assert.match((await place.run(["logs", run.id, "test"])).out, /greet says something else/);
  });

  it("shows what it would commit, commits it after a yes, and has nothing to do afterwards", async () => {
    const { run } = await start(10);
    assert.equal(installed(), "1.1.0");
    assert.deepEqual(log(), ["begin"]);
    await place.run(["show", run.id, "--artifacts", "--save", "look"]);
    assert.match(readFileSync(at("look/diff/update.patch"), "utf8"), /-.*greet-1\.0\.0\.tgz[^]*\+.*greet-1\.1\.0\.tgz/);
    const plan = JSON.parse((await place.run(["approvals", "-o", "json"])).out) as {
      readonly approvals: readonly { readonly planDigest: string; readonly message: string }[];
    };
    assert.match(
      plan.approvals[0]?.message ?? "",
      /^Update greet 1\.0\.0 to 1\.1\.0: 2 files, \d+ lines added, \d+ deleted\. The tests passed\.$/,
    );
    const said = await place.run([
      "approve",
      run.id,
      "--plan",
      plan.approvals[0]?.planDigest ?? "",
      "--reason",
      "looked at it",
      "--yes",
    ]);
    assert.equal(said.code, 0, said.err);
    assert.equal((await place.run(["watch", run.id])).code, 0);
    assert.deepEqual(log(), ["Update greet from 1.0.0 to 1.1.0", "begin"]);
    assert.equal(call(at("shop"), "git", "status", "--porcelain"), "");
    const again = await start(0);
    assert.deepEqual([again.outputs?.["found"], again.outputs?.["update"]], [false, "nothing to do"]);
    assert.equal(again.outputs?.["commit"], call(at("shop"), "git", "rev-parse", "HEAD").trim());
  });

  it("touches nothing where somebody has work that is not committed", async () => {
    writeFileSync(at("shop/notes.txt"), "not yet\n");
    const { tasks } = await start(1, "upTo=major");
    assert.deepEqual(tasks.map(({ id, status }) => [id, status]).slice(1, 4), [
      ["clean", "failed"],
      ["find", "skipped"],
      ["update", "skipped"],
    ]);
    assert.equal(readFileSync(at("shop/notes.txt"), "utf8"), "not yet\n");
  });
});
