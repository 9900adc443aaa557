import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, request } from "node:http";
import type { ClientRequest, IncomingMessage } from "node:http";
import { connect } from "node:net";
import { after, before, describe, it } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import type { ValidateFunction } from "ajv/dist/2020.js";
import fc from "fast-check";
import type { Field, Shape } from "../../src/api/field.ts";
import { openApi } from "../../src/api/openapi.ts";
import type { Route } from "../../src/api/route.ts";
import { ROUTES } from "../../src/api/routes.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { isJsonObject } from "../../src/core/json.ts";
import { PROBLEMS } from "../../src/core/problem.ts";
import { Place } from "../support/maestro.ts";
import { Server } from "../support/server.ts";
import type { Answer, Asking } from "../support/server.ts";

// Every route of the table under requests that its own description makes up, right and wrong: what comes back is what the
// description promises, or a problem, and never a fault of ours.

const MANIFEST = `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: t, name: fuzzed, version: 1.0.0 }
spec:
  type: demo
  purposes: [test]
  inputs: { n: { type: integer, default: 1 } }
  tasks:
    first: { uses: noop@1, with: { value: "\${{ inputs.n }}" } }
    say: { uses: exec@1, needs: [first], with: { argv: [echo, hello] } }
`;
const WAITS = MANIFEST.replace("name: fuzzed", "name: waiting").replace(
  'noop@1, with: { value: "${{ inputs.n }}" }',
  "approval@1, with: { message: sure? }",
);

const RUNS_PER_ROUTE = 20;

let place: Place;
let server: Server;
const known = { ended: "", waiting: "", digest: "", approval: "" };

before(async () => {
  place = await Place.make();
  // Each route is asked by nobody, one after the other and fast: that is refused for the token, not for how often.
  await place.configure("network.yaml", "network: { stranger: { perSecond: 1000000 } }\n");
  server = await Server.start(place);
  server.agent = new Agent({ keepAlive: true, maxSockets: 8 });
  known.ended = runOf(await server.send("POST", "/v1/runs", { manifest: MANIFEST })).id;
  known.waiting = runOf(await server.send("POST", "/v1/runs", { manifest: WAITS })).id;
  while (runOf(await server.ask({ path: `/v1/runs/${known.ended}` })).endedAt === null);
  for (;;) {
    const { approvals } = (await server.ask({ path: "/v1/approvals" })).json as {
      readonly approvals: readonly { readonly id: string }[];
    };
    known.approval = approvals[0]?.id ?? "";
    if (known.approval !== "") break;
  }
  known.digest = runOf(await server.ask({ path: `/v1/runs/${known.ended}` })).planDigest;
});
after(async () => {
  server.agent?.destroy();
  await server.stop();
  await place.remove();
});

