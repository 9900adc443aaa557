import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { need } from "../../test/support/need.ts";
import { workbench } from "../../test/support/run-task.ts";
import type { Workbench } from "../../test/support/run-task.ts";
import { file } from "./file.ts";
import { TaskFailure } from "./task.ts";

const HELLO = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
const WORLD = "sha256:486ea46224d1bb4fb680f34f7c9ad96a8f24ec88be73ea8e5a6c65260e9cb8a7";

function put(bench: Workbench, path: string, content: string | Uint8Array = "hello"): string {
  const full = join(bench.base, path);
  mkdirSync(join(full, ".."), { recursive: true });
  writeFileSync(full, content);
  return full;
}

async function run(bench: Workbench, input: JsonObject): Promise<JsonObject> {
  return (await bench.run(file, input)) as JsonObject;
}

async function refused(
  bench: Workbench,
  input: JsonObject,
): Promise<{ code: string; message: string; final: boolean | undefined; details: JsonValue | undefined }> {
  const { code, message, final, details } = (await bench.fail(file, input)).error;
  return { code, message, final, details };
}

describe("file@1", () => {
  it("reads text, JSON and bytes, with size and digest", async () => {
    using bench = workbench();
    const path = put(bench, "a.txt");
    const facts = { path, bytes: 5, digest: HELLO };
    assert.deepEqual(await run(bench, { operation: "read", path: "a.txt" }), { ...facts, text: "hello" });
    assert.deepEqual(await run(bench, { operation: "read", path: "a.txt", as: "base64", expect: HELLO }), {
      ...facts,
      base64: "aGVsbG8=",
    });
    put(bench, "a.json", '\uFEFF{"a": [1, "ü"]}');
    assert.deepEqual((await run(bench, { operation: "read", path: "a.json", as: "json" }))["json"], { a: [1, "ü"] });
    put(bench, "latin.txt", Buffer.from([0xe4, 0xff]));
    const wrong = await refused(bench, { operation: "read", path: "latin.txt" });
    assert.deepEqual([wrong.code, wrong.final], ["ENCODING", true]);
    assert.match(wrong.message, /latin\.txt is not text in UTF-8\. Read it with `as: base64`/);
    assert.equal((await refused(bench, { operation: "read", path: "a.txt", as: "json" })).code, "ENCODING");
  });

  it("writes whole files, keeps their permissions and says what was there", async () => {
    using bench = workbench();
    const first = await run(bench, { operation: "write", path: "new/deep/a.txt", text: "hello" });
    const path = join(bench.base, "new/deep/a.txt");
    assert.deepEqual(first, { path, bytes: 5, digest: HELLO, previous: null, changed: true });
    assert.equal(statSync(path).mode & 0o777, 0o644);
    chmodSync(path, 0o600);
    const second = await run(bench, { operation: "write", path: "new/deep/a.txt", text: "world", keep: "kept.txt" });
    assert.deepEqual([second["previous"], second["digest"]], [HELLO, WORLD]);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.deepEqual(bench.events, [{ kind: "artifact", name: "kept.txt", path }]);
    await run(bench, { operation: "write", path: "new/deep/a.txt", text: "world", permissions: "640" });
    assert.equal(statSync(path).mode & 0o777, 0o640);
    await run(bench, { operation: "write", path: "b.json", json: { a: 1 } });
    assert.equal(readFileSync(join(bench.base, "b.json"), "utf8"), '{\n  "a": 1\n}\n');
    await run(bench, { operation: "write", path: "c.bin", base64: "AP8=" });
    assert.deepEqual([...readFileSync(join(bench.base, "c.bin"))], [0, 255]);
    assert.deepEqual(readdirSync(join(bench.base, "new/deep")), ["a.txt"]);
  });

  it("holds to preconditions, and finds its work done when it is done again", async () => {
    using bench = workbench();
    const path = put(bench, "a.txt");
    const absent = await refused(bench, { operation: "write", path: "a.txt", text: "world", ifDigest: "absent" });
    assert.deepEqual(
      [absent.code, absent.final, absent.details],
      ["CHANGED", true, { found: HELLO, expected: "absent" }],
    );
    assert.match(absent.message, /was expected not to be there\. Somebody else has changed it/);
    const wrong = { operation: "write", path: "a.txt", text: "new", ifDigest: WORLD };
    assert.equal((await refused(bench, wrong)).code, "CHANGED");
    assert.equal(readFileSync(path, "utf8"), "hello");
    const input = { operation: "write", path: "a.txt", text: "world", ifDigest: HELLO };
    assert.equal((await run(bench, input))["changed"], true);
    assert.equal((await run(bench, input))["changed"], false);
    assert.equal((await refused(bench, { operation: "read", path: "a.txt", expect: HELLO })).code, "CHANGED");
    assert.equal((await refused(bench, { operation: "remove", path: "a.txt", ifDigest: HELLO })).code, "CHANGED");
    const removal = { operation: "remove", path: "a.txt", ifDigest: WORLD };
    assert.deepEqual(await run(bench, removal), { path, removed: 1, changed: true });
    assert.deepEqual(await run(bench, removal), { path, removed: 0, changed: false });
  });

  it("copies and moves, with what must be at either end", async () => {
    using bench = workbench();
    put(bench, "a.txt");
    chmodSync(join(bench.base, "a.txt"), 0o640);
    const copy = { operation: "copy", path: "a.txt", to: "out/b.txt", expect: HELLO, ifDigest: "absent" };
    assert.equal((await run(bench, copy))["digest"], HELLO);
    assert.equal((await run(bench, copy))["changed"], false);
    assert.equal(statSync(join(bench.base, "out/b.txt")).mode & 0o777, 0o640);
    assert.equal((await refused(bench, { ...copy, expect: WORLD })).code, "CHANGED");
    const move = { operation: "move", path: "a.txt", to: "out/c.txt", expect: HELLO, ifDigest: "absent" };
    assert.equal((await run(bench, move))["changed"], true);
    assert.equal(existsSync(join(bench.base, "a.txt")), false);
    assert.equal((await run(bench, move))["changed"], false);
    assert.equal((await refused(bench, { operation: "move", path: "a.txt", to: "out/c.txt" })).code, "NOT_FOUND");
    put(bench, "d.txt", "world");
    assert.equal(
      (await refused(bench, { operation: "move", path: "d.txt", to: "out/c.txt", ifDigest: "absent" })).code,
      "CHANGED",
    );
    assert.deepEqual((await run(bench, { operation: "move", path: "d.txt", to: "out/c.txt" }))["previous"], HELLO);
  });

  it("moves from one disk to another", need("mountpoint"), async () => {
    using bench = workbench();
    const other = mkdtempSync("/dev/shm/maestro-");
    try {
      if (statSync(other).dev === statSync(bench.base).dev) return;
      put(bench, "a.txt");
      const input = { operation: "move", path: "a.txt", to: join(other, "a.txt"), roots: [".", other] };
      assert.equal((await run(bench, input))["digest"], HELLO);
      assert.deepEqual([readdirSync(bench.base), readFileSync(join(other, "a.txt"), "utf8")], [[], "hello"]);
    } finally {
      rmSync(other, { recursive: true });
    }
  });

  it("lists, with sizes, digests and patterns, and follows no link", async () => {
    using bench = workbench();
    for (const path of ["b.csv", "a/c.csv", "a/d.txt", ".hidden"]) put(bench, path);
    symlinkSync("/etc", join(bench.base, "a/etc"));
    assert.deepEqual((await run(bench, { operation: "list", path: ".", recursive: true }))["entries"], [
      { path: ".hidden", kind: "file", bytes: 5 },
      { path: "a", kind: "folder" },
      { path: "a/c.csv", kind: "file", bytes: 5 },
      { path: "a/d.txt", kind: "file", bytes: 5 },
      { path: "a/etc", kind: "link" },
      { path: "b.csv", kind: "file", bytes: 5 },
    ]);
    assert.deepEqual(await run(bench, { operation: "list", path: ".", match: "**/*.csv", digests: true }), {
      path: bench.base,
      count: 2,
      entries: [
        { path: "a/c.csv", kind: "file", bytes: 5, digest: HELLO },
        { path: "b.csv", kind: "file", bytes: 5, digest: HELLO },
      ],
    });
    const many = await refused(bench, { operation: "list", path: ".", maxEntries: 2 });
    assert.equal(many.code, "TOO_LARGE");
    assert.match(many.message, /more than 2 such entries\. Narrow it with `match`/);
  });

  it("makes and removes folders, and never what a link in them leads to", async () => {
    using bench = workbench();
    assert.equal((await run(bench, { operation: "mkdir", path: "a/b/c", permissions: "700" }))["changed"], true);
    assert.equal((await run(bench, { operation: "mkdir", path: "a/b/c" }))["changed"], false);
    assert.equal(statSync(join(bench.base, "a/b/c")).mode & 0o777, 0o700);
    assert.equal((await refused(bench, { operation: "mkdir", path: "x/y", parents: false })).code, "NOT_FOUND");
    put(bench, "safe/kept.txt");
    symlinkSync(join(bench.base, "safe"), join(bench.base, "a/link"));
    put(bench, "a/b/d.txt");
    const full = await refused(bench, { operation: "remove", path: "a" });
    assert.deepEqual([full.code, full.final], ["NOT_EMPTY", true]);
    assert.equal((await run(bench, { operation: "remove", path: "a", recursive: true }))["removed"], 5);
    assert.deepEqual(readdirSync(bench.base), ["safe"]);
    assert.deepEqual(readdirSync(join(bench.base, "safe")), ["kept.txt"]);
  });

  it("digests, with permissions and time", async () => {
    using bench = workbench();
    const path = put(bench, "a.txt");
    chmodSync(path, 0o604);
    const output = await run(bench, { operation: "digest", path: "a.txt", keep: "a.txt" });
    const modifiedAt = Math.round(statSync(path).mtimeMs);
    assert.deepEqual(output, { path, bytes: 5, digest: HELLO, permissions: "604", modifiedAt });
  });

  it("says which fields do not go together", async () => {
    using bench = workbench();
    const failure = await refused(bench, {
      operation: "write",
      path: "a",
      text: "x",
      json: 1,
      to: "b",
      recursive: true,
    });
    assert.equal(failure.code, "INPUT_INVALID");
    assert.match(failure.message, /to: does not go with `write`; recursive: does not go with `write`; give one of/);
    assert.match((await refused(bench, { operation: "copy", path: "a" })).message, /to: `copy` needs it/);
    assert.match((await refused(bench, { operation: "read", path: "a\0b" })).message, /NUL character/);
    assert.match((await refused(bench, { operation: "write", path: "a", base64: "%" })).message, /is not base64/);
    assert.match((await refused(bench, { operation: "read", path: "a", maxBytes: 1e9 })).message, /at most 8388608/);
  });

  it("keeps to its limits, also for a file that claims to be small", async () => {
    using bench = workbench();
    const path = put(bench, "large", "");
    truncateSync(path, 2 * 1024 * 1024);
    const large = await refused(bench, { operation: "read", path: "large" });
    assert.deepEqual([large.code, large.final], ["TOO_LARGE", true]);
    assert.match(large.message, /more than 1048576 bytes\. Raise `maxBytes`/);
    assert.equal(
      (await refused(bench, { operation: "copy", path: "large", to: "copy", maxBytes: 10 })).code,
      "TOO_LARGE",
    );
    assert.equal(
      (await refused(bench, { operation: "write", path: "w", text: "hello", maxBytes: 1 })).code,
      "TOO_LARGE",
    );
    // The kernel says that it has no bytes at all.
    const proc = await refused(bench, { operation: "read", path: "/proc/kallsyms", roots: ["/proc"], maxBytes: 1000 });
    assert.equal(proc.code, "TOO_LARGE");
    assert.deepEqual(readdirSync(bench.base), ["large"]);
  });

  it("stops when it is called off, and leaves nothing half", async () => {
    using bench = workbench();
    truncateSync(put(bench, "large", ""), 4 * 1024 * 1024 * 1024);
    const work = bench.fail(file, { operation: "copy", path: "large", to: "copy" });
    bench.abort.abort(new TaskFailure({ code: "CANCELLED", message: "no longer wanted" }));
    assert.equal((await work).error.code, "CANCELLED");
    assert.deepEqual(readdirSync(bench.base), ["large"]);
  });
});

