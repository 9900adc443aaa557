import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { readMessages } from "../src/api/sse.ts";
import { openControlPlane } from "../src/serve.ts";
import type { ControlPlane } from "../src/serve.ts";

// The request handler on a real control plane: what a client can rely on, and that nothing it sends is answered by a fault of ours.

const MANIFEST = `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: t, name: waits, version: 1.0.0 }
spec:
  type: demo
  purposes: [test]
  license: internal
  inputs: { n: { type: integer, default: 1 } }
  tasks:
    go: { uses: wait@1, with: { signal: go } }
    last: { uses: noop@1, needs: [go], with: { value: "\${{ inputs.n }}" } }
`;

let dir = "";
let plane: ControlPlane;

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown> & {
    readonly run?: { readonly id: string; readonly status: string };
    readonly code?: string;
    readonly detail?: string;
  };
}

async function call(
  method: string,
  path: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const init =
    body === undefined
      ? {}
      : {
          body:
            typeof body === "string" || body instanceof Uint8Array
              ? new Uint8Array(Buffer.from(body))
              : JSON.stringify(body),
        };
  const response = await plane.asOwner(
    new Request(`http://maestro.local${path}`, {
      method,
      headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
      ...init,
    }),
  );
  return { status: response.status, headers: response.headers, body: (await response.json()) as Answer["body"] };
}

async function start(more: object = {}): Promise<string> {
  const { status, body } = await call("POST", "/v1/runs", { manifest: MANIFEST, ...more });
  assert.equal(status, 201, JSON.stringify(body));
  return body.run?.id ?? "";
}