describe("every route", () => {
  const document = openApi(ROUTES, "0.0.0");
  const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
  ajv.addSchema({ $id: "api", ...document });
  const checks = new Map<string, ValidateFunction>();
  const fits = (schema: string, value: unknown): string => {
    const check = checks.get(schema) ?? ajv.compile({ $ref: `api#/components/schemas/${schema}` });
    checks.set(schema, check);
    return check(value) ? "" : ajv.errorsText(check.errors);
  };

  const check = (route: Route, asking: Asking, answer: Answer): void => {
    const shown = `${JSON.stringify(asking).slice(0, 2000)} -> ${answer.status} ${answer.bytes.toString().slice(0, 1000)}`;
    const type = answer.headers["content-type"];
    assert.ok(answer.headers["x-request-id"] !== undefined, shown);
    if (answer.status >= 400) {
      assert.ok(answer.status < 500 || answer.status === 503, shown);
      assert.equal(type, "application/problem+json", shown);
      assert.equal(fits("Problem", answer.json), "", shown);
      assert.equal(answer.json["status"], answer.status, shown);
      assert.ok(Object.hasOwn(PROBLEMS, String(answer.json["code"])), shown);
      return;
    }
    if (answer.status === 304) return;
    // A type may say more than is promised, as that of the metrics says its version.
    const [essence] = type?.split(";") ?? [];
    const described = route.answers.filter((one) => one.status === answer.status && one.type === essence);
    assert.ok(described.length > 0, `not described: ${shown}`);
    if (type !== "application/json") return;
    const faults = described.map(({ schema }) => (schema === undefined ? "" : fits(schema, answer.json)));
    assert.ok(faults.includes(""), `${faults.join(" | ")}: ${shown}`);
  };

  for (const route of ROUTES) {
    it(`${route.operation} answers as it is described, or with a problem`, async () => {
      await fc.assert(
        fc.asyncProperty(requests(route), fc.constantFrom("once", "twice", "slowly"), async (asking, how) => {
          // Twice at the same moment: either may come first, and both are answered as if they were alone.
          const answers = await Promise.all(
            Array.from({ length: how === "twice" ? 2 : 1 }, () => askBriefly(asking, how === "slowly")),
          );
          for (const answer of answers) check(route, asking, answer);
        }),
        { numRuns: RUNS_PER_ROUTE, interruptAfterTimeLimit: 8_000 },
      );
    });

    if (route.access === null) continue;
    it(`${route.operation} answers 401 without the token, whatever is asked`, async () => {
      const path = route.path.replaceAll(/\{\w+\*?\}/g, "x");
      const body = route.body === null ? {} : { body: "{" };
      const none = await server.ask({ method: route.method, path, token: null, ...body });
      const wrong = await server.ask({ method: route.method, path, token: `maestro_${"A".repeat(43)}`, ...body });
      for (const { status, json, headers } of [none, wrong]) {
        assert.deepEqual([status, json["code"], json["status"]], [401, "unauthorized", 401]);
        assert.match(headers["www-authenticate"] ?? "", /^Bearer/);
      }
    });

    if (route.body === null) continue;
    it(`${route.operation} refuses a body over its limit, one of another type, and one that is not JSON`, async () => {
      const path = route.path.replace("{run}", known.waiting).replaceAll(/\{\w+\*?\}/g, "x");
      const send = (body: string, headers = {}): Promise<Answer> =>
        server.ask({ method: route.method, path, body, headers });
      const large = await send(`{"x":"${"y".repeat(route.maxBody)}"}`);
      assert.deepEqual([large.status, large.json["code"]], [413, "payload_too_large"]);
      const typed = await send("{}", { "content-type": "text/plain" });
      assert.deepEqual([typed.status, typed.json["code"]], [415, "unsupported_media_type"]);
      for (const text of ["{", "[]", "null", '{"a":1,"a":2}', '{"__proto__":{}}', '{"nothing of ours":1}', "\u0000"]) {
        const { status, json } = await send(text);
        assert.deepEqual([status, json["code"]], [400, "invalid_request"], text);
      }
    });
  }

  it("that there is none of is 404, and another method 405 with those it takes", async () => {
    const none = await server.ask({ path: "/v1/nothing" });
    assert.deepEqual([none.status, none.json["code"]], [404, "not_found"]);
    for (const method of ["DELETE", "PUT", "OPTIONS", "PATCH"]) {
      const { status, headers } = await server.ask({ method, path: "/v1/runs" });
      assert.deepEqual([status, headers.allow], [405, "POST, GET"]);
    }
  });

  it("is asked by many at once and twice, and does it once", async () => {
    const same = await Promise.all(
      Array.from({ length: 40 }, () => server.send("POST", "/v1/runs", { manifest: WAITS, key: "only-once" })),
    );
    assert.deepEqual([...new Set(same.map(({ status }) => status))], [201]);
    const ids = new Set(same.map((one) => runOf(one).id));
    assert.equal(ids.size, 1);
    const [id = ""] = ids;
    const cancels = await Promise.all(
      Array.from({ length: 20 }, () => server.send("PATCH", `/v1/runs/${id}`, { action: "cancel" })),
    );
    assert.ok(cancels.some(({ status }) => status === 200));
    for (const { status, json } of cancels)
      assert.ok(status === 200 || json["code"] === "conflict", JSON.stringify(json));
    const receipts = await server.ask({ path: `/v1/receipts/${id}` });
    assert.equal(receipts.headers["maestro-receipt-ordinal"], "1");
  });

  it("takes a body that comes byte by byte, and forgets one whose sender leaves", async () => {
    const body = Buffer.from(JSON.stringify({ manifest: MANIFEST, dryRun: true }));
    const slow = open("/v1/runs", body.byteLength);
    for (const byte of body) {
      slow.write(Buffer.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    slow.end();
    const [answer] = (await once(slow, "response")) as [IncomingMessage];
    assert.equal(answer.statusCode, 200);
    answer.resume();
    const { hostname, port, host } = new URL(server.url);
    const leaving = Array.from({ length: 50 }, async (_, i) => {
      const socket = connect(Number(port), hostname);
      socket.write(
        `POST /v1/runs HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${server.token}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n${body.subarray(0, i).toString()}`,
      );
      await once(socket, "connect");
      socket.destroy();
    });
    await Promise.all(leaving);
    assert.equal((await server.ask({ path: "/v1/health" })).status, 200);
  });

  it("has met no fault of ours, and the process is the one that began", async () => {
    const { json } = await server.ask({ path: "/v1/health" });
    assert.equal(json["pid"], server.up.child.pid);
    assert.doesNotMatch(server.up.err, /fault of our own|fault of the engine|Error:/, server.up.err.slice(0, 3000));
  });
});

/** Requests for a route: half of them right in every part, the others as they come. */
function requests(route: Route): fc.Arbitrary<Asking> {
  const names = Array.from(route.path.matchAll(/\{(\w+)\}/g), ([, name = ""]) => name);
  return fc.boolean().chain((right) =>
    fc
      .record({
        params: fc.tuple(...names.map((name) => segment(name, right))),
        query: fc.array(pair(route.query, right), {
          maxLength: right ? Math.min(2, Object.keys(route.query).length) : 4,
        }),
        headers: right ? fc.constant({}) : fc.oneof({ weight: 2, arbitrary: fc.constant({}) }, oddHeaders),
        body: route.body === null ? fc.constant(undefined) : bodies(route.body, right),
      })
      .map(({ params, query, headers, body }) => {
        const path = names.reduce((text, name, i) => text.replace(`{${name}}`, params[i] ?? ""), route.path);
        const search = query
          .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
          .join("&");
        return {
          method: route.method,
          path: search === "" ? path : `${path}?${search}`,
          headers,
          ...(body === undefined ? {} : { body }),
        };
      }),
  );
}

function segment(name: string, right: boolean): fc.Arbitrary<string> {
  const makes: Readonly<Record<string, readonly (() => string)[]>> = {
    run: [() => known.ended, () => known.waiting, () => "%40last", () => known.ended.slice(-8)],
    receipt: [() => known.ended, () => `${known.ended}.1`],
    task: [() => "say"],
    name: [() => "exec", () => "fuzzed", () => "t%2Ffuzzed%401.0.0"],
    approval: [() => known.approval],
  };
  const likely = fc.constantFrom(...(makes[name] ?? [() => known.digest])).map((make) => make());
  if (right) return likely;
  return fc.oneof(
    likely,
    fc.string({ unit: "grapheme", minLength: 1, maxLength: 30 }).map(encodeURIComponent),
    fc.constantFrom("%", "%E0%A4%A", "%00", "..%2F..%2Fetc%2Fpasswd", "x".repeat(5000), "@failed", "'--"),
  );
}

function pair(shape: Shape, right: boolean): fc.Arbitrary<readonly [string, string]> {
  const fields = Object.entries(shape);
  const odd = fc.tuple(fc.constantFrom("limit", "__proto__", "constructor", "x", ""), oddText);
  if (fields.length === 0) return odd;
  const good = fc.constantFrom(...fields).chain(([name, field]) =>
    (right ? valueFor(field.schema).map(asText) : oddText).map(
      // Nobody follows here: what goes on for ever has a test of its own.
      (value) => [name, name === "follow" ? "false" : value] as const,
    ),
  );
  return right ? good : fc.oneof(good, odd);
}

function bodies(shape: Shape, right: boolean): fc.Arbitrary<string | Uint8Array> {
  const good = members(shape).map((value) => JSON.stringify(value));
  if (right) return good;
  const wrong = fc.record(Object.fromEntries(Object.keys(shape).map((name) => [name, fc.jsonValue()])), {
    requiredKeys: [],
  });
  return fc.oneof(
    { weight: 2, arbitrary: good },
    { weight: 4, arbitrary: wrong.map((value) => JSON.stringify(value)) },
    { weight: 1, arbitrary: fc.json() },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }) },
    { weight: 1, arbitrary: fc.tuple(good, fc.nat()).map(([text, cut]) => text.slice(0, -1 - (cut % 50))) },
  );
}

