import assert from "node:assert/strict";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { sha256 } from "../core/digest.ts";
import { openSqlite } from "../store/sqlite.ts";
import type { Store } from "../store/store.ts";
import { taskTypes } from "../task/catalogue.ts";
import type { Folder } from "./folder.ts";
import { openFolder, refOf, RESCAN_MS, SETTLE_MS } from "./folder.ts";
import { FOLDER_LIMITS } from "./scan-folder.ts";

const DESCRIPTIONS = new Map([...taskTypes()].map(([name, type]) => [name, type.description] as const));

function manifest(name: string, version = "1.0.0", uses = "noop@1", value = 1): string {
  return `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: test, name: ${name}, version: ${version} }
spec:
  type: demo
  purposes: [test]
  license: internal
  budget: { wall: 5m }
  tasks:
    one: { uses: "${uses}", with: ${uses.startsWith("noop") ? `{ value: ${value} }` : "{}"} }
`;
}

describe("a watched folder", () => {
  let dir = "";
  let data = "";
  let store: Store;
  let folder: Folder;
  let said: string[] = [];
  // The clock of the test is ahead of the file system's, so that nothing counts as just changed unless a test says so.
  let now = 0;
  before(async () => {
    data = mkdtempSync(join(tmpdir(), "maestro-folder-data-"));
    store = await openSqlite({ path: join(data, "maestro.db") });
  });
  after(async () => {
    await store.close();
    rmSync(data, { recursive: true });
  });
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "maestro-folder-"));
    said = [];
    now = Date.now() + 3_600_000;
    folder = openFolder({
      path: dir,
      shown: "books",
      env: { store, descriptions: DESCRIPTIONS, now: () => now },
      changed(change) {
        switch (change.kind) {
          case "loaded":
            return void said.push(`${change.file} is ${refOf(change.workflow)}`);
          case "broken":
            return void said.push(
              `${change.file} broken, ${change.kept ? `kept ${refOf(change.kept)}` : "nothing kept"}: ${change.problem.message}`,
            );
          case "removed":
            return void said.push(`${change.file} removed`);
          case "folder":
            return void said.push(`folder: ${change.problem}`);
        }
      },
    });
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const put = (path: string, text: string): void => writeFileSync(join(dir, path), text);
  /** One look, and what it told. */
  async function tick(ms = 0): Promise<readonly string[]> {
    said = [];
    now += ms;
    await folder.tick(now);
    return said;
  }
  /** Until what changed now has settled. */
  async function settle(): Promise<readonly string[]> {
    const first = await tick();
    return [...first, ...(await tick(SETTLE_MS))];
  }
  const digestOf = (file: string) => folder.view.files.find((one) => one.file === file)?.workflow?.digest;

  it("is taken in whole at the first look, folders inside it too, and nothing else", async () => {
    put("a.maestro.yaml", manifest("a"));
    put("notes.yaml", "no manifest");
    put(".#a.maestro.yaml", "an editor's lock");
    mkdirSync(join(dir, "more/node_modules"), { recursive: true });
    mkdirSync(join(dir, ".git"));
    put("more/maestro.yaml", manifest("b"));
    put("more/node_modules/x.maestro.yaml", manifest("x"));
    put(".git/y.maestro.yaml", manifest("y"));
    put("maestro.yaml", "apiVersion: maestro/v1\nkind: Project\n");
    assert.deepEqual(await tick(), ["books/a.maestro.yaml is test/a@1.0.0", "books/more/maestro.yaml is test/b@1.0.0"]);
    assert.deepEqual(await tick(RESCAN_MS), []);
    assert.equal(folder.nextAt(), now + RESCAN_MS);
  });

  it("takes an edit when it has settled, without a new version, and not before", async () => {
    put("a.maestro.yaml", manifest("a"));
    await tick();
    const old = digestOf("books/a.maestro.yaml");
    put("a.maestro.yaml", manifest("a", "1.0.0", "noop@1", 22));
    assert.deepEqual(await tick(), []);
    assert.equal(folder.nextAt(), now + SETTLE_MS);
    assert.deepEqual(await tick(SETTLE_MS - 1), []);
    assert.equal(digestOf("books/a.maestro.yaml"), old);
    put("a.maestro.yaml", manifest("a", "1.0.0", "noop@1", 333));
    assert.deepEqual(await tick(1), [], "it has changed again and waits again");
    assert.deepEqual(await tick(SETTLE_MS), ["books/a.maestro.yaml is test/a@1.0.0"]);
    assert.notEqual(digestOf("books/a.maestro.yaml"), old);
    assert.match(folder.view.files[0]?.workflow?.manifest ?? "", /value: 333/);
  });

  it("keeps the last good version of a broken file, tells where it is broken, and takes the mended one", async () => {
    put("a.maestro.yaml", manifest("a"));
    await tick();
    const old = digestOf("books/a.maestro.yaml");
    put("a.maestro.yaml", manifest("a", "1.0.0", "nop@1"));
    const told = await settle();
    assert.equal(told.length, 1);
    assert.match(
      told[0] ?? "",
      /^books\/a\.maestro\.yaml broken, kept test\/a@1\.0\.0: books\/a\.maestro\.yaml:10:18: there is no task type `nop`$/,
    );
    const [file] = folder.view.files;
    assert.equal(file?.workflow?.digest, old);
    assert.deepEqual([file?.problem?.diagnostics[0]?.["line"], file?.problem?.diagnostics[0]?.["column"]], [10, 18]);
    assert.deepEqual(await tick(RESCAN_MS), [], "told once");
    put("a.maestro.yaml", manifest("a"));
    assert.deepEqual(await settle(), ["books/a.maestro.yaml is test/a@1.0.0"]);
    assert.equal(digestOf("books/a.maestro.yaml"), old);
  });

  it("has no version of a file that never was good, and says why", async () => {
    put("a.maestro.yaml", "metadata: [");
    const [line] = await tick();
    assert.match(line ?? "", /^books\/a\.maestro\.yaml broken, nothing kept: books\/a\.maestro\.yaml:1:\d+: /);
    put("b.maestro.yaml", "");
    assert.match(
      (await settle()).join(),
      /^books\/b\.maestro\.yaml broken, nothing kept: books\/b\.maestro\.yaml:1:1: /,
    );
    writeFileSync(join(dir, "c.maestro.yaml"), Buffer.from([0xff, 0xfe, 0x00]));
    assert.match((await settle()).join(), /^books\/c\.maestro\.yaml broken, nothing kept: /);
    truncateSync(join(dir, "b.maestro.yaml"), 3 * 1024 ** 3);
    assert.match((await settle()).join(), /b\.maestro\.yaml broken, nothing kept: It has 3221225472 bytes/);
  });

  it("does not mind how editors write: half a file, a file that is away for a moment, a file put in its place", async () => {
    put("a.maestro.yaml", manifest("a"));
    await tick();
    put("a.maestro.yaml", manifest("a", "2.0.0").slice(0, 60));
    assert.deepEqual(await tick(), []);
    put("a.maestro.yaml", manifest("a", "2.0.0"));
    assert.deepEqual(await settle(), ["books/a.maestro.yaml is test/a@2.0.0"]);
    renameSync(join(dir, "a.maestro.yaml"), join(dir, "a.maestro.yaml~"));
    assert.deepEqual(await tick(), []);
    assert.equal(folder.nextAt(), now + SETTLE_MS);
    put("a.maestro.yaml", manifest("a", "2.1.0"));
    assert.deepEqual(await settle(), ["books/a.maestro.yaml is test/a@2.1.0"]);
    put("tmp", manifest("a", "2.2.0"));
    renameSync(join(dir, "tmp"), join(dir, "a.maestro.yaml"));
    assert.deepEqual(await settle(), ["books/a.maestro.yaml is test/a@2.2.0"]);
  });

  it("sees a change that leaves size and time as they were, as coarse clocks do", async () => {
    const path = join(dir, "a.maestro.yaml");
    const at = new Date(2026, 0, 1);
    put("a.maestro.yaml", manifest("a", "1.0.0", "noop@1", 1));
    utimesSync(path, at, at);
    now = Date.now();
    await tick();
    const mark = folder.view.files[0]?.workflow?.digest;
    put("a.maestro.yaml", manifest("a", "1.0.0", "noop@1", 2));
    utimesSync(path, at, at);
    await settle();
    assert.notEqual(digestOf("books/a.maestro.yaml"), mark);
  });

  it("forgets what is deleted, follows what is renamed, and keeps the name with who had it first", async () => {
    put("a.maestro.yaml", manifest("a"));
    put("b.maestro.yaml", manifest("b"));
    await tick();
    rmSync(join(dir, "b.maestro.yaml"));
    assert.deepEqual(await settle(), ["books/b.maestro.yaml removed"]);
    renameSync(join(dir, "a.maestro.yaml"), join(dir, "z.maestro.yaml"));
    assert.deepEqual(await settle(), ["books/a.maestro.yaml removed", "books/z.maestro.yaml is test/a@1.0.0"]);
    put("b.maestro.yaml", manifest("a", "1.0.0", "noop@1", 5));
    assert.deepEqual(await settle(), [
      "books/b.maestro.yaml broken, nothing kept: test/a@1.0.0 is in books/z.maestro.yaml already, and that file keeps it; give this one another name or version.",
    ]);
    rmSync(join(dir, "z.maestro.yaml"));
    assert.deepEqual(await settle(), ["books/z.maestro.yaml removed", "books/b.maestro.yaml is test/a@1.0.0"]);
  });

  it("compiles who uses a runbook again when that changes, whatever the order, and no circles", async () => {
    put("a-parent.maestro.yaml", manifest("parent", "1.0.0", "runbook:test/child@1"));
    put("z-child.maestro.yaml", manifest("child", "1.2.0"));
    assert.equal((await tick()).length, 2);
    const parent = digestOf("books/a-parent.maestro.yaml");
    const child = digestOf("books/z-child.maestro.yaml");
    assert.ok(child !== undefined && (await store.planGet(child)) !== undefined, "a child run finds its plan");
    put("z-child.maestro.yaml", manifest("child", "1.2.0", "noop@1", 2));
    assert.deepEqual(await settle(), [
      "books/a-parent.maestro.yaml is test/parent@1.0.0",
      "books/z-child.maestro.yaml is test/child@1.2.0",
    ]);
    assert.notEqual(digestOf("books/a-parent.maestro.yaml"), parent);
    rmSync(join(dir, "z-child.maestro.yaml"));
    const gone = await settle();
    assert.equal(gone[0], "books/z-child.maestro.yaml removed");
    put("b.maestro.yaml", manifest("b", "1.0.0", "runbook:test/c@1"));
    put("c.maestro.yaml", manifest("c", "1.0.0", "runbook:test/b@1"));
    const circle = await settle();
    assert.equal(circle.filter((line) => line.includes("broken, nothing kept")).length, 2, circle.join("\n"));
    put("c.maestro.yaml", manifest("c"));
    assert.deepEqual(await settle(), ["books/b.maestro.yaml is test/b@1.0.0", "books/c.maestro.yaml is test/c@1.0.0"]);
  });

  it("tries a broken file again, for what it names may come from elsewhere", async () => {
    put("a.maestro.yaml", manifest("a", "1.0.0", "runbook:test/elsewhere@1"));
    assert.match((await tick()).join(), /broken/);
    const other = mkdtempSync(join(tmpdir(), "maestro-folder-other-"));
    writeFileSync(join(other, "e.maestro.yaml"), manifest("elsewhere"));
    const env = { store, descriptions: DESCRIPTIONS, now: () => now };
    const elsewhere = openFolder({ path: other, shown: "o", env, changed: () => undefined });
    await elsewhere.tick(now);
    const plan = elsewhere.view.files[0]?.workflow;
    assert.ok(plan !== undefined);
    await store.planPut(plan);
    rmSync(other, { recursive: true });
    assert.deepEqual(await tick(RESCAN_MS), ["books/a.maestro.yaml is test/a@1.0.0"]);
  });

  it("compiles again when the program of a task type is added again, so that new runs get that one", async () => {
    const descriptions = new Map(DESCRIPTIONS);
    const add = (program: string): unknown =>
      descriptions.set("tally@1", { ...DESCRIPTIONS.get("noop@1")!, name: "tally", program: sha256(program) });
    const env = { store, descriptions, now: () => now };
    const programs: Folder = openFolder({ path: dir, shown: "o", env, changed: () => undefined });
    const look = async (): Promise<readonly (string | undefined)[]> => {
      await programs.tick((now += RESCAN_MS));
      return programs.view.files.map(({ workflow }) => workflow?.digest);
    };
    put("a-parent.maestro.yaml", manifest("parent", "1.0.0", "runbook:test/child@1"));
    put("b-child.maestro.yaml", manifest("child", "1.0.0", "tally@1"));
    put("c.maestro.yaml", manifest("c"));
    add("one");
    const first = await look();
    assert.deepEqual(await look(), first);
    add("two");
    const [parent, child, other] = await look();
    assert.ok(parent !== undefined && child !== undefined);
    assert.notEqual(parent, first[0]);
    assert.notEqual(child, first[1]);
    assert.equal(other, first[2]);
    descriptions.delete("tally@1");
    assert.deepEqual(await look(), [parent, child, other], "the last good version stays");
    assert.match(programs.view.files[1]?.problem?.message ?? "", /there is no task type `tally`/);
    add("one");
    assert.deepEqual(await look(), first);
  });

  it("keeps everything while the folder is away, and says so once", async () => {
    put("a.maestro.yaml", manifest("a"));
    await tick();
    renameSync(dir, `${dir}.away`);
    assert.deepEqual(await settle(), ["folder: there is no such folder"]);
    assert.notEqual(digestOf("books/a.maestro.yaml"), undefined);
    renameSync(`${dir}.away`, dir);
    assert.deepEqual(await settle(), ["folder: null"]);
  });

  it("reads through links to files, not to folders, and waits for what may be read", async () => {
    mkdirSync(join(dir, "..data"));
    put("..data/a.txt", manifest("a"));
    symlinkSync(join(dir, "..data/a.txt"), join(dir, "a.maestro.yaml"));
    symlinkSync(dir, join(dir, "circle"));
    symlinkSync("nowhere", join(dir, "b.maestro.yaml"));
    mkdirSync(join(dir, "c.maestro.yaml"));
    assert.deepEqual(await tick(), ["books/a.maestro.yaml is test/a@1.0.0"]);
    put("..data/new", manifest("a", "1.1.0"));
    renameSync(join(dir, "..data/new"), join(dir, "..data/a.txt"));
    assert.deepEqual(await settle(), ["books/a.maestro.yaml is test/a@1.1.0"]);
    if (process.getuid?.() === 0) return;
    chmodSync(join(dir, "..data/a.txt"), 0);
    assert.match((await settle()).join(), /kept test\/a@1\.1\.0: It cannot be read: EACCES/);
  });

  it("is bounded: what is too much is named and not read, and the rest works", async () => {
    for (let i = 0; i < FOLDER_LIMITS.manifests + 5; i++) put(`x${String(i).padStart(5, "0")}.maestro.yaml`, "x: [");
    put("a.maestro.yaml", manifest("a"));
    const told = await tick();
    assert.match(
      told[0] ?? "",
      /^folder: it holds more than 2000 manifests; x01999\.maestro\.yaml and what comes after it are not read$/,
    );
    assert.ok(told.includes("books/a.maestro.yaml is test/a@1.0.0"));
    assert.equal(folder.view.files.length, FOLDER_LIMITS.manifests);
    const deep = join(dir, ...Array.from({ length: FOLDER_LIMITS.depth + 1 }, () => "d"));
    mkdirSync(deep, { recursive: true });
    await tick(RESCAN_MS);
    assert.match(folder.view.problem ?? "", /more than 2000 manifests/);
  });
});
