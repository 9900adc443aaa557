import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { IncomingHttpHeaders, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import type { Node } from "./span-tree.ts";

/** A span as it arrived. */
export interface ReceivedSpan extends Node {
  readonly kind: number;
  readonly links: readonly { readonly traceId: string; readonly spanId: string; readonly relation: string }[];
  readonly resource: Readonly<Record<string, string | number | boolean>>;
}

export interface OtlpReceiver extends AsyncDisposable {
  /** For --otlp and OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders[];
  /** What is wrong with what arrived; a test asserts that it is nothing. */
  readonly wrong: string[];
  /** The spans of a trace, each once; those that came twice were the same. */
  trace(traceId: string): readonly ReceivedSpan[];
  readonly traceIds: readonly string[];
  /** Resolves when the trace has a span of that name. */
  has(traceId: string, name: string): Promise<void>;
}

/** What a receiver does with a request: takes it, refuses it, or never answers. */
export type Manner = "take" | "refuse" | "hang";

/** A receiver of OTLP/HTTP with JSON that believes nothing: every member is known and has its type, every id its length. */
export async function otlpReceiver(manner: Manner = "take"): Promise<OtlpReceiver> {
  const byTrace = new Map<string, Map<string, ReceivedSpan>>();
  const headers: IncomingHttpHeaders[] = [];
  const wrong: string[] = [];
  let changed = Promise.withResolvers<void>();
  const take = (body: string): void => {
    for (const span of readRequest(JSON.parse(body))) {
      const spans = byTrace.get(span.traceId) ?? new Map<string, ReceivedSpan>();
      byTrace.set(span.traceId, spans);
      const known = spans.get(span.spanId);
      // Another process of the same installation may say it.
      const again = known === undefined ? span : { ...span, resource: known.resource };
      assert.deepEqual(again, known ?? span, "a span that comes again is the same");
      spans.set(span.spanId, span);
    }
    changed.resolve();
    changed = Promise.withResolvers();
  };
  const answer = async (
    request: { readonly url: string; readonly headers: IncomingHttpHeaders; readonly body: string },
    response: ServerResponse,
  ): Promise<void> => {
    headers.push(request.headers);
    if (manner === "hang") return;
    if (manner === "refuse") return void response.writeHead(400).end();
    try {
      assert.equal(request.url, "/v1/traces");
      assert.equal(request.headers["content-type"], "application/json");
      take(request.body);
    } catch (error) {
      wrong.push(String(error));
    }
    response.writeHead(200, { "content-type": "application/json" }).end("{}");
  };
  const server = createServer((request, response) => {
    const { url = "", headers: given } = request;
    void text(request).then(
      (body) => answer({ url, headers: given, body }, response),
      // Whoever sent it has gone.
      () => response.destroy(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    headers,
    wrong,
    get traceIds() {
      return [...byTrace.keys()];
    },
    trace: (traceId) => [...(byTrace.get(traceId)?.values() ?? [])],
    async has(traceId, name) {
      while (![...(byTrace.get(traceId)?.values() ?? [])].some((span) => span.name === name)) await changed.promise;
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

type Members = Readonly<Record<string, (value: unknown) => unknown>>;

/** The object's members, each read by its reader; what has none is refused. `?` at the end of a name: it may be absent. */
function read(value: unknown, what: string, members: Members): Record<string, unknown> {
  assert.ok(typeof value === "object" && value !== null && !Array.isArray(value), `${what} is an object`);
  const given = value as Record<string, unknown>;
  const names = Object.keys(members).map((name) => name.replace("?", ""));
  for (const name of Object.keys(given)) assert.ok(names.includes(name), `${what} has an unknown ${name}`);
  return Object.fromEntries(
    Object.entries(members).flatMap(([key, reader]) => {
      const name = key.replace("?", "");
      if (given[name] === undefined) {
        assert.ok(key.endsWith("?"), `${what} has no ${name}`);
        return [];
      }
      return [[name, reader(given[name])]];
    }),
  );
}

const string = (value: unknown): string => {
  assert.equal(typeof value, "string");
  return value as string;
};
const integer = (value: unknown): number => {
  assert.ok(Number.isInteger(value), `${String(value)} is an integer`);
  return value as number;
};
const hex =
  (digits: number) =>
  (value: unknown): string => {
    assert.match(string(value), new RegExp(`^[0-9a-f]{${digits}}$`));
    assert.doesNotMatch(string(value), /^0+$/);
    return string(value);
  };
const nanos = (value: unknown): number => {
  // 64 bit integers are texts in OTLP's JSON.
  assert.match(string(value), /^\d{19}$/);
  return Number(BigInt(string(value)) / 1_000_000n);
};
const list =
  <T>(reader: (value: unknown) => T) =>
  (value: unknown): T[] => {
    assert.ok(Array.isArray(value));
    return value.map(reader);
  };

type Attributes = Record<string, string | number | boolean>;

function attributes(value: unknown): Attributes {
  const pairs = list((pair) => read(pair, "an attribute", { key: string, value: anyValue }))(value);
  const found = Object.fromEntries(pairs.map(({ key, value: one }) => [key, one])) as Attributes;
  assert.equal(Object.keys(found).length, pairs.length, "no attribute twice");
  return found;
}

function anyValue(value: unknown): unknown {
  const known = read(value, "a value", {
    "stringValue?": string,
    "boolValue?": (one) => (assert.equal(typeof one, "boolean"), one),
    "intValue?": (one) => (typeof one === "number" ? integer(one) : Number(BigInt(string(one)))),
    "doubleValue?": (one) => (assert.equal(typeof one, "number"), one),
  });
  const [first, ...others] = Object.values(known);
  assert.ok(first !== undefined && others.length === 0, "a value has one kind");
  return first;
}

function readRequest(body: unknown): ReceivedSpan[] {
  const request = read(body, "the request", { resourceSpans: list((one) => one) });
  return (request["resourceSpans"] as unknown[]).flatMap((one) => {
    const { resource, scopeSpans } = read(one, "resourceSpans", {
      resource: (value) =>
        read(value, "resource", { attributes, "droppedAttributesCount?": integer, "entityRefs?": list((ref) => ref) })[
          "attributes"
        ],
      scopeSpans: list((scope) =>
        read(scope, "scopeSpans", {
          scope: (value) => read(value, "scope", { name: string, "version?": string }),
          spans: list(readSpan),
          "schemaUrl?": string,
        }),
      ),
      "schemaUrl?": string,
    });
    return (scopeSpans as { spans: Omit<ReceivedSpan, "resource">[] }[]).flatMap(({ spans }) =>
      spans.map((span) => ({ ...span, resource: resource as Attributes })),
    );
  });
}

function readSpan(value: unknown): Omit<ReceivedSpan, "resource"> {
  const span = read(value, "a span", {
    traceId: hex(32),
    spanId: hex(16),
    "parentSpanId?": hex(16),
    "traceState?": string,
    name: string,
    kind: integer,
    startTimeUnixNano: nanos,
    endTimeUnixNano: nanos,
    attributes,
    droppedAttributesCount: integer,
    events: list((event) => event),
    droppedEventsCount: integer,
    status: (status) => read(status, "status", { code: integer, "message?": string }),
    links: list((link) =>
      read(link, "a link", {
        traceId: hex(32),
        spanId: hex(16),
        "traceState?": string,
        attributes,
        droppedAttributesCount: integer,
        "flags?": integer,
      }),
    ),
    droppedLinksCount: integer,
    "flags?": integer,
  });
  const status = span["status"] as { code: number; message?: string };
  assert.ok([0, 1, 2].includes(status.code));
  const kind = integer(span["kind"]);
  // INTERNAL and SERVER
  assert.ok(kind === 1 || kind === 2, `kind ${kind}`);
  return {
    traceId: String(span["traceId"]),
    spanId: String(span["spanId"]),
    parentSpanId: span["parentSpanId"] as string | undefined,
    name: String(span["name"]),
    kind,
    startAt: Number(span["startTimeUnixNano"]),
    endAt: Number(span["endTimeUnixNano"]),
    attributes: span["attributes"] as Attributes,
    failure: status.code === 2 ? (status.message ?? "") : undefined,
    links: (span["links"] as { traceId: string; spanId: string; attributes: Attributes }[]).map((link) => ({
      traceId: link.traceId,
      spanId: link.spanId,
      relation: String(link.attributes["maestro.link"]),
    })),
  };
}