/** What is required, a manifest rather than a stored name, and a few of the rest. */
function members(shape: Shape): fc.Arbitrary<object> {
  const names = Object.keys(shape);
  const always = names.filter((name) => name === "manifest" || !("optional" in (shape[name] ?? {})));
  const rest = names.filter(
    (name) => !always.includes(name) && !(names.includes("manifest") && /^(workflow|plan)$/.test(name)),
  );
  return fc
    .subarray(rest, { maxLength: Math.min(2, rest.length) })
    .chain((some) =>
      fc.record(Object.fromEntries([...always, ...some].map((name) => [name, memberFor(name, shape[name]!)]))),
    );
}

/** Values that lead further in than chance would. */
function memberFor(name: string, field: Field<unknown>): fc.Arbitrary<unknown> {
  const likely: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
    manifest: fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom(MANIFEST, WAITS) },
      { weight: 1, arbitrary: fc.constantFrom("", "kind: [", MANIFEST.replace("noop@1", "nope@1")) },
    ),
    workflow: fc.constantFrom("fuzzed", "t/fuzzed@1.0.0", "nope"),
    plan: fc
      .constantFrom(
        () => known.digest,
        () => `sha256:${"0".repeat(64)}`,
      )
      .map((make) => make()),
    inputs: fc.constantFrom({}, { n: 3 }, { n: "x" }, { unknown: 1 }),
    purpose: fc.constantFrom("test", "other"),
    folder: fc.constantFrom("/nonexistent", "/dev", "/proc/self"),
  };
  const found = Object.hasOwn(likely, name) ? likely[name] : undefined;
  const made = valueFor(field.schema);
  return found === undefined ? made : fc.oneof({ weight: 3, arbitrary: found }, { weight: 1, arbitrary: made });
}

