import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { JsonObject } from "../core/json.ts";
import { readLine, readRequest } from "../../test/support/cloudevents.ts";
import { need } from "../../test/support/need.ts";
import { assertSigned, receiver } from "../../test/support/receiver.ts";
import { workbench } from "../../test/support/run-task.ts";
import { emit } from "./emit.ts";
import { compileSchema } from "./json-schema.ts";

const KEY = Buffer.from("a key of thirty-two bytes, exact").toString("base64");
const TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const FULL: JsonObject = {
  type: "com.example.shop.released",
  source: "/shop/releases?team=a#1",
  subject: 'größer als "1.3", 100%',
  time: "2026-11-21T08:00:00.5+01:00",
  dataschema: "https://example.com/schemas/release.json",
  data: { version: "1.4.0", ü: [1, null] },
  extensions: { traceparent: TRACE, partitionkey: "shop", count: 3, urgent: true },
};

function to(url: string, more: JsonObject = {}): JsonObject {
  return { to: { webhook: { url, ...more } }, allowPrivate: ["127.0.0.1"] };
}

describe("emit@1 to a webhook", () => {
  for (const mode of ["structured", "binary"]) {
    it(`sends an event that a strict reader understands (${mode})`, async () => {
      await using server = await receiver();
      using bench = workbench({ environment: { KEY } });
      const output = (await bench.run(emit, {
        event: FULL,
        ...to(server.url, { mode, key: { env: "KEY" } }),
      })) as JsonObject;
      const [seen] = server.seen;
      assert.ok(seen !== undefined);
      assertSigned(seen, KEY);
      const [event] = readRequest(seen);
      assert.equal(event?.mode, mode);
      const { extensions, data, ...attributes } = FULL;
      const { id, ...found } = event.attributes;
      const texts = (values: object): object =>
        Object.fromEntries(Object.entries(values).map(([k, v]) => [k, String(v)]));
      const expected = {
        specversion: "1.0",
        datacontenttype: "application/json",
        ...attributes,
        ...(extensions as JsonObject),
      };
      // Headers have no types.
      assert.deepEqual(mode === "binary" ? texts(found) : found, mode === "binary" ? texts(expected) : expected);
      assert.deepEqual(event.data, data);
      assert.deepEqual(output, { ids: [id], source: FULL["source"], status: 204, bytes: Buffer.byteLength(seen.body) });
    });
  }

  it("tells the receiver which trace the call belongs to, beside what the event says of itself", async () => {
    await using server = await receiver();
    const trace = { traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", tracestate: "a=1" };
    using bench = workbench({ trace });
    await bench.run(emit, { event: FULL, ...to(server.url, { mode: "binary" }) });
    const { headers } = server.seen[0]!;
    assert.deepEqual(
      [headers["traceparent"], headers["tracestate"], headers["ce-traceparent"]],
      [trace.traceparent, "a=1", TRACE],
    );
  });

  it("fills in what is not given, the same for every attempt", async () => {
    await using server = await receiver();
    using bench = workbench();
    const before = Date.now();
    for (let i = 0; i < 2; i++) await bench.run(emit, { event: { type: "a" }, ...to(server.url) });
    const [first, second] = server.seen.flatMap(readRequest);
    assert.ok(first !== undefined && second !== undefined);
    const { id, time, ...rest } = first.attributes;
    assert.match(String(id), /^[0-9a-f]{32}$/);
    assert.deepEqual([id, rest["source"]], [second.attributes["id"], second.attributes["source"]]);
    assert.deepEqual(rest, { specversion: "1.0", source: "/maestro/test/subject", type: "a" });
    assert.ok(Date.parse(String(time)) >= before);
    assert.ok(!("data" in first));
  });

  it("sends several as one batch, each with an id of its own", async () => {
    await using server = await receiver();
    using bench = workbench();
    const events = [
      { type: "a", data: 1 },
      { type: "b", id: "mine", dataBase64: "//4A" },
      { type: "c", data: "text", datacontenttype: "text/plain; charset=utf-8" },
    ];
    const output = (await bench.run(emit, { events, ...to(server.url) })) as JsonObject;
    const batch = server.seen.flatMap(readRequest);
    assert.deepEqual(
      batch.map(({ mode, data }) => [mode, data]),
      [
        ["batch", 1],
        ["batch", Buffer.from([0xff, 0xfe, 0])],
        ["batch", "text"],
      ],
    );
    assert.deepEqual(
      output["ids"],
      batch.map(({ attributes }) => attributes["id"]),
    );
    assert.equal(new Set(output["ids"] as string[]).size, 3);
    assert.equal(batch[1]?.attributes["id"], "mine");
    assert.equal(server.seen.length, 1);
  });

  it("sends text and bytes as they are in binary mode, and nothing where there is nothing", async () => {
    await using server = await receiver();
    using bench = workbench();
    for (const event of [
      { type: "a", data: "<x/>", datacontenttype: "application/xml" },
      { type: "a", dataBase64: "aGVsbG8=", datacontenttype: "application/octet-stream" },
      { type: "a", data: "a string of JSON" },
      { type: "a", data: null },
      { type: "a" },
    ] as JsonObject[])
      await bench.run(emit, { event, ...to(server.url, { mode: "binary" }) });
    assert.deepEqual(
      server.seen.map(({ body, headers }) => [headers["content-type"], body]),
      [
        ["application/xml", "<x/>"],
        ["application/octet-stream", "hello"],
        ["application/json", '"a string of JSON"'],
        ["application/json", "null"],
        [undefined, ""],
      ],
    );
    for (const seen of server.seen) readRequest(seen);
  });

  it("goes with a bearer token, which is told nowhere", async () => {
    await using server = await receiver((response) => response.writeHead(401).end());
    using bench = workbench({ environment: { TOKEN: "abc.def_1~2", BAD: "two\r\nlines" } });
    const failure = await bench.fail(emit, { event: { type: "a" }, ...to(server.url, { token: { env: "TOKEN" } }) });
    assert.deepEqual([failure.error.code, failure.error.final], ["EMIT_REJECTED", true]);
    assert.equal(server.seen[0]?.headers["authorization"], "Bearer abc.def_1~2");
    assert.ok(!JSON.stringify([failure.error, bench.events]).includes("abc.def"));
    const bad = await bench.fail(emit, { event: { type: "a" }, ...to(server.url, { token: { env: "BAD" } }) });
    assert.equal(bad.error.code, "CREDENTIAL");
  });

  it("tells what may work later, and cuts off who hangs", async () => {
    await using busy = await receiver((response) => response.writeHead(429, { "retry-after": "3" }).end());
    await using hangs = await receiver(() => undefined);
    using bench = workbench();
    const later = await bench.fail(emit, { event: { type: "a" }, ...to(busy.url) });
    assert.deepEqual(
      [later.error.code, later.error.final, later.error.details],
      ["EMIT_UNREACHABLE", undefined, { status: 429, retryAfter: "3" }],
    );
    const late = await bench.fail(emit, { event: { type: "a" }, ...to(hangs.url), timeoutMs: 100 });
    assert.equal(late.error.code, "TIMEOUT");
    const blocked = await bench.fail(emit, { event: { type: "a" }, ...to(hangs.url), allowPrivate: [] });
    assert.equal(blocked.error.code, "BLOCKED_ADDRESS");
  });
});

describe("emit@1", () => {
  const refused: readonly (readonly [JsonObject, RegExp])[] = [
    [{ type: "a", data: 1, dataBase64: "AA==" }, /`data` or `dataBase64`, not both/],
    [{ type: "a", data: {}, datacontenttype: "text/plain" }, /text\/plain is not JSON/],
    [{ type: "a", extensions: { source: "x" } }, /source is an attribute of its own/],
    [{ type: "a", extensions: { count: 1.5 } }, /numbers are whole/],
    [{ type: "a", extensions: { count: 2 ** 31 } }, /32 bits/],
    [{ type: "a", extensions: { traceparent: "00-abc" } }, /not a traceparent/],
    [{ type: "a", extensions: { traceparent: `00-${"0".repeat(32)}-b7ad6b7169203331-01` } }, /not a traceparent/],
    [{ type: "a\u0007" }, /type holds a control character/],
    [{ type: "a", subject: "\ufffe" }, /subject holds/],
  ];
  for (const [event, message] of refused)
    it(`refuses ${JSON.stringify(event)}`, async () => {
      using bench = workbench();
      const { error } = await bench.fail(emit, { event, ...to("http://127.0.0.1:1") });
      assert.deepEqual([error.code, message.test(error.message)], ["INPUT_INVALID", true], error.message);
    });

  it("has a schema that holds attributes to the rules of CloudEvents", () => {
    const check = compileSchema(emit.description.input);
    for (const event of [
      {},
      { type: "" },
      { type: "a", source: "" },
      { type: "a", source: "a b" },
      { type: "a", subject: "" },
      { type: "a", time: "2026-02-30" },
      { type: "a", dataschema: "relative/schema" },
      { type: "a", datacontenttype: "json" },
      { type: "a", dataBase64: "not base64" },
      { type: "a", extensions: { Upper: "x" } },
      { type: "a", extensions: { with_underscore: "x" } },
      { type: "a", extensions: { list: [] } },
      { type: "a", specversion: "1.0" },
    ] as JsonObject[])
      assert.notDeepEqual(check({ event, ...to("http://a") }), [], JSON.stringify(event));
    assert.notDeepEqual(check({ event: { type: "a" }, events: [{ type: "a" }], ...to("http://a") }), []);
    assert.notDeepEqual(check(to("http://a")), []);
    assert.deepEqual(check({ event: FULL, ...to("http://a") }), []);
  });

  it("emits no more than the limit", async () => {
    using bench = workbench();
    const events = [{ type: "a", data: "x".repeat(4 * 1024 * 1024) }];
    for (const target of [{ webhook: { url: "http://127.0.0.1:1" } }, { file: { path: "a" } }] as JsonObject[])
      assert.equal((await bench.fail(emit, { events, to: target })).error.code, "TOO_LARGE");
  });
});

describe("emit@1 to a file", () => {
  it("appends a line for each event, on disk", async () => {
    using bench = workbench();
    const first = (await bench.run(emit, { event: FULL, to: { file: { path: "events.jsonl" } } })) as JsonObject;
    const second = (await bench.run(emit, {
      events: [{ type: "b", data: "two\nlines" }, { type: "c" }],
      to: { file: { path: join(bench.base, "events.jsonl") } },
    })) as JsonObject;
    const text = readFileSync(join(bench.base, "events.jsonl"), "utf8");
    const events = text.trimEnd().split("\n").map(readLine);
    assert.deepEqual(
      events.map(({ attributes }) => attributes["type"]),
      [FULL["type"], "b", "c"],
    );
    assert.deepEqual(events[0]?.data, FULL["data"]);
    assert.equal(events[1]?.data, "two\nlines");
    assert.equal(Number(first["bytes"]) + Number(second["bytes"]), Buffer.byteLength(text));
    assert.equal(first["path"], join(bench.base, "events.jsonl"));
  });

  it("begins where a line begins, whatever a crash left there", async () => {
    using bench = workbench();
    const path = join(bench.base, "events.jsonl");
    writeFileSync(path, '{"torn":');
    await bench.run(emit, { event: { type: "a" }, to: { file: { path } } });
    const [torn, whole = ""] = readFileSync(path, "utf8").split("\n");
    assert.equal(torn, '{"torn":');
    assert.equal(readLine(whole).attributes["type"], "a");
  });

  it("mixes no lines of those who write at once", async () => {
    using bench = workbench();
    const one = { event: { type: "a", data: "x".repeat(10_000) }, to: { file: { path: "events.jsonl" } } };
    await Promise.all(Array.from({ length: 20 }, () => bench.run(emit, one)));
    const lines = readFileSync(join(bench.base, "events.jsonl"), "utf8").trimEnd().split("\n");
    assert.equal(lines.length, 20);
    assert.equal(new Set(lines.map((line) => readLine(line).attributes["id"])).size, 1);
  });

  it("says what is in the way", need("mkfifo"), async () => {
    using bench = workbench();
    mkdirSync(join(bench.base, "folder"));
    execFileSync("mkfifo", [join(bench.base, "pipe")]);
    symlinkSync("nowhere/at/all", join(bench.base, "link"));
    for (const [path, code, message] of [
      ["folder", "INPUT_INVALID", /folder is not a plain file/],
      ["pipe", "INPUT_INVALID", /pipe is not a plain file/],
      ["none/events.jsonl", "NOT_FOUND", /does not exist/],
      ["link", "NOT_FOUND", /does not exist/],
    ] as const) {
      const { error } = await bench.fail(emit, { event: { type: "a" }, to: { file: { path } } });
      assert.deepEqual([error.code, error.final, message.test(error.message)], [code, true, true], error.message);
    }
    const { error } = await bench.fail(emit, { event: { type: "a" }, to: { file: { path: "/dev/full" } } });
    assert.equal(error.code, "INPUT_INVALID");
  });
});