describe("the API", () => {
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "maestro-api-"));
    plane = await openControlPlane({ dataDir: join(dir, "data") });
  });
  after(async () => {
    await plane.close();
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  });

  it("starts a run, gives it, and finds it by the ends of its id", async () => {
    const id = await start({ inputs: { n: 5 }, labels: { env: "test" }, priority: 3 });
    for (const reference of [id, id.slice(-8), "%40last"]) {
      const { status, body } = await call("GET", `/v1/runs/${reference}`);
      assert.deepEqual([status, body["apiVersion"], body["kind"], body.run?.id], [200, "maestro/v1", "Run", id]);
      assert.deepEqual(body["inputs"], { n: 5 });
    }
  });

  it("streams a run's history to its end and resumes it where a reader left", async () => {
    const id = await start();
    const open = async (lastEventId: string): Promise<ReadableStream<Uint8Array>> => {
      const response = await plane.asOwner(
        new Request(`http://maestro.local/v1/runs/${id}/events`, {
          headers: { accept: "text/event-stream", "last-event-id": lastEventId },
        }),
      );
      assert.equal(response.headers.get("content-type"), "text/event-stream");
      assert.ok(response.body !== null);
      return response.body;
    };
    const first = readMessages(await open("0"));
    assert.match((await first.next()).value?.data ?? "", /run_created/);
    await first.return(undefined);
    const rest: string[] = [];
    const reading = (async () => {
      for await (const { id: seq, event } of readMessages(await open("1"))) rest.push(`${event} ${seq}`);
    })();
    assert.equal((await call("POST", `/v1/runs/${id}/signals`, { name: "go", payload: { v: 1 } })).status, 200);
    await reading;
    const pages = await call("GET", `/v1/runs/${id}/events?limit=2`);
    assert.deepEqual([(pages.body["events"] as readonly object[]).length, pages.body["next"]], [2, 2]);
    const last = rest.pop() ?? "";
    assert.match(last, /^end \d+$/);
    assert.deepEqual(
      rest,
      Array.from({ length: rest.length }, (_, i) => `event ${i + 2}`),
    );
    assert.equal(last, `end ${rest.length + 1}`);
  });

  it("resumes a stream by its header, also where the address says where it first began", async () => {
    const id = await start();
    await call("PATCH", `/v1/runs/${id}`, { action: "cancel" });
    const { body: page } = await call("GET", `/v1/runs/${id}/events`);
    const seqs = (page["events"] as readonly { readonly seq: number }[]).map(({ seq }) => String(seq));
    const read = async (query: string, header: Readonly<Record<string, string>>): Promise<readonly string[]> => {
      const url = `http://maestro.local/v1/runs/${id}/events${query}`;
      const response = await plane.asOwner(new Request(url, { headers: { accept: "text/event-stream", ...header } }));
      const ids: string[] = [];
      for await (const message of readMessages(response.body ?? new ReadableStream()))
        if (message.event === "event") ids.push(message.id);
      return ids;
    };
    assert.deepEqual(await read("", {}), seqs);
    for (const at of seqs.keys()) {
      const rest = seqs.slice(at + 1);
      assert.deepEqual(await read("", { "last-event-id": seqs[at] ?? "" }), rest);
      assert.deepEqual(await read(`?after=${seqs[at]}`, {}), rest);
      assert.deepEqual(await read("?after=1", { "last-event-id": seqs[at] ?? "" }), rest);
    }
  });

  it("lists receipts in pages, and gives each by its id", async () => {
    const ids = [];
    for (let i = 0; i < 3; i++) {
      const id = await start();
      await call("PATCH", `/v1/runs/${id}`, { action: "cancel" });
      ids.push(id);
    }
    const seen: string[] = [];
    for (let cursor = ""; ;) {
      const { status, body } = await call("GET", `/v1/receipts?limit=2${cursor === "" ? "" : `&cursor=${cursor}`}`);
      assert.equal(status, 200);
      seen.push(...(body["receipts"] as readonly { id: string }[]).map(({ id }) => id));
      if (body["cursor"] === null) break;
      cursor = body["cursor"] as string;
    }
    assert.deepEqual(seen, seen.toSorted().toReversed());
    for (const id of ids) {
      assert.ok(seen.includes(`${id}.1`));
      const one = await call("GET", `/v1/receipts/${id}.1`);
      assert.equal(one.headers.get("maestro-receipt-ordinal"), "1");
      assert.deepEqual((await call("GET", `/v1/receipts/${id}`)).body, one.body);
    }
    const none = await call("GET", `/v1/receipts/${ids[0]}.7`);
    assert.deepEqual([none.status, none.body.detail], [404, `Run ${ids[0]} has no receipt number 7.`]);
    assert.equal((await call("GET", "/v1/receipts?cursor=x")).status, 400);
  });

  it("is alive and ready, and describes itself", async () => {
    assert.equal((await call("GET", "/healthz")).body["status"], "live");
    assert.equal((await call("GET", "/readyz")).body["status"], "ready");
    assert.match(String((await call("GET", "/v1/openapi.json")).body["openapi"]), /^3\.1\./);
  });

  it("keeps a correlation id that is sane", async () => {
    const { headers } = await call("GET", "/v1/health", undefined, { "x-request-id": "abc-1" });
    assert.equal(headers.get("x-request-id"), "abc-1");
    const { body } = await call("GET", "/v1/none", undefined, { "x-request-id": "abc-2" });
    assert.equal(body["requestId"], "abc-2");
  });

  it("gives the first run for an idempotency key, in the body or as a header", async () => {
    const id = await start({ key: "k" });
    const { body } = await call("POST", "/v1/runs", { manifest: MANIFEST }, { "idempotency-key": "k" });
    assert.equal(body.run?.id, id);
  });

  it("refuses an idempotency key that was used for something else, also at the same moment", async () => {
    const [first, second] = await Promise.all(
      [1, 2].map((n) => call("POST", "/v1/runs", { manifest: MANIFEST, inputs: { n }, key: "k2" })),
    );
    assert.deepEqual([first?.status, second?.status], [201, 409]);
    const others = [
      { manifest: MANIFEST, inputs: { n: 2 } },
      { manifest: MANIFEST, inputs: { n: 1 }, authority: "TICKET-1" },
      { manifest: MANIFEST.replace("name: ", "name: other-"), inputs: { n: 1 } },
    ];
    for (const other of others) {
      const { body } = await call("POST", "/v1/runs", { ...other, key: "k2" });
      assert.equal(body["code"], "conflict");
      assert.match(String(body["detail"]), /^The idempotency key k2 belongs to run r_\w+, which was started /);
    }
    // What was deployed since is no reason to start a second run.
    const changed = MANIFEST.replace("version: 1.0.0", "version: 1.0.1");
    const { body } = await call("POST", "/v1/runs", { manifest: changed, inputs: { n: 5 }, key: "k2" });
    assert.equal(body.run?.id, first?.body.run?.id);
  });

  it("lists in pages that neither repeat nor leave out", async () => {
    for (let i = 0; i < 5; i++) await start({ labels: { page: "yes" } });
    const seen: string[] = [];
    for (let cursor = ""; ;) {
      const { body } = await call(
        "GET",
        `/v1/runs?limit=2&label=page%3Dyes${cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`}`,
      );
      seen.push(...(body["runs"] as readonly { id: string }[]).map(({ id }) => id));
      if (body["cursor"] === null) break;
      cursor = body["cursor"] as string;
    }
    assert.deepEqual([seen.length, new Set(seen).size], [5, 5]);
  });

  it("cancels with a reason and seals a receipt, once", async () => {
    const id = await start();
    assert.equal((await call("GET", `/v1/runs/${id}/receipt`)).status, 404);
    const { body } = await call("PATCH", `/v1/runs/${id}`, { action: "cancel", reason: "enough" });
    assert.equal(body.run?.status, "cancelled");
    const receipt = await call("GET", `/v1/runs/${id}/receipt`);
    assert.equal(receipt.headers.get("content-type"), "application/vnd.dev.sigstore.bundle.v0.3+json");
    assert.match(receipt.headers.get("maestro-receipt-digest") ?? "", /^sha256:/);
    assert.equal((await call("PATCH", `/v1/runs/${id}`, { action: "cancel" })).status, 409);
    assert.equal((await call("GET", `/v1/runs/${id}/replay`)).body["equal"], true);
  });

  it("compiles without running, and says what is wrong with places", async () => {
    const good = await call("POST", "/v1/plan", { manifest: MANIFEST });
    assert.match(String(good.body["digest"]), /^sha256:/);
    const bad = await call("POST", "/v1/plan", { manifest: "kind: [", file: "x.yaml" });
    const [first] = bad.body["diagnostics"] as readonly { file: string; line: number; severity: string }[];
    assert.deepEqual(
      [bad.status, bad.body["plan"], first?.file, first?.line, first?.severity],
      [200, null, "x.yaml", 1, "error"],
    );
    const started = await call("POST", "/v1/runs", { manifest: "kind: [" });
    assert.deepEqual([started.status, started.body.code], [400, "invalid_manifest"]);
    const changed = await call("POST", "/v1/runs", { manifest: MANIFEST, plan: `sha256:${"0".repeat(64)}` });
    assert.deepEqual([changed.status, changed.body.code], [409, "plan_changed"]);
  });

  const deep = `${"[".repeat(5000)}${"]".repeat(5000)}`;
  const refused: readonly (readonly [
    string,
    string,
    unknown,
    number,
    string,
    RegExp,
    Readonly<Record<string, string>>?,
  ])[] = [
    ["GET", "/v1/nothing", undefined, 404, "not_found", /There is no \/v1\/nothing/],
    ["GET", "/v1/run", undefined, 404, "not_found", /Did you mean \/v1\/runs/],
    ["DELETE", "/v1/runs", undefined, 405, "invalid_request", /it takes POST, GET/],
    ["GET", "/v1/runs/%E0%A4%A", undefined, 400, "invalid_request", /percent-encoding/],
    ["GET", "/v1/runs/..%2F..%2Fetc", undefined, 400, "invalid_request", /is not a run id/],
    ["GET", "/v1/runs/r_none", undefined, 404, "not_found", /No run's id/],
    ["GET", "/v1/runs?limit=0", undefined, 400, "invalid_request", /limit must be from 1 to 500/],
    ["GET", "/v1/runs?statos=failed", undefined, 400, "invalid_request", /did you mean "status"/],
    ["GET", "/v1/runs?cursor=garbage", undefined, 400, "invalid_request", /./],
    ["GET", "/v1/runs?label=x", undefined, 400, "invalid_request", /label must match/],
    ["POST", "/v1/runs", "{", 400, "invalid_request", /not sound JSON/],
    ["POST", "/v1/runs", '{"manifest":"a","manifest":"b"}', 400, "invalid_request", /not sound JSON/],
    ["POST", "/v1/runs", Buffer.from([0x22, 0xff, 0x22]), 400, "invalid_request", /UTF-8/],
    ["POST", "/v1/runs", '{"inputs":{"a":"\\ud800"}}', 400, "invalid_request", /surrogate|half/],
    ["POST", "/v1/runs", '{"inputs":{"\\u005f_proto__":1}}', 400, "invalid_request", /__proto__/],
    ["POST", "/v1/runs", `{"inputs":${deep}}`, 400, "invalid_request", /deep|nested|level/],
    ["POST", "/v1/runs", "[]", 400, "invalid_request", /must be an object, not a list/],
    ["POST", "/v1/runs", {}, 400, "invalid_request", /either `manifest` \(a text\) or `workflow`/],
    [
      "POST",
      "/v1/runs",
      { manifest: 5, prio: 1 },
      400,
      "invalid_request",
      /prio is not known.*manifest must be a text/,
    ],
    ["POST", "/v1/runs", { manifest: MANIFEST, inputs: { n: "x" } }, 400, "invalid_input", /n/],
    ["POST", "/v1/runs", { workflow: "nope" }, 404, "not_found", /No workflow nope/],
    ["POST", "/v1/runs", { workflow: "a b" }, 400, "invalid_request", /is not a workflow's name/],
    [
      "POST",
      "/v1/runs",
      { manifest: MANIFEST },
      415,
      "unsupported_media_type",
      /content type is "text\/plain"/,
      { "content-type": "text/plain" },
    ],
    [
      "POST",
      "/v1/runs/%40last/signals",
      { name: "x", payload: "y".repeat(1024 * 1024) },
      413,
      "payload_too_large",
      /larger than 1048576 bytes/,
    ],
    ["PATCH", "/v1/runs/%40last", { action: "cancle" }, 400, "invalid_request", /did you mean cancel/],
    ["PATCH", "/v1/runs/%40last", { action: "cancel", tasks: ["a"] }, 400, "invalid_request", /tasks belongs to retry/],
    [
      "PATCH",
      "/v1/runs/%40last",
      { action: "retry", reason: "why" },
      400,
      "invalid_request",
      /\/reason belongs to cancel/,
    ],
    [
      "POST",
      "/v1/approvals/a_none",
      { verdict: "approve", plan: `sha256:${"0".repeat(64)}`, reason: "x" },
      404,
      "not_found",
      /No open approval/,
    ],
    ["GET", "/v1/runs/%40last/events?after=-1", undefined, 400, "invalid_request", /after must be from 0/],
    ["GET", "/v1/runs/%40last/events", undefined, 400, "invalid_request", /Last-Event-ID/, { "last-event-id": "x" }],
    ["GET", "/v1/runs/%40last/logs/none", undefined, 404, "not_found", /has no log of none/],
    ["GET", "/v1/runs/%40last/artifacts/sha256:0", undefined, 404, "not_found", /no artifact/],
    ["GET", "/v1/tasks/exek", undefined, 404, "not_found", /Did you mean exec/],
  ];
  for (const [method, path, body, status, code, detail, headers] of refused) {
    it(`${method} ${path} ${JSON.stringify(body)?.slice(0, 50) ?? ""} is ${status} ${code}`, async () => {
      const answer = await call(method, path, body, headers);
      assert.deepEqual([answer.status, answer.body.code], [status, code], JSON.stringify(answer.body));
      assert.match(answer.body.detail ?? "", detail);
      assert.equal(answer.headers.get("content-type"), "application/problem+json");
      for (const member of ["type", "title", "status", "instance", "fix", "requestId"])
        assert.ok(member in answer.body, member);
    });
  }
});