function valueFor(schema: JsonObject): fc.Arbitrary<unknown> {
  if (Array.isArray(schema["enum"])) return fc.constantFrom(...(schema["enum"] as readonly string[]));
  switch (schema["type"]) {
    case "string": {
      const maxLength = Math.min(Number(schema["maxLength"] ?? 100), 100);
      return typeof schema["pattern"] === "string"
        ? fc.stringMatching(new RegExp(schema["pattern"], "u"))
        : fc.string({ unit: "grapheme", maxLength });
    }
    case "integer":
      return fc.maxSafeInteger().map((n) => Math.abs(n % 1000));
    case "boolean":
      return fc.boolean();
    case "array":
      return fc.array(valueFor(isJsonObject(schema["items"] ?? null) ? (schema["items"] as JsonObject) : {}), {
        maxLength: 3,
      });
    case "object":
      return fc.dictionary(fc.string({ maxLength: 10 }), fc.jsonValue(), { maxKeys: 3 });
    default:
      return fc.jsonValue();
  }
}

const oddText = fc
  .oneof(
    fc.string({ unit: "binary", maxLength: 50 }),
    fc.constantFrom("-1", "1e999", "NaN", "9007199254740993", "true", "null", "a=b=c", ",", "%"),
  )
  .filter((text) => text.isWellFormed());

const oddHeaders = fc.constantFrom<Readonly<Record<string, string>>>(
  { accept: "application/jsonl" },
  { accept: "text/event-stream", "last-event-id": "1" },
  { accept: "text/event-stream", "last-event-id": "x" },
  { "last-event-id": "-1" },
  { "content-type": "application/xml" },
  { "content-type": "application/json; charset=utf-16" },
  { "x-request-id": "a b c" },
  { "idempotency-key": "k".repeat(5000) },
  { "if-none-match": "*" },
  { range: "bytes=0-" },
  { "accept-encoding": "gzip, br" },
);

/** As `server.ask`, but leaves an answer that goes on for ever once it has begun. `slowly`: the body comes in pieces. */
async function askBriefly(asking: Asking, slowly: boolean): Promise<Answer> {
  const { body } = asking;
  const inPieces = slowly && body !== undefined && body.length > 1;
  if (asking.headers?.["accept"] !== "text/event-stream" && !inPieces) return server.ask(asking);
  const outgoing = request(`${server.url}${asking.path}`, {
    method: asking.method,
    agent: false,
    headers: { authorization: `Bearer ${server.token}`, "content-type": "application/json", ...asking.headers },
  });
  const answered = once(outgoing, "response") as Promise<[IncomingMessage]>;
  if (inPieces) {
    const bytes = Buffer.from(body);
    for (const cut of [0, 1, 2, 3]) {
      outgoing.write(bytes.subarray((bytes.length * cut) / 4, (bytes.length * (cut + 1)) / 4));
      await new Promise((resolve) => setImmediate(resolve));
    }
    outgoing.end();
  } else outgoing.end(body);
  const [incoming] = await answered;
  const live = incoming.headers["content-type"] === "text/event-stream";
  const bytes = live ? Buffer.alloc(0) : Buffer.concat(await incoming.toArray());
  if (live) outgoing.destroy();
  const json = live || bytes.length === 0 || bytes[0] !== 0x7b ? {} : (JSON.parse(bytes.toString()) as Answer["json"]);
  return { status: incoming.statusCode ?? 0, headers: incoming.headers, bytes, json };
}

function open(path: string, length: number): ClientRequest {
  return request(`${server.url}${path}`, {
    method: "POST",
    agent: false,
    headers: { authorization: `Bearer ${server.token}`, "content-type": "application/json", "content-length": length },
  });
}

function runOf({ json }: Answer): {
  readonly id: string;
  readonly endedAt: number | null;
  readonly planDigest: string;
} {
  assert.ok(typeof json["run"] === "object", JSON.stringify(json));
  return json["run"] as ReturnType<typeof runOf>;
}

function asText(value: unknown): string {
  return typeof value === "string" ? value : Array.isArray(value) ? value.join(",") : JSON.stringify(value);
}
