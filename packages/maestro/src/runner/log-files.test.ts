import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import fc from "fast-check";
import { openLogs } from "./log-files.ts";
import type { LogRef } from "./logs.ts";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const read = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const ref = (task: string, item = -1, attempt = 1): LogRef => ({ run: "r_1", task, item, attempt });

describe("openLogs()", () => {
  let root = "";
  let count = 0;
  const fresh = (): string => join(root, String((count += 1)));
  before(async () => {
    root = await mkdtemp(join(tmpdir(), "maestro-logs-"));
  });
  after(() => rm(root, { recursive: true, force: true }));

  it("keeps what three streams wrote in the order it came, and knows which bytes were whose and when", async () => {
    const logs = openLogs(fresh());
    logs.append(ref("build"), "stdout", text("one\n"), 1000);
    logs.append(ref("build"), "stderr", text("two\n"), 1001);
    logs.append(ref("build"), "stderr", text("three\n"), 1002);
    logs.append(ref("build"), "info", text("four"), 1003);
    await logs.close(ref("build"));
    const { bytes, size } = await logs.read(ref("build"), { offset: 0, limit: 100 });
    assert.equal(read(bytes), "one\ntwo\nthree\nfour");
    assert.equal(size, 18);
    assert.deepEqual(await logs.segments(ref("build")), [
      { offset: 0, at: 1000, lines: 0, stream: "stdout" },
      { offset: 4, at: 1001, lines: 1, stream: "stderr" },
      { offset: 14, at: 1003, lines: 3, stream: "info" },
      { offset: 18, at: 1003, lines: 3, stream: "end" },
    ]);
  });

  it("makes no file for an attempt that logs nothing, and reads it as empty", async () => {
    const dir = fresh();
    const logs = openLogs(dir);
    assert.equal(logs.append(ref("quiet"), "stdout", new Uint8Array(), 1), true);
    await logs.drained(ref("quiet"));
    await logs.close(ref("quiet"));
    assert.deepEqual(await logs.list("r_1"), []);
    assert.equal((await logs.read(ref("quiet"), { offset: 0, limit: 9 })).size, 0);
    await assert.rejects(readdir(dir), { code: "ENOENT" });
  });

  it("can be read while it is written", async () => {
    const logs = openLogs(fresh());
    logs.append(ref("live"), "stdout", text("first\n"), 1);
    await logs.drained(ref("live"));
    assert.equal(read((await logs.tail(ref("live"), { lines: 5, limit: 100 })).bytes), "first\n");
    logs.append(ref("live"), "stdout", text("second\n"), 2);
    await logs.drained(ref("live"));
    assert.equal(read((await logs.read(ref("live"), { offset: 6, limit: 100 })).bytes), "second\n");
    assert.deepEqual(
      (await logs.list("r_1")).map((one) => one.lines),
      [2],
    );
    await logs.close(ref("live"));
  });

  it("lists attempts in the order they began, with size and lines, also after a crash cut the index", async () => {
    const dir = fresh();
    const logs = openLogs(dir);
    logs.append(ref("z"), "stdout", text("1\n"), 10);
    logs.append(ref("a", 3, 2), "stdout", text("1\n2\n"), 20);
    logs.append(ref("m"), "stdout", text("1\n2\n3"), 30);
    for (const one of [ref("z"), ref("a", 3, 2), ref("m")]) await logs.close(one);
    await truncate(join(dir, "r_1", "m.1.idx"), 24 + 7);
    const listed = await openLogs(dir).list("r_1");
    assert.deepEqual(listed, [
      { ...ref("z"), size: 2, lines: 1 },
      { ...ref("a", 3, 2), size: 4, lines: 2 },
      { ...ref("m"), size: 5, lines: 2 },
    ]);
  });

  it("goes on where an earlier engine stopped", async () => {
    const dir = fresh();
    const first = openLogs(dir);
    first.append(ref("t"), "stdout", text("before\n"), 1);
    await first.close(ref("t"));
    const second = openLogs(dir);
    second.append(ref("t"), "info", text("after\n"), 2);
    await second.close(ref("t"));
    assert.equal(read((await second.read(ref("t"), { offset: 0, limit: 99 })).bytes), "before\nafter\n");
    assert.deepEqual((await second.list("r_1"))[0]?.lines, 2);
    assert.deepEqual((await second.segments(ref("t"))).at(-1), { offset: 13, at: 2, lines: 2, stream: "end" });
  });

  it("cuts a log at its limit and says so once", async () => {
    const logs = openLogs(fresh(), { maxBytes: 10 });
    for (let i = 0; i < 5; i++) logs.append(ref("loud"), "stdout", text("12345678"), 1);
    await logs.close(ref("loud"));
    const { bytes } = await logs.read(ref("loud"), { offset: 0, limit: 1000 });
    assert.equal(
      read(bytes),
      "1234567812\n[maestro] The log ends here: it reached its limit of 10 bytes. The task went on.\n",
    );
  });

  it("asks to pause above the backlog and says when to go on", async () => {
    const logs = openLogs(fresh(), { maxBacklog: 1000 });
    assert.equal(logs.append(ref("p"), "stdout", new Uint8Array(500), 1), true);
    assert.equal(logs.append(ref("p"), "stdout", new Uint8Array(500), 1), false);
    await logs.drained(ref("p"));
    assert.equal(logs.append(ref("p"), "stdout", new Uint8Array(500), 1), true);
    await logs.close(ref("p"));
    assert.equal((await logs.read(ref("p"), { offset: 0, limit: 0 })).size, 1500);
  });

  it("tails any number of lines within a limit, whatever ends the last one", async () => {
    const logs = openLogs(fresh());
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ maxLength: 8, unit: fc.constantFrom("a", "é", "\u0000", "\u001b") }), { maxLength: 30 }),
        fc.boolean(),
        fc.nat(12),
        async (lines, ended, wanted) => {
          const one = ref("tail", (count += 1));
          const whole = lines.join("\n") + (ended ? "\n" : "");
          logs.append(one, "stdout", text(whole), 1);
          await logs.close(one);
          const body = whole.endsWith("\n") ? whole.slice(0, -1) : whole;
          const expected =
            wanted === 0 || whole === ""
              ? ""
              : body.split("\n").slice(-wanted).join("\n") + (whole.endsWith("\n") ? "\n" : "");
          const { bytes, offset } = await logs.tail(one, { lines: wanted, limit: 10_000 });
          assert.equal(read(bytes), expected);
          assert.equal(offset, Buffer.byteLength(whole) - Buffer.byteLength(expected));
        },
      ),
      { numRuns: 60 },
    );
    logs.append(ref("long"), "stdout", Buffer.alloc(300_000, "x"), 1);
    await logs.close(ref("long"));
    const { bytes, offset } = await logs.tail(ref("long"), { lines: 3, limit: 1000 });
    assert.deepEqual([bytes.byteLength, offset], [1000, 299_000]);
  });

  it("finds lines in any case with their number and offset, in long lines and across blocks", async () => {
    const logs = openLogs(fresh());
    const parts = [
      "Erste ÄRGERLICHE Zeile\r\n",
      "İstanbul\n",
      "nothing\n",
      `${"x".repeat(1_500_000)}NEEDLE${"y".repeat(1_500_000)} needle\n`,
      "the Needle\n",
      "no end needle",
    ];
    logs.append(ref("s"), "stdout", text(parts.join("")), 1);
    await logs.close(ref("s"));
    const offsets = parts.map((_, i) => Buffer.byteLength(parts.slice(0, i).join("")));
    assert.deepEqual(await logs.search(ref("s"), { text: "ärgerliche", limit: 9 }), [
      { line: 1, offset: 0, text: "Erste ÄRGERLICHE Zeile" },
    ]);
    const found = await logs.search(ref("s"), { text: "needle", limit: 9 });
    assert.deepEqual(
      found.map(({ line, offset }) => [line, offset]),
      [
        [4, offsets[3]],
        [5, offsets[4]],
        [6, offsets[5]],
      ],
    );
    assert.match(found[0]?.text ?? "", /^…x+NEEDLEy+…$/);
    assert.equal(found[1]?.text, "the Needle");
    assert.equal((await logs.search(ref("s"), { text: "needle", limit: 2 })).length, 2);
    assert.deepEqual(await logs.search(ref("s"), { text: "", limit: 2 }), []);
  });

  it("finds what a plain scan of the lines finds", async () => {
    const logs = openLogs(fresh());
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ maxLength: 6, unit: fc.constantFrom("a", "B", "ä", "Ä", "İ") }), { maxLength: 40 }),
        fc.string({ minLength: 1, maxLength: 2, unit: fc.constantFrom("a", "b", "ä") }),
        async (lines, needle) => {
          const one = ref("find", (count += 1));
          logs.append(one, "stdout", text(`${lines.join("\n")}\n`), 1);
          await logs.close(one);
          const expected = lines.flatMap((line, i) =>
            line.toLowerCase().includes(needle) ? [{ line: i + 1, text: line }] : [],
          );
          assert.deepEqual(
            (await logs.search(one, { text: needle, limit: 1000 })).map(({ line, text: found }) => ({
              line,
              text: found,
            })),
            expected,
          );
        },
      ),
      { numRuns: 60 },
    );
  });

  it("keeps binary bytes as they are", async () => {
    const dir = fresh();
    const logs = openLogs(dir);
    const bytes = Uint8Array.from({ length: 70_000 }, (_, i) => (i * 31) % 256);
    logs.append(ref("bin"), "stdout", bytes, 1);
    await logs.close(ref("bin"));
    assert.deepEqual(new Uint8Array(await readFile(join(dir, "r_1", "bin.1.log"))), bytes);
  });

  it("never lets a name become a path", async () => {
    const dir = fresh();
    const logs = openLogs(dir);
    const hostile: LogRef = { run: "../../up", task: "../etc/ü", item: -1, attempt: 1 };
    logs.append(hostile, "stdout", text("x\n"), 1);
    await logs.close(hostile);
    assert.deepEqual(await readdir(dir), ["%2e%2e%2f%2e%2e%2fup"]);
    assert.deepEqual(await logs.list("../../up"), [{ ...hostile, size: 2, lines: 1 }]);
    assert.deepEqual(await logs.refs("../../up"), [hostile]);
    assert.deepEqual(await logs.refs("r_none"), []);
  });

  it("says at close what it could not keep, and never holds the writer up", async () => {
    const dir = fresh();
    await writeFile(dir, "a file where the folder should be");
    const logs = openLogs(dir);
    logs.append(ref("x"), "stdout", text("lost"), 1);
    await logs.drained(ref("x"));
    await assert.rejects(logs.close(ref("x")), { code: "storage_failed" });
    await logs.close(ref("x"));
  });

  it("is cheap for a thousand attempts with a small log each, and opens nothing that stays open", async () => {
    const logs = openLogs(fresh());
    for (let item = 0; item < 1000; item++) logs.append(ref("many", item), "stdout", text(`item ${item}\n`), item);
    await Promise.all(Array.from({ length: 1000 }, (_, item) => logs.drained(ref("many", item))));
    const files = (await readdir("/proc/self/fd").catch(() => [])).length;
    assert.ok(files < 200, `${files} descriptors are open`);
    await Promise.all(Array.from({ length: 1000 }, (_, item) => logs.close(ref("many", item))));
    const listed = await logs.list("r_1");
    assert.equal(listed.length, 1000);
    assert.deepEqual(listed[999], { ...ref("many", 999), size: 9, lines: 1 });
  });
});
