import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Client } from "pg";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { need } from "../../test/support/need.ts";
import { certificateFor } from "../../test/support/certificate.ts";
import { needPostgres, startPostgres } from "../../test/support/postgres.ts";
import type { Postgres } from "../../test/support/postgres.ts";
import { workbench } from "../../test/support/run-task.ts";
import type { Workbench } from "../../test/support/run-task.ts";
import { sql } from "./sql.ts";
import { TaskFailure } from "./task.ts";

const skip = { ...needPostgres(), ...need("openssl") };

describe("sql@1 with PostgreSQL", { ...skip, concurrency: 2 }, () => {
  let folder: string;
  let server: Postgres;
  let certificate: { readonly cert: string; readonly key: string };
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "maestro-cert-"));
    const { cert, key } = certificateFor("127.0.0.1", folder);
    certificate = { cert, key };
    server = await startPostgres({ certificate });
  });
  after(async () => {
    await server?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  const bench = (): Workbench => workbench({ environment: { DB_PASSWORD: server.password, WRONG: "guess" } });
  const connection = (over: JsonObject = {}): JsonObject => ({
    host: server.host,
    port: server.port,
    database: server.database,
    user: server.user,
    password: { env: "DB_PASSWORD" },
    tls: "off",
    ...over,
  });
  const run = async (input: JsonObject, at: Workbench = bench()): Promise<JsonObject> => {
    using place = at;
    return (await place.run(sql, { postgres: connection(), ...input })) as JsonObject;
  };
  const refused = async (
    input: JsonObject,
    at: Workbench = bench(),
  ): Promise<{ code: string; message: string; final: boolean | undefined; details: JsonValue | undefined }> => {
    using place = at;
    const { code, message, final, details } = (await place.fail(sql, { postgres: connection(), ...input })).error;
    return { code, message, final, details };
  };
  const write = (...statements: readonly string[]): Promise<JsonObject> =>
    run({ mode: "write", statements: statements.map((statement) => ({ statement })) });

  it("reads rows by name and in order, over TCP and over its socket", async () => {
    const statement = "select :a::int + :b::int as sum, :t as text";
    for (const over of [{}, { host: server.socketDir, tls: "verify" }]) {
      const output = await run({ postgres: connection(over), statement, parameters: { a: 1, b: 2, t: "'; drop" } });
      assert.deepEqual(output, { rows: [{ sum: 3, text: "'; drop" }], count: 1, columns: ["sum", "text"], changes: 0 });
    }
    const counted = await run({ statement: "select $2 || $1 as t", parameters: ["b", "a"] });
    assert.deepEqual(counted["rows"], [{ t: "ab" }]);
  });

  it("loses nothing of a value on its way out", async () => {
    const statement = `select 9007199254740993::int8 as big, 7::int8 as small, 0.10::numeric as exact, 12345678901234567890.123::numeric as long,
      0.1::float8 as real, 'NaN'::float8 as nan, '\\x00ff'::bytea as bytes, true as yes, null::text as none,
      '2026-11-21 09:00:00.123456+01'::timestamptz as at, '2026-11-21 09:00:00'::timestamp as local, 'infinity'::timestamptz as never,
      '2026-11-21'::date as day, '1 day 02:00:00'::interval as long_time, '0190163d-8694-739b-aea5-966c26f8ad90'::uuid as id,
      '{"a": 9007199254740993, "b": [1.5, null]}'::jsonb as doc, array[1, null, 3] as list, array['a,b', 'NULL', '"q\\"', null, ''] as texts,
      '{{1,2},{3,4}}'::int8[] as nested, '[2:3]={5,6}'::int[] as shifted, '{}'::text[] as empty, '(1,2)'::point as point`;
    const output = await run({ statement });
    assert.deepEqual((output["rows"] as readonly JsonValue[])[0], {
      big: "9007199254740993",
      small: 7,
      exact: "0.10",
      long: "12345678901234567890.123",
      real: 0.1,
      nan: "NaN",
      bytes: { base64: "AP8=" },
      yes: true,
      none: null,
      at: "2026-11-21T08:00:00.123456Z",
      local: "2026-11-21T09:00:00",
      never: "infinity",
      day: "2026-11-21",
      long_time: "P1DT2H",
      id: "0190163d-8694-739b-aea5-966c26f8ad90",
      doc: { a: "9007199254740993", b: [1.5, null] },
      list: [1, null, 3],
      texts: ["a,b", "NULL", '"q\\"', null, ""],
      nested: [
        [1, 2],
        [3, 4],
      ],
      shifted: [5, 6],
      empty: [],
      point: "(1,2)",
    });
  });

  it("loses nothing of a value on its way in", async () => {
    const statement =
      "select :bytes::bytea as bytes, :doc::jsonb as doc, :list::text[] as list, :jlist::jsonb as jlist, :big::int8 as big, :flag::bool as flag, :none::int as none, :num::numeric as num";
    const parameters = {
      bytes: { base64: "AP8=" },
      doc: { "a'": [1, { b: null }] },
      list: ["x", null, 'y,"z', "{}"],
      jlist: { json: [1, 2] },
      big: "9007199254740993",
      flag: false,
      none: null,
      num: 0.1,
    };
    const output = await run({ statement, parameters });
    assert.deepEqual(output["rows"], [{ ...parameters, jlist: [1, 2], num: "0.1" }]);
  });

  it("does not write unless it is told to, however it is asked", async () => {
    await write("create table kept (a int)", "insert into kept values (1)");
    const deletion = await refused({ statement: "delete from kept" });
    assert.deepEqual([deletion.code, deletion.final], ["SQL_READ_ONLY", true]);
    assert.match(deletion.message, /cannot execute DELETE in a read-only transaction\. Set `mode: write`/);
    for (const first of [
      "select set_config('transaction_read_only', 'off', true)",
      "set transaction_read_only = off",
    ]) {
      const failure = await refused({ statements: [{ statement: first }, { statement: "delete from kept" }] });
      assert.match(failure.message, /read-write mode must be set before any query|read-only transaction/, first);
    }
    assert.deepEqual((await run({ statement: "select a from kept" }))["rows"], [{ a: 1 }]);
  });

  it("does all statements or none, and counts what changed", async () => {
    await write("create table counted (a int primary key)");
    const insert = { statement: "insert into counted values ($1), ($2)", parameters: [1, 2] };
    const twice = await refused({ mode: "write", statements: [insert, insert] });
    assert.deepEqual([twice.code, twice.final], ["SQL_CONSTRAINT", true]);
    assert.match(twice.message, /^Statement 2: PostgreSQL says: duplicate key .*"counted_pkey"/);
    assert.deepEqual(twice.details, {
      sqlstate: "23505",
      constraint: "counted_pkey",
      schema: "public",
      table: "counted",
      statement: 2,
    });
    const output = await run({
      mode: "write",
      statements: [insert, { statement: "update counted set a = a + 10 returning a" }],
    });
    assert.deepEqual([output["rows"], output["changes"]], [[{ a: 11 }, { a: 12 }], 4]);
    const limited = await refused({ mode: "write", statement: "delete from counted returning a", maxRows: 1 });
    assert.equal(limited.code, "SQL_LIMIT");
    assert.deepEqual((await run({ statement: "select count(*)::int as n from counted" }))["rows"], [{ n: 2 }]);
  });

  it("says what is wrong, and where", async () => {
    const place = await refused({ statement: "select 'ü',\n  nope from pg_class" });
    assert.deepEqual(
      [place.code, place.final, place.details],
      ["SQL_SYNTAX", true, { sqlstate: "42703", line: 2, column: 3 }],
    );
    assert.match(place.message, /column "nope" does not exist \(line 2, column 3\)\. Mend the statement/);
    const codes: readonly (readonly [JsonObject, string, RegExp])[] = [
      [{ statement: "select 1; select 2" }, "SQL_SYNTAX", /multiple commands/],
      [{ statement: "select 1 as a, 2 as a" }, "SQL_SYNTAX", /column "a" twice/],
      [{ statement: "select 'x'::int" }, "SQL_DATA", /invalid input syntax for type integer/],
      [{ statement: "select 1 / 0" }, "SQL_DATA", /division by zero/],
      [{ statement: "select $1::text", parameters: ["a\0b"] }, "SQL_DATA", /invalid byte sequence/],
      [{ statement: "copy pg_class to stdout" }, "INPUT_INVALID", /use `load`/],
      [
        { postgres: connection({ password: { env: "WRONG" } }), statement: "select 1" },
        "SQL_DENIED",
        /password authentication failed/,
      ],
      [
        { postgres: connection({ database: "nowhere" }), statement: "select 1" },
        "SQL_CONNECT",
        /"nowhere" does not exist\. Check the name/,
      ],
    ];
    for (const [input, code, message] of codes) {
      const failure = await refused(input);
      assert.deepEqual([failure.code, failure.final], [code, true], failure.message);
      assert.match(failure.message, message);
      assert.doesNotMatch(JSON.stringify(failure), /guess|s3cret/);
    }
    const { password: _none, ...open } = connection();
    const missing = await refused({ postgres: open, statement: "select 1" });
    assert.equal(missing.code, "SQL_DENIED", missing.message);
    const unset = await refused({ postgres: connection({ password: { env: "UNSET" } }), statement: "select 1" });
    assert.equal(unset.code, "CREDENTIAL");
  });

  it("can be tried again where nobody answers", async () => {
    const gone = await refused({ postgres: connection({ port: 1 }), statement: "select 1" });
    assert.deepEqual([gone.code, gone.final], ["SQL_CONNECT", undefined]);
    assert.match(gone.message, /ECONNREFUSED.*Check the address and that the database is up/);
    const odd = createServer((socket) =>
      socket.on("error", () => socket.destroy()).end("HTTP/1.1 400 Bad Request\r\n\r\n"),
    );
    odd.listen(0, "127.0.0.1");
    await new Promise((done) => odd.once("listening", done));
    try {
      const { port } = odd.address() as AddressInfo;
      const nonsense = await refused({ postgres: connection({ port }), statement: "select 1", timeoutMs: 5000 });
      assert.match(nonsense.code, /^SQL_(?:CONNECT|TIMEOUT)$/, nonsense.message);
    } finally {
      odd.close();
    }
  });

  it("speaks TLS only with whom it can verify", async () => {
    using place = bench();
    const statement = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    const strange = await refused({ postgres: connection({ tls: "verify" }), statement }, bench());
    assert.deepEqual([strange.code, strange.final], ["SQL_CONNECT", true]);
    assert.match(strange.message, /no trustworthy TLS connection.*with `ca`/);
    writeFileSync(join(place.base, "ca.pem"), certificate.cert);
    const output = (await place.run(sql, {
      postgres: connection({ tls: "verify", ca: "ca.pem" }),
      statement,
    })) as JsonObject;
    assert.deepEqual(output["rows"], [{ ssl: true }]);
  });

  it("writes many rows to a file without holding them", async () => {
    using place = bench();
    const statement = "select i, repeat('x', 1000) as text from generate_series(1, 30000) as i";
    const output = (await place.run(sql, {
      postgres: connection(),
      statement,
      to: { path: "rows.jsonl" },
    })) as JsonObject;
    assert.equal(output["count"], 30_000);
    const lines = readFileSync(join(place.dir, "rows.jsonl"), "utf8").trimEnd().split("\n");
    assert.deepEqual([lines.length, JSON.parse(lines[29_999] ?? "")["i"]], [30_000, 30_000]);
  });

  it("loads a file in batches, again without harm", async () => {
    await write(`create table "Orders" (id int primary key, item text, total numeric, tags jsonb)`);
    using place = bench();
    const rows = Array.from({ length: 1203 }, (_, i) =>
      JSON.stringify({ id: (i % 1200) + 1, item: `it's $1 ${i}`, total: i / 4, tags: [i] }),
    );
    writeFileSync(join(place.base, "orders.jsonl"), rows.join("\n"));
    const load = { path: "orders.jsonl", table: "public.Orders", onConflict: { columns: ["id"], do: "update" } };
    for (let i = 0; i < 2; i += 1) {
      const output = (await place.run(sql, { postgres: connection(), mode: "write", load })) as JsonObject;
      assert.deepEqual([output["loaded"], output["changes"]], [1203, 1203]);
    }
    const found = await run({
      statement: `select count(*)::int as n, sum(total) as total, max(item) filter (where id = 1) as first, max(tags::text) filter (where id = 3) as tags from "Orders"`,
    });
    assert.deepEqual(found["rows"], [{ n: 1200, total: "180750.00", first: "it's $1 1200", tags: "[1202]" }]);
    writeFileSync(join(place.base, "orders.jsonl"), '{"id":1}\n{"id":"x"}\n');
    const failure = (await place.fail(sql, { postgres: connection(), mode: "write", load })).error;
    assert.deepEqual([failure.code, failure.details], ["SQL_DATA", { sqlstate: "22P02", firstRow: 1, lastRow: 2 }]);
  });

  it("ends the statement in the server when it is called off or takes too long", async () => {
    const late = await refused({ statement: "select pg_sleep(600) as late", timeoutMs: 1000 });
    assert.deepEqual([late.code, late.final], ["SQL_TIMEOUT", undefined]);
    using place = bench();
    const work = place.fail(sql, { postgres: connection(), statement: "select pg_sleep(600) as called_off" });
    const running = async (): Promise<JsonValue> =>
      (
        (
          await run({
            statement: "select count(*)::int as n from pg_stat_activity where query like 'select pg_sleep(600)%'",
          })
        )["rows"] as readonly JsonObject[]
      )[0]?.["n"] ?? null;
    while ((await running()) !== 1);
    place.abort.abort(new TaskFailure({ code: "CANCELLED", message: "no longer wanted" }));
    assert.equal((await work).error.code, "CANCELLED");
    // The server ends it when it gets round to it; by itself it would go on for longer than a test may take.
    while ((await running()) !== 0);
  });

  it("says that another transaction is in the way", async () => {
    await write("create table locked (a int)");
    const { password, host, port, database, user } = server;
    const other = new Client({ password, host, port, database, user });
    await other.connect();
    try {
      await other.query("begin; lock table locked in access exclusive mode");
      const failure = await refused({ mode: "write", statement: "lock table locked in share mode nowait" });
      assert.deepEqual([failure.code, failure.final], ["SQL_BUSY", undefined]);
      assert.match(failure.message, /could not obtain lock.*Try it again/);
    } finally {
      await other.end();
    }
  });
});
