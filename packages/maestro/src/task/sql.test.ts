import assert from "node:assert/strict";
import { copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, it } from "node:test";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { workbench } from "../../test/support/run-task.ts";
import { exampleEnv, manifestOf } from "../manifest/example.ts";
import { loadManifest } from "../manifest/load.ts";
import type { Workbench } from "../../test/support/run-task.ts";
import { sql } from "./sql.ts";
import { TaskFailure } from "./task.ts";

const SCHEMA = "create table orders (id integer primary key, item text not null, total real) strict";

/** A shop with two orders. */
function shop(bench: Workbench): string {
  const file = join(bench.base, "shop.db");
  using database = new DatabaseSync(file);
  database.exec(`${SCHEMA}; insert into orders values (1, 'tea', 4.5), (2, 'rice', null)`);
  return file;
}

function rowsIn(file: string, query = "select * from orders order by id"): readonly unknown[] {
  using database = new DatabaseSync(file, { readOnly: true });
  return database
    .prepare(query)
    .all()
    .map((row) => ({ ...row }));
}

async function run(bench: Workbench, input: JsonObject): Promise<JsonObject> {
  return (await bench.run(sql, { sqlite: "shop.db", ...input })) as JsonObject;
}

async function refused(
  bench: Workbench,
  input: JsonObject,
): Promise<{ code: string; message: string; final: boolean | undefined; details: JsonValue | undefined }> {
  const { code, message, final, details } = (await bench.fail(sql, { sqlite: "shop.db", ...input })).error;
  return { code, message, final, details };
}

