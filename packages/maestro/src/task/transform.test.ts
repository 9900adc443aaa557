import assert from "node:assert/strict";
import { createWriteStream, readFileSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { join } from "node:path";
import { describe, it } from "node:test";
import fc from "fast-check";
import { sha256 } from "../core/digest.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { workbench } from "../../test/support/run-task.ts";
import { transform } from "./transform.ts";

const ORDERS: JsonValue = [
  { id: "a", total: 10, lines: [1, 2] },
  { id: "b", total: 250, lines: [] },
  { id: "c", total: 300, lines: [3] },
];

async function run(input: JsonObject): Promise<JsonObject> {
  using bench = workbench();
  return (await bench.run(transform, input)) as JsonObject;
}

describe("transform@1", () => {
  it("filters and reshapes", async () => {
    assert.deepEqual(
      await run({
        from: { value: ORDERS },
        where: "row.total >= inputs.min",
        select: { key: 'row.id + "-" + string(index)', n: "size(row.lines)" },
        inputs: { min: 100 },
      }),
      {
        rows: 3,
        kept: 2,
        value: [
          { key: "b-1", n: 0 },
          { key: "c-2", n: 1 },
        ],
      },
    );
  });

  it("takes one expression for the whole row, and any other JSON as one row", async () => {
    assert.deepEqual((await run({ from: { value: ORDERS }, select: "row.lines.map(n, n * 2)" }))["value"], [
      [2, 4],
      [],
      [6],
    ]);
    assert.deepEqual(await run({ from: { value: { a: 1 } }, select: "row.a + 1" }), { rows: 1, kept: 1, value: [2] });
    assert.deepEqual((await run({ from: { value: null } }))["value"], [null]);
  });

  it("stops at the limit", async () =>
    assert.deepEqual(await run({ from: { value: ORDERS }, limit: 2, select: "row.id" }), {
      rows: 2,
      kept: 2,
      value: ["a", "b"],
    }));

  it("reads CSV with quotes, line breaks, a byte order mark and other delimiters", async () => {
    const csv = '\ufeffname;note\r\n"Müller; Sons";"said ""hi""\r\ntwice"\r\n\r\nx;\r\n';
    assert.deepEqual((await run({ from: { value: csv, format: "csv", delimiter: ";" } }))["value"], [
      { name: "Müller; Sons", note: 'said "hi"\r\ntwice' },
      { name: "x", note: "" },
    ]);
    assert.deepEqual((await run({ from: { value: "a,b\n", format: "csv", header: false } }))["value"], [
      { c1: "a", c2: "b" },
    ]);
    assert.deepEqual((await run({ from: { value: "n\n7\n", format: "csv" }, select: "int(row.n) + 1" }))["value"], [8]);
  });

  it("keeps columns with the names of object members", async () => {
    const { value } = await run({ from: { value: "__proto__,constructor\na,b\n", format: "csv" } });
    assert.equal(JSON.stringify(value), '[{"__proto__":"a","constructor":"b"}]');
  });

  it("reads JSON lines, blank ones left out", async () => {
    assert.deepEqual(
      (await run({ from: { value: '{"a":1}\r\n\n  \n{"a":2}', format: "jsonl" }, select: "row.a" }))["value"],
      [1, 2],
    );
  });

  it("writes what it can read again", async () => {
    const texts = fc.array(
      fc.record({ a: fc.string({ unit: "binary" }), 'b,"c': fc.string() }, { noNullPrototype: true }),
      {
        minLength: 1,
        maxLength: 5,
      },
    );
    await fc.assert(
      fc.asyncProperty(texts, fc.constantFrom("csv", "json", "jsonl"), async (rows, format) => {
        using bench = workbench();
        const written = (await bench.run(transform, { from: { value: rows }, to: { path: "out", format } })) as {
          path: string;
          digest: string;
          bytes: number;
        };
        const text = readFileSync(written.path);
        assert.deepEqual([written.digest, written.bytes], [sha256(text), text.length]);
        assert.deepEqual(
          ((await bench.run(transform, { from: { path: written.path, format } })) as JsonObject)["value"],
          rows,
        );
      }),
      { numRuns: 60 },
    );
  });

  it("writes CSV of one empty cell so that it is read as a row", async () => {
    using bench = workbench();
    await bench.run(transform, { from: { value: [{ a: "" }, { a: null }, { a: " x" }] }, to: { path: "one.csv" } });
    assert.equal(readFileSync(join(bench.dir, "one.csv"), "utf8"), 'a\r\n""\r\n""\r\n" x"\r\n');
    assert.deepEqual(
      ((await bench.run(transform, { from: { path: join(bench.dir, "one.csv") } })) as JsonObject)["value"],
      [{ a: "" }, { a: "" }, { a: " x" }],
    );
  });

  it("writes into its folder, by the name's format, and keeps the file", async () => {
    using bench = workbench();
    writeFileSync(join(bench.base, "in.jsonl"), '{"id":1,"tags":["x"],"gone":null}\n{"id":2}\n');
    const output = (await bench.run(transform, { from: { path: "in.jsonl" }, to: { path: "sub/out.csv" } })) as {
      path: string;
    };
    assert.equal(output.path, join(bench.dir, "sub/out.csv"));
    assert.equal(readFileSync(output.path, "utf8"), 'id,tags,gone\r\n1,"[""x""]",\r\n2,,\r\n');
    assert.deepEqual(bench.events, [{ kind: "artifact", name: "sub/out.csv", path: output.path }]);
    assert.deepEqual(await bench.run(transform, { from: { value: [] }, to: { path: "none.json" } }), {
      rows: 0,
      kept: 0,
      path: join(bench.dir, "none.json"),
      bytes: 3,
      digest: sha256("[]\n"),
    });
  });

  it("streams a large file with little memory, and lets the process breathe", async () => {
    using bench = workbench();
    const file = createWriteStream(join(bench.base, "big.csv"));
    file.write("id,text\n");
    for (let i = 0; i < 60_000; i++) if (!file.write(`${i},${"x".repeat(500)}\n`)) await once(file, "drain");
    file.end();
    await once(file, "close");
    let breaths = 0;
    const count = (): void => {
      breaths += 1;
      if (breaths < 100_000) timer = setImmediate(count);
    };
    let timer = setImmediate(count);
    let peak = 0;
    const before = process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed;
    const watch = setInterval(
      () => (peak = Math.max(peak, process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed - before)),
      5,
    );
    try {
      assert.deepEqual(
        (
          (await bench.run(transform, {
            from: { path: "big.csv" },
            where: "int(row.id) % 2 == 0",
            to: { path: "even.jsonl" },
          })) as JsonObject
        )["kept"],
        30_000,
      );
    } finally {
      clearInterval(watch);
      clearImmediate(timer);
    }
    assert.ok(breaths >= 250, `${breaths} breaths`);
    assert.ok(peak < 120 * 1024 * 1024, `${peak} bytes for a file of 30 MB`);
  });
});

describe("transform@1 fails", () => {
  const rows: readonly (readonly [string, JsonObject, string, RegExp])[] = [
    [
      "an expression that fails on a row",
      { from: { value: [{ a: 1 }, {}] }, select: { x: "row.a" } },
      "ROW",
      /^Row 2: `x`: there is no `a`/,
    ],
    [
      "a filter that is no bool",
      { from: { value: [1] }, where: "row" },
      "ROW",
      /^Row 1: `where` must be true or false, and is 1\.$/,
    ],
    [
      "a filter that fails",
      { from: { value: "n\n1\nx\n", format: "csv" }, where: "int(row.n) > 0" },
      "ROW",
      /^Row 2: `where`: /,
    ],
    [
      "a broken line",
      { from: { value: '{}\n{"a":\n', format: "jsonl" } },
      "ROW",
      /^Row 2: not JSON: it ends too early \(line 1 column 6\)/,
    ],
    [
      "a line without end",
      { from: { value: `{}\n"${"x".repeat(1_100_000)}`, format: "jsonl" } },
      "ROW",
      /^Row 2: longer than 1048576 bytes/,
    ],
    [
      "a record with too few fields",
      { from: { value: "a,b\n1,2\n3\n", format: "csv" } },
      "ROW",
      /^Row 2: Invalid Record Length/,
    ],
    ["an open quote", { from: { value: 'a\n"b', format: "csv" } }, "ROW", /^Row 1: Quote Not Closed/],
    ["a column named twice", { from: { value: "a,b,a\n1,2,3\n", format: "csv" } }, "ROW", /names the column "a" twice/],
    ["a file that is not there", { from: { path: "nothing.csv" } }, "NOT_FOUND", /nothing\.csv does not exist/],
    [
      "a file of JSON that is not there",
      { from: { path: "nothing.json" } },
      "NOT_FOUND",
      /nothing\.json does not exist/,
    ],
    ["a folder", { from: { path: ".", format: "jsonl" } }, "UNREADABLE", /could not be read \(EISDIR\)/],
    [
      "too many rows for a value",
      { from: { value: Array.from({ length: 10_001 }, () => 1) } },
      "TOO_LARGE",
      /More than 10000 rows.*`to`.*`limit`/,
    ],
    [
      "rows that CSV cannot hold",
      { from: { value: [1] }, to: { path: "x.csv" } },
      "ROW",
      /only objects can be written as CSV/,
    ],
    [
      "a row with a new column",
      { from: { value: [{ a: 1 }, { b: 1 }] }, to: { path: "x.csv" } },
      "ROW",
      /^Row 2: has "b", which the first row has not/,
    ],
    [
      "lines that are no text",
      { from: { value: [1], format: "jsonl" } },
      "INPUT_INVALID",
      /from\.value must be a text where the format is jsonl/,
    ],
    [
      "a filter that does not compile",
      { from: { value: 1 }, where: "row.a ==", select: { x: "foo(row)", y: "tasks.a" } },
      "INPUT_INVALID",
      /^where: .*; select\.x: .*`foo`.*; select\.y: `tasks` is not known here/,
    ],
    [
      "a path that leads out",
      { from: { value: 1 }, to: { path: "../x.json" } },
      "INPUT_INVALID",
      /to\.path: "\.\.\/x\.json" leads out/,
    ],
    ["an absolute path", { from: { value: 1 }, to: { path: "/tmp/x.json" } }, "INPUT_INVALID", /to\.path/],
  ];
  for (const [name, input, code, message] of rows) {
    it(`on ${name}`, async () => {
      using bench = workbench();
      const { error } = await bench.fail(transform, input);
      assert.match(error.message, message);
      assert.deepEqual([error.code, error.final], [code, true]);
      assert.deepEqual(
        bench.events.filter(({ kind }) => kind === "artifact"),
        [],
      );
    });
  }

  it("on bytes that are no UTF-8", async () => {
    using bench = workbench();
    writeFileSync(join(bench.base, "latin.csv"), Buffer.from("a\nM\xfcller\n", "latin1"));
    writeFileSync(join(bench.base, "latin.jsonl"), Buffer.from('1\n"M\xfcller"\n', "latin1"));
    assert.match((await bench.fail(transform, { from: { path: "latin.csv" } })).error.message, /^Row 1: .*not UTF-8/);
    assert.match(
      (await bench.fail(transform, { from: { path: "latin.jsonl" } })).error.message,
      /^Row 2: not JSON: it is not UTF-8/,
    );
  });

  it("with the reason it was called off for", async () => {
    using bench = workbench();
    bench.abort.abort(new Error("cancelled by alice"));
    await assert.rejects(
      bench.run(transform, { from: { value: Array.from({ length: 500 }, () => 1) } }),
      /cancelled by alice/,
    );
  });
});