describe("file@1 stays inside its roots", () => {
  /** A folder outside, with something worth having. */
  function secret(): { readonly dir: string } & Disposable {
    const dir = mkdtempSync(join(tmpdir(), "maestro-secret-"));
    writeFileSync(join(dir, "key"), "secret");
    return { dir, [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }) };
  }

  it("whatever the path says", async () => {
    using outside = secret();
    using bench = workbench();
    put(bench, "in/a.txt");
    const paths = [
      "../x",
      "/etc/passwd",
      `${outside.dir}/key`,
      "in/../../x",
      `${bench.base}/../x`,
      "..",
      `${bench.base}x/y`,
    ];
    for (const path of paths)
      for (const operation of ["read", "digest", "list", "remove", "mkdir"]) {
        const failure = await refused(bench, { operation, path });
        assert.deepEqual([failure.code, failure.final], ["OUTSIDE", true], `${operation} ${path}: ${failure.message}`);
        assert.match(failure.message, /list its folder under `roots`/);
      }
    for (const operation of ["copy", "move"])
      assert.equal((await refused(bench, { operation, path: "in/a.txt", to: "../b" })).code, "OUTSIDE");
    assert.equal((await refused(bench, { operation: "read", path: "in/a.txt", roots: ["other"] })).code, "NOT_FOUND");
    mkdirSync(join(bench.base, "other"));
    assert.equal((await refused(bench, { operation: "read", path: "in/a.txt", roots: ["other"] })).code, "OUTSIDE");
    assert.equal((await refused(bench, { operation: "remove", path: ".", recursive: true })).code, "KIND");
  });

  it("whatever links say", async () => {
    using outside = secret();
    using bench = workbench();
    put(bench, "real/a.txt");
    symlinkSync(outside.dir, join(bench.base, "out"));
    symlinkSync(join(outside.dir, "key"), join(bench.base, "key"));
    symlinkSync("real", join(bench.base, "inner"));
    symlinkSync("circle", join(bench.base, "circle"));
    for (const input of [
      { operation: "read", path: "key" },
      { operation: "read", path: "out/key" },
      { operation: "list", path: "out" },
      { operation: "write", path: "out/new", text: "x" },
      { operation: "write", path: "out/deep/new", text: "x" },
      { operation: "mkdir", path: "out/new" },
      { operation: "remove", path: "out/key" },
      { operation: "copy", path: "key", to: "copy" },
      { operation: "move", path: "out/key", to: "moved" },
      { operation: "move", path: "real/a.txt", to: "out/a.txt" },
    ]) {
      const failure = await refused(bench, input);
      assert.equal(failure.code, "OUTSIDE", `${JSON.stringify(input)}: ${failure.message}`);
      assert.doesNotMatch(failure.message, /secret$/);
    }
    // A link that stays inside is followed to read, and replaced when it is written.
    assert.equal((await run(bench, { operation: "read", path: "inner/a.txt" }))["text"], "hello");
    assert.equal((await refused(bench, { operation: "read", path: "circle" })).code, "KIND");
    assert.equal((await refused(bench, { operation: "write", path: "key", text: "x" })).code, "KIND");
    assert.equal((await run(bench, { operation: "remove", path: "key" }))["removed"], 1);
    assert.deepEqual([readdirSync(outside.dir), readFileSync(join(outside.dir, "key"), "utf8")], [["key"], "secret"]);
  });

  it("while somebody swaps a folder for a link", async () => {
    using outside = secret();
    using bench = workbench();
    put(bench, "a/key", "mine");
    symlinkSync(outside.dir, join(bench.base, "link"));
    let swaps = 0;
    let over = false;
    const swapper = async (): Promise<void> => {
      for (; !over; swaps += 1) {
        renameSync(join(bench.base, "a"), join(bench.base, "b"));
        renameSync(join(bench.base, "link"), join(bench.base, "a"));
        await new Promise((next) => setImmediate(next));
        renameSync(join(bench.base, "a"), join(bench.base, "link"));
        renameSync(join(bench.base, "b"), join(bench.base, "a"));
        await new Promise((next) => setImmediate(next));
      }
    };
    const swapping = swapper();
    const seen = new Set<string>();
    for (let i = 0; i < 300; i += 1) {
      const [read] = await Promise.allSettled([
        bench.run(file, { operation: "read", path: "a/key" }),
        bench.run(file, { operation: "write", path: "a/made", text: "x", parents: false }),
        bench.run(file, { operation: "remove", path: "a/key2" }),
      ]);
      if (read.status === "fulfilled") seen.add((read.value as { readonly text: string }).text);
    }
    over = true;
    await swapping;
    assert.ok(swaps > 0);
    assert.deepEqual([...seen], ["mine"]);
    assert.deepEqual(readdirSync(outside.dir), ["key"]);
  });

  it("and touches no pipes, devices or folders in place of files", need("mkfifo"), async () => {
    using bench = workbench();
    execFileSync("mkfifo", [join(bench.base, "pipe")]);
    mkdirSync(join(bench.base, "folder"));
    put(bench, "file");
    for (const path of ["pipe", "folder"])
      for (const operation of ["read", "digest"]) {
        const failure = await refused(bench, { operation, path });
        assert.deepEqual([failure.code, failure.final], ["KIND", true], failure.message);
      }
    assert.equal((await refused(bench, { operation: "write", path: "pipe", text: "x" })).code, "KIND");
    assert.equal((await refused(bench, { operation: "read", path: "/dev/zero", roots: ["/dev"] })).code, "KIND");
    assert.equal((await refused(bench, { operation: "list", path: "file" })).code, "NOT_FOUND");
    assert.equal((await refused(bench, { operation: "write", path: "file/x", text: "x" })).code, "NOT_FOUND");
    assert.equal((await refused(bench, { operation: "write", path: "folder", text: "x" })).code, "KIND");
    assert.equal(
      (await refused(bench, { operation: "write", path: "x".repeat(300), text: "x" })).code,
      "INPUT_INVALID",
    );
    assert.ok(lstatSync(join(bench.base, "pipe")).isFIFO());
  });

  it("and reads what the run's other tasks left, but nothing else of Maestro's own", async () => {
    using bench = workbench();
    const data = join(bench.dir, "../../..");
    for (const path of [join(bench.dir, "../2/left.txt"), join(data, "keys/key.json"), join(bench.dir, "mine.txt")]) {
      mkdirSync(join(path, ".."), { recursive: true });
      writeFileSync(path, "hello");
    }
    const left = join(bench.dir, "../2/left.txt");
    assert.equal((await run(bench, { operation: "copy", path: left, to: "copy.txt" }))["digest"], HELLO);
    assert.equal((await refused(bench, { operation: "remove", path: left })).code, "OUTSIDE");
    assert.equal(
      (await run(bench, { operation: "move", path: join(bench.dir, "mine.txt"), to: "mine.txt" }))["bytes"],
      5,
    );
    const key = await refused(bench, { operation: "read", path: join(data, "keys/key.json"), roots: [data] });
    assert.equal(key.code, "OUTSIDE");
    assert.match(key.message, /in Maestro's own data directory, which no task may touch/);
    assert.equal(
      (await refused(bench, { operation: "list", path: join(data, "keys"), roots: [data] })).code,
      "OUTSIDE",
    );
    assert.equal(
      (await refused(bench, { operation: "write", path: join(data, "x"), text: "x", roots: [data] })).code,
      "OUTSIDE",
    );
  });

  it("and goes around Maestro's data directory where that lies in a root", async () => {
    using bench = workbench();
    const data = join(bench.dir, "../../..");
    writeFileSync(join(data, "maestro.db"), "mine");
    const root = join(data, "..");
    const entries = (await run(bench, { operation: "list", path: root, roots: [root], recursive: true }))["entries"];
    assert.deepEqual(entries, [
      { path: "base", kind: "folder" },
      { path: "data", kind: "folder" },
    ]);
    for (const path of [root, data]) {
      const failure = await refused(bench, { operation: "remove", path, roots: [join(root, "..")], recursive: true });
      assert.deepEqual([failure.code, readFileSync(join(data, "maestro.db"), "utf8")], ["OUTSIDE", "mine"]);
    }
  });

  it("and does not write through a second name of a file", async () => {
    using bench = workbench();
    put(bench, "a.txt");
    linkSync(join(bench.base, "a.txt"), join(bench.base, "b.txt"));
    await run(bench, { operation: "write", path: "b.txt", text: "world" });
    assert.equal(readFileSync(join(bench.base, "a.txt"), "utf8"), "hello");
  });
});
