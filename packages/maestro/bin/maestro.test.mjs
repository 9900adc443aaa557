import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  closeSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

const bin = fileURLToPath(new URL("maestro.cjs", import.meta.url));
const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
/** Loaded before the program, so that it takes the Node.js that runs it for an old one. */
const OLD = "--import=data:text/javascript,Object.defineProperty(process.versions,'node',{value:'20.20.2'})";

function maestro(path, args, flags = [], stdio = "pipe") {
  const env = { ...process.env };
  // Else Node takes the child for one of its own test processes.
  delete env["NODE_TEST_CONTEXT"];
  return spawnSync(process.execPath, [...flags, path, ...args], { encoding: "utf8", env, stdio });
}

describe("bin/maestro.cjs", () => {
  let clone;
  let copy;
  // A clone in which nothing is installed and the program is a stub that shows what reached it.
  before(() => {
    clone = mkdtempSync(join(tmpdir(), "maestro-bin-"));
    const home = join(clone, "packages/maestro");
    for (const name of ["maestro.cjs", "own-modules.cjs"])
      cpSync(new URL(name, import.meta.url), join(home, "bin", name));
    cpSync(new URL("../package.json", import.meta.url), join(home, "package.json"));
    mkdirSync(join(home, "src/cli"), { recursive: true });
    writeFileSync(
      join(home, "src/cli/main.ts"),
      "export async function main(argv: readonly string[]): Promise<number> { console.log(`${process.versions.node} ${argv.join(' ')}`); return 7; }",
    );
    copy = join(home, "bin/maestro.cjs");
  });
  after(() => rmSync(clone, { recursive: true }));

  it("answers --version without the program, on an old Node too", () => {
    assert.equal(maestro(bin, ["--version"]).stdout, `maestro ${version}\n`);
    assert.equal(maestro(bin, ["--version"], [OLD]).stdout, `maestro ${version}\n`);
  });

  it("says nothing of an answer that cannot be written", () => {
    const full = openSync("/dev/full", "w");
    try {
      const { status, stderr } = maestro(bin, ["--version"], [], ["ignore", full, "pipe"]);
      assert.deepEqual([status, stderr], [0, ""]);
    } finally {
      closeSync(full);
    }
  });

  it("hands arguments and exit code through", () => {
    const { status, stdout } = maestro(copy, ["run", "a b"]);
    assert.deepEqual([status, stdout], [7, `${process.versions.node} run a b\n`]);
  });

  it("has each of its modules once, also by a link", () => {
    const cli = join(clone, "packages/maestro/src/cli");
    writeFileSync(join(cli, "../part.ts"), "export const part: object = {};");
    writeFileSync(join(cli, "other.ts"), 'export { part } from "../../src/part.ts";');
    const program = readFileSync(join(cli, "main.ts"), "utf8");
    writeFileSync(
      join(cli, "main.ts"),
      `import { part } from "../part.ts";
       export async function main(): Promise<number> {
         const { part: same } = await import("./other.ts");
         console.log(part === same, import.meta.url);
         return 0;
       }`,
    );
    const link = join(clone, "maestro");
    symlinkSync(copy, link);
    const { stdout, stderr } = maestro(link, ["run"]);
    assert.equal(stdout, `true ${pathToFileURL(join(realpathSync(cli), "main.ts"))}\n`, stderr);
    writeFileSync(join(cli, "main.ts"), program);
  });

  it("lets modules that are not its own be what they are", () => {
    const elsewhere = join(clone, "elsewhere");
    mkdirSync(elsewhere);
    writeFileSync(join(elsewhere, "package.json"), '{ "type": "commonjs" }');
    writeFileSync(join(elsewhere, "part.ts"), "module.exports = { part: typeof require };");
    writeFileSync(join(elsewhere, "whole.mts"), 'import { part } from "./part.ts"; console.log(part);');
    const hooks = join(clone, "packages/maestro/bin/own-modules.cjs");
    const { stdout, stderr } = maestro(join(elsewhere, "whole.mts"), [], ["--require", hooks]);
    assert.equal(stdout, "function\n", stderr);
  });

  it("says in a sentence that Node is too old, and exits 2", () => {
    const { status, stdout, stderr } = maestro(copy, ["run"], [OLD]);
    assert.deepEqual([status, stdout], [2, ""]);
    assert.match(
      stderr,
      /^error\[node_too_old\]: maestro \S+ needs Node\.js 24\.15 or newer, and this is 20\.20\.2\nfix: .*\n$/,
    );
  });

  it("goes on with the Node.js of the clone when its own is too old", () => {
    mkdirSync(join(clone, "node_modules/.bin"), { recursive: true });
    symlinkSync(process.execPath, join(clone, "node_modules/.bin/node"));
    const { status, stdout } = maestro(copy, ["run"], [OLD]);
    assert.deepEqual([status, stdout], [7, `${process.versions.node} run\n`]);
  });

  it("says which dependency is missing when nothing is installed, and exits 2", () => {
    writeFileSync(join(clone, "packages/maestro/src/cli/main.ts"), 'import "@summit/nowhere";');
    const { status, stderr } = maestro(copy, ["run"]);
    assert.equal(status, 2);
    assert.match(
      stderr,
      /^error: the dependencies are not installed: @summit\/nowhere is missing\nfix: run npm ci in .*\n$/,
    );
  });
});