describe("sql@1 with SQLite", { concurrency: 2 }, () => {
  it("reads rows with parameters by name and in order", async () => {
    using bench = workbench();
    shop(bench);
    assert.deepEqual(
      await run(bench, { statement: "select * from orders where item = :item", parameters: { item: "tea" } }),
      { rows: [{ id: 1, item: "tea", total: 4.5 }], count: 1, columns: ["id", "item", "total"], changes: 0 },
    );
    const output = await run(bench, { statement: "select item from orders where id > $1", parameters: [1] });
    assert.deepEqual(output["rows"], [{ item: "rice" }]);
  });

  it("takes hostile values for what they are: values", async () => {
    using bench = workbench();
    const file = shop(bench);
    const hostile = ["'; drop table orders; --", '" or 1=1', "\\'; delete from orders", "$1 :a ?", "x\0y", "ü😀\u2028"];
    for (const [i, item] of hostile.entries())
      await run(bench, {
        mode: "write",
        statement: "insert into orders (id, item) values (:id, :item)",
        parameters: { id: 10 + i, item },
      });
    const found = rowsIn(file, "select item from orders where id >= 10 order by id");
    assert.deepEqual(
      found,
      hostile.map((item) => ({ item })),
    );
  });

  it("loses nothing of a value on its way in and out", async () => {
    using bench = workbench();
    shop(bench);
    const statement =
      "select 9007199254740993 as big, 1e999 as inf, x'00ff' as bytes, :bytes as b, :whole / 2 as half, :flag as flag, :doc as doc, :list as list, typeof(:text) as type, :none as none, 0.1 as tenth";
    const parameters = {
      bytes: { base64: "AP8=" },
      whole: 5,
      flag: true,
      doc: { a: [1] },
      list: [1, "b"],
      text: "9007199254740993",
      none: null,
    };
    const output = await run(bench, { statement, parameters });
    assert.deepEqual(output["rows"], [
      {
        big: "9007199254740993",
        inf: "Infinity",
        bytes: { base64: "AP8=" },
        b: { base64: "AP8=" },
        half: 2,
        flag: 1,
        doc: '{"a":[1]}',
        list: '[1,"b"]',
        type: "text",
        none: null,
        tenth: 0.1,
      },
    ]);
  });

  it("does not write unless it is told to", async () => {
    using bench = workbench();
    const file = shop(bench);
    const failure = await refused(bench, { statement: "delete from orders" });
    assert.deepEqual([failure.code, failure.final], ["SQL_READ_ONLY", true]);
    assert.match(failure.message, /Set `mode: write`/);
    const output = await run(bench, { mode: "write", statement: "delete from orders where id = 1 returning item" });
    assert.deepEqual([output["rows"], output["changes"]], [[{ item: "tea" }], 1]);
    assert.equal(rowsIn(file).length, 1);
  });

  it("does all statements or none", async () => {
    using bench = workbench();
    const file = shop(bench);
    const insert = { statement: "insert into orders (id, item) values (:id, 'x')", parameters: { id: 3 } };
    const failure = await refused(bench, { mode: "write", statements: [insert, insert] });
    assert.deepEqual([failure.code, failure.final], ["SQL_CONSTRAINT", true]);
    assert.match(
      failure.message,
      /^Statement 2: SQLite says: UNIQUE constraint failed: orders\.id\. Nothing was changed/,
    );
    assert.deepEqual(failure.details, { sqlite: 1555, statement: 2 });
    assert.equal(rowsIn(file).length, 2);
    const output = await run(bench, {
      mode: "write",
      statements: [insert, { statement: "create table notes (a)" }, { statement: "select count(*) as n from orders" }],
    });
    assert.deepEqual([output["rows"], output["changes"]], [[{ n: 3 }], 1]);
  });

  it("undoes what it changed when its rows are too many", async () => {
    using bench = workbench();
    const file = shop(bench);
    const failure = await refused(bench, { mode: "write", statement: "delete from orders returning id", maxRows: 1 });
    assert.equal(failure.code, "SQL_LIMIT");
    assert.match(
      failure.message,
      /more than 1 rows \(`maxRows`\)\. Ask for less, or write the rows to a file with `to`/,
    );
    assert.equal(rowsIn(file).length, 2);
    const wide = { statement: "select zeroblob(1000000) as a from (values (1),(2),(3),(4),(5),(6),(7),(8),(9))" };
    assert.match((await refused(bench, wide)).message, /The rows have more than 8388608 bytes/);
  });

  it("says what is wrong with a statement", async () => {
    using bench = workbench();
    shop(bench);
    const codes: readonly (readonly [JsonObject, string, RegExp])[] = [
      [{ statement: "selec 1" }, "SQL_SYNTAX", /near "selec": syntax error/],
      [{ statement: "select * from nowhere" }, "SQL_SYNTAX", /no such table: nowhere/],
      [{ statement: "select 1; drop table orders" }, "SQL_SYNTAX", /one statement each, as a list under `statements`/],
      [{ statement: "select 1 as a, 2 as a" }, "SQL_SYNTAX", /column "a" twice/],
      [{ mode: "write", statement: "insert into orders (item) values (null)" }, "SQL_CONSTRAINT", /NOT NULL/],
      [
        { mode: "write", statement: "insert into orders (id, item) values ('x', 'y')" },
        "SQL_DATA",
        /datatype mismatch/,
      ],
      [{ statement: "select abs(-9223372036854775808)" }, "SQL_ERROR", /integer overflow/],
      [
        { mode: "write", statement: "attach 'other.db' as other", transaction: false },
        "SQL_DENIED",
        /opens one file and no other/,
      ],
      [
        { mode: "write", statement: "vacuum into 'other.db'", transaction: false },
        "SQL_DENIED",
        /For a copy .* use `copy`/,
      ],
      [{ statement: "select load_extension('x.so')" }, "SQL_ERROR", /not authorized/],
      [{ statement: "commit" }, "INPUT_INVALID", /all of a task is one transaction/],
      [{ statement: "select :a" }, "INPUT_INVALID", /statement: it asks for :a/],
      [
        { statement: "select $1", parameters: [{ base64: "%%" }] },
        "INPUT_INVALID",
        /parameter 1: `base64` is not base64/,
      ],
      [{ statement: "select 1", to: { path: "../x.csv" } }, "INPUT_INVALID", /leads out of the attempt's folder/],
      [{ statement: "select 1", copy: "/etc/x" }, "INPUT_INVALID", /copy: "\/etc\/x" leads out/],
      [{ statement: "select 1", transaction: false }, "INPUT_INVALID", /with `mode: write` only/],
      [{ load: { path: "a.csv", table: "orders" } }, "INPUT_INVALID", /set `mode: write`/],
      [{ sqlite: "a\0b", statement: "select 1" }, "INPUT_INVALID", /sqlite: holds a NUL/],
    ];
    for (const [input, code, message] of codes) {
      const failure = await refused(bench, input);
      assert.deepEqual([failure.code, failure.final], [code, true], failure.message);
      assert.match(failure.message, message);
    }
    assert.equal(existsSync(join(bench.dir, "other.db")), false);
  });

  it("says what is wrong with a file", async () => {
    using bench = workbench();
    const missing = await refused(bench, { statement: "select 1" });
    assert.deepEqual([missing.code, missing.final], ["NOT_FOUND", true]);
    assert.match(missing.message, /no database .*shop\.db\. Check the path, or set `create: true`/);
    assert.equal((await refused(bench, { mode: "write", statement: "select 1" })).code, "NOT_FOUND");
    writeFileSync(join(bench.base, "shop.db"), "no database, but long enough to be looked at".repeat(100));
    const wrong = await refused(bench, { statement: "select 1" });
    assert.deepEqual([wrong.code, wrong.final], ["SQL_CONNECT", true]);
    assert.match(wrong.message, /not a database\. The file is damaged or is no SQLite database/);
    mkdirSync(join(bench.base, "folder"));
    assert.equal((await refused(bench, { sqlite: "folder", statement: "select 1" })).code, "SQL_CONNECT");
    await run(bench, { sqlite: "new.db", create: true, mode: "write", statement: SCHEMA });
    assert.deepEqual(rowsIn(join(bench.base, "new.db")), []);
  });

  it("runs what refuses a transaction without one", async () => {
    using bench = workbench();
    shop(bench);
    assert.match((await refused(bench, { mode: "write", statement: "vacuum" })).message, /cannot VACUUM from within/);
    await run(bench, { mode: "write", statement: "vacuum", transaction: false });
  });

  it("waits for another writer, and says when that took too long", async () => {
    using bench = workbench();
    using other = new DatabaseSync(shop(bench));
    other.exec("begin immediate");
    const failure = await refused(bench, { mode: "write", statement: "delete from orders", timeoutMs: 400 });
    assert.match(failure.code, /^SQL_(?:BUSY|TIMEOUT)$/);
    assert.equal(failure.final, undefined);
    other.exec("rollback");
  });

  it("writes rows to a file, with names, count and digest, and without holding them", async () => {
    using bench = workbench();
    shop(bench);
    const statement =
      "with recursive n(i) as (select 1 union all select i + 1 from n where i < 50000) select i, 'é,\"' as t from n";
    const output = await run(bench, { statement, to: { path: "out/numbers.csv" } });
    const text = readFileSync(join(bench.dir, "out/numbers.csv"), "utf8");
    assert.equal(text.split("\r\n").length, 50_002);
    assert.ok(text.startsWith('i,t\r\n1,"é,"""\r\n'));
    assert.deepEqual([output["count"], output["bytes"], output["rows"]], [50_000, Buffer.byteLength(text), undefined]);
    assert.match(JSON.stringify(output["digest"]), /^"sha256:[0-9a-f]{64}"$/);
    assert.deepEqual(
      bench.events.filter(({ kind }) => kind === "artifact"),
      [{ kind: "artifact", name: "out/numbers.csv", path: join(bench.dir, "out/numbers.csv") }],
    );
    assert.ok(bench.events.some((event) => event.kind === "progress" && event.done >= 1000));
    await run(bench, { statement: "select id from orders where false", to: { path: "none.csv" } });
    assert.equal(readFileSync(join(bench.dir, "none.csv"), "utf8"), "id\r\n");
  });

  it("copies a database while another writes it", async () => {
    using bench = workbench();
    using other = new DatabaseSync(shop(bench));
    other.exec("pragma journal_mode = wal; begin immediate; insert into orders (id, item) values (9, 'not yet')");
    const output = await run(bench, { copy: "copy.db" });
    assert.deepEqual(rowsIn(join(bench.dir, "copy.db")), rowsIn(join(bench.base, "shop.db")));
    assert.match(JSON.stringify(output["copy"]), /"digest":"sha256:/);
    other.exec("rollback");
  });

  it("stops a query that would never end, at once, and leaves the database as it was", async () => {
    using bench = workbench();
    shop(bench);
    const endless =
      "with recursive n(i) as (select 1 union all select i + 1 from n) insert into orders (item) select 'x' from n";
    const late = await refused(bench, { mode: "write", statement: endless, timeoutMs: 200 });
    assert.equal(late.code, "SQL_TIMEOUT");
    assert.match(late.message, /longer than 200 ms \(`timeoutMs`\)/);
    assert.equal((await run(bench, { statement: "select * from orders" }))["count"], 2);
    using other = workbench();
    shop(other);
    const work = other.fail(sql, { sqlite: "shop.db", mode: "write", statement: endless });
    // The journal beside the file is there once it writes.
    while (!existsSync(join(other.base, "shop.db-journal"))) await new Promise((next) => setImmediate(next));
    other.abort.abort(new TaskFailure({ code: "CANCELLED", message: "no longer wanted" }));
    assert.equal((await work).error.code, "CANCELLED");
    using after = new DatabaseSync(join(other.base, "shop.db"));
    assert.equal(after.prepare("select count(*) as n from orders").get()?.["n"], 2);
  });

  it("reads what a writer that was ended left behind", async () => {
    using bench = workbench();
    using writer = new DatabaseSync(shop(bench));
    // A cache of one page, so that the change is in the file before it is committed.
    writer.exec(`pragma cache_size = 1; begin; update orders set item = 'changed';
      with recursive n(i) as (select 10 union all select i + 1 from n where i < 5000) insert into orders (id, item) select i, 'x' from n`);
    for (const end of ["", "-journal"])
      copyFileSync(join(bench.base, `shop.db${end}`), join(bench.base, `left.db${end}`));
    const output = await run(bench, { sqlite: "left.db", statement: "select item from orders" });
    assert.deepEqual(output["rows"], [{ item: "tea" }, { item: "rice" }]);
    assert.equal(existsSync(join(bench.base, "left.db-journal")), false);
  });

  it("survives a row that is larger than memory", async () => {
    using bench = workbench();
    shop(bench);
    const failure = await refused(bench, {
      statement: "select zeroblob(600000000) as a",
    });
    assert.deepEqual([failure.code, failure.final], ["SQL_LIMIT", true], failure.message);
  });

  it("keeps out of Maestro's own database, also by a link", async () => {
    using bench = workbench();
    const own = join(bench.dir, "../../../maestro.db");
    writeFileSync(own, "");
    symlinkSync(own, join(bench.base, "link.db"));
    for (const sqlite of [own, "link.db"]) {
      const failure = await refused(bench, { sqlite, mode: "write", statement: "create table x (a)" });
      assert.deepEqual([failure.code, failure.final], ["OUTSIDE", true]);
    }
    assert.equal(readFileSync(own, "utf8"), "");
    symlinkSync(join(own, ".."), join(bench.base, "data"));
    const made = { sqlite: "data/new.db", create: true, mode: "write", statement: "create table x (a)" };
    assert.equal((await refused(bench, made)).code, "OUTSIDE");
    assert.equal((await refused(bench, { ...made, sqlite: "gone/new.db" })).code, "NOT_FOUND");
  });
});

describe("sql@1 load into SQLite", { concurrency: 2 }, () => {
  const load = { path: "orders.csv", table: "orders", onConflict: { columns: ["id"], do: "update" } };

  it("brings rows in, and again without harm", async () => {
    using bench = workbench();
    const file = shop(bench);
    writeFileSync(join(bench.base, "orders.csv"), "id,item,total\n2,oats,7\n3,'; drop table orders,\n2,beans,8\n");
    for (let i = 0; i < 2; i += 1) {
      const output = await run(bench, { mode: "write", load });
      assert.deepEqual([output["loaded"], output["changes"], output["rows"]], [3, 3, []]);
    }
    assert.deepEqual(rowsIn(file), [
      { id: 1, item: "tea", total: 4.5 },
      { id: 2, item: "beans", total: 8 },
      { id: 3, item: "'; drop table orders", total: null },
    ]);
    const kept = { ...load, onConflict: { columns: ["id"], do: "nothing" } };
    assert.equal((await run(bench, { mode: "write", load: kept }))["changes"], 0);
  });

  it("makes the table and fills it in one transaction", async () => {
    using bench = workbench();
    writeFileSync(join(bench.base, "notes.jsonl"), '{"a b":1,"to\\"do":[1,{}],"z":{"x":1}}\n{"a b":null,"z":true}\n');
    const output = await run(bench, {
      create: true,
      mode: "write",
      statements: [{ statement: 'create table notes ("a b", "to""do", z)' }],
      load: { path: "notes.jsonl", table: "notes" },
    });
    assert.equal(output["loaded"], 2);
    assert.deepEqual(rowsIn(join(bench.base, "shop.db"), "select * from notes"), [
      { "a b": 1, 'to"do': "[1,{}]", z: '{"x":1}' },
      { "a b": null, 'to"do': null, z: 1 },
    ]);
  });

  it("names the row that does not fit, and keeps none", async () => {
    using bench = workbench();
    const file = shop(bench);
    const put = (text: string | Buffer): void => writeFileSync(join(bench.base, "orders.csv"), text);
    put("id,item,total\n7,a,1\n8,b,many\n");
    const wrong = await refused(bench, { mode: "write", load });
    assert.deepEqual([wrong.code, wrong.details], ["SQL_DATA", { sqlite: 3091, firstRow: 2, lastRow: 2 }]);
    assert.match(wrong.message, /^Row 2: SQLite says: cannot store TEXT value in REAL column orders\.total/);
    put(Buffer.from([0x69, 0x64, 0x0a, 0xff, 0xfe, 0x0a]));
    assert.deepEqual((await refused(bench, { mode: "write", load })).code, "ROW");
    put("item\nx\n");
    assert.match((await refused(bench, { mode: "write", load })).message, /"id" is not among the columns item/);
    put("id,item,nope\n5,x,1\n");
    assert.match((await refused(bench, { mode: "write", load })).message, /has no column named nope/);
    put('id,item\n"' + "x".repeat(2_000_000));
    assert.equal((await refused(bench, { mode: "write", load })).code, "ROW");
    assert.equal((await refused(bench, { mode: "write", load: { ...load, path: "gone.csv" } })).code, "NOT_FOUND");
    put("id,item\n5,x\n");
    assert.match(
      (await refused(bench, { mode: "write", load: { ...load, table: 'x" (id) values (1); --' } })).message,
      /no such table: x" \(id\)/,
    );
    assert.equal(rowsIn(file).length, 2);
  });
});

it("refuses a manifest that pastes a value into a statement, wherever it is", async () => {
  const env = { ...exampleEnv, taskTypes: new Map([["sql@1", sql.description]]) };
  const problems = async (input: string): Promise<readonly string[]> => {
    const lines = `  inputs: { id: { type: string } }\n  tasks:\n    a: { uses: sql@1, with: { sqlite: a.db, ${input} } }\n`;
    const { diagnostics } = await loadManifest(manifestOf(lines), "a.yaml", env);
    return diagnostics.filter(({ severity }) => severity === "error").map(({ rule, fix }) => `${rule} ${fix ?? ""}`);
  };
  const refusal = ["WF036 pass the value by `parameters`"];
  assert.deepEqual(await problems("statement: 'select ${{ inputs.id }}'"), refusal);
  assert.deepEqual(await problems("statement: '${{ inputs.id }}'"), refusal);
  assert.deepEqual(await problems("statements: [{ statement: 'select ${{ inputs.id }}' }]"), refusal);
  assert.deepEqual(await problems("statements: ['${{ inputs.id }}']"), refusal);
  assert.deepEqual(await problems("statements: '${{ inputs.id }}'"), refusal);
  assert.deepEqual(await problems("statement: 'select :id', parameters: { id: '${{ inputs.id }}' }"), []);
});
