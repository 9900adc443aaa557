import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { traceIdOf } from "../src/core/trace-context.ts";
import { openControlPlane } from "../src/serve.ts";
import type { ControlPlane } from "../src/serve.ts";
import { readExposition, valueOf } from "./support/exposition.ts";
import { otlpReceiver } from "./support/otlp.ts";
import type { ReceivedSpan } from "./support/otlp.ts";
import { receiver } from "./support/receiver.ts";
import { treeOf } from "./support/span-tree.ts";

// Traces of a real control plane, as a receiver of OTLP gets them.

const runbook = (name: string, tasks: string): string => `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: t, name: ${name}, version: 1.0.0 }
spec:
  type: demo
  purposes: [test]
  license: internal
  tasks:
${tasks}
`;

const INNER = runbook("inner", `    tell: { uses: exec@1, with: { argv: [sh, -c, "echo $TRACEPARENT $TRACESTATE"] } }`);
const OUTER = runbook(
  "outer",
  `    flaky:
      uses: exec@1
      with: { argv: [sh, -c, "exit \${{ task.attempt == 1 ? 3 : 0 }}"] }
      retry: { attempts: 2, backoff: { initial: 10ms } }
    each:
      needs: [flaky]
      forEach: { items: "[1, 2]", as: n, max: 2 }
      uses: noop@1
      with: { value: "\${{ n }}" }
    sub: { needs: [each], uses: "runbook:t/inner@1.0.0" }
    ask: { needs: [sub], uses: approval@1, with: { message: ok, notRequester: false } }
`,
);
const CALLS = `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: t, name: calls, version: 1.0.0 }
spec:
  type: demo
  purposes: [test]
  license: internal
  inputs: { url: { type: string } }
  tasks:
    call:
      uses: http@1
      with: { url: "\${{ inputs.url }}", allowPrivate: ["127.0.0.1"] }
      retry: { attempts: 2, backoff: { initial: 10ms } }
`;
const SIGNAL = runbook("waits", `    go: { uses: wait@1, with: { signal: go } }`);

const GIVEN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

interface Plane extends AsyncDisposable {
  readonly plane: ControlPlane;
  send(method: string, path: string, body?: object, headers?: Readonly<Record<string, string>>): Promise<Answer>;
  /** Resolves when the run has ended, with what it was. */
  ended(run: string): Promise<Answer>;
  logged: string[];
}

type Answer = Readonly<Record<string, unknown>> & { readonly run: { readonly id: string; readonly status: string } };

async function openPlane(otlp: string): Promise<Plane> {
  const dir = await mkdtemp(join(tmpdir(), "maestro-traces-"));
  const logged: string[] = [];
  const log = (level: string, message: string, fields: object): void =>
    void logged.push(`${level} ${message} ${JSON.stringify(fields)}`);
  const plane = await openControlPlane({ dataDir: dir, otlp, log });
  const send: Plane["send"] = async (method, path, body, headers = {}) => {
    const response = await plane.asOwner(
      new Request(`http://maestro.local${path}`, {
        method,
        headers: { "content-type": "application/json", ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    );
    const answer = (await response.json()) as Answer;
    assert.ok(response.ok, JSON.stringify(answer));
    return answer;
  };
  return {
    plane,
    logged,
    send,
    async ended(run) {
      const accept = { accept: "text/event-stream" };
      const request = new Request(`http://maestro.local/v1/runs/${run}/events`, { headers: accept });
      await (await plane.asOwner(request)).text();
      return send("GET", `/v1/runs/${run}`);
    },
    async [Symbol.asyncDispose]() {
      await plane.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

const named = (spans: readonly ReceivedSpan[], name: string): ReceivedSpan => {
  const found = spans.filter((span) => span.name === name);
  assert.equal(found.length, 1, `${found.length} spans are named ${name}`);
  return found[0]!;
};

describe("a trace", () => {
  it("is one tree over retries, fan-out, a child run and an approval, in the trace of the caller", async () => {
    await using otlp = await otlpReceiver();
    await using place = await openPlane(otlp.url);
    const inner = await place.send("POST", "/v1/runs", { manifest: INNER });
    await place.ended(inner.run.id);
    const headers = { traceparent: GIVEN, tracestate: "vendor=1", "x-request-id": "req-7" };
    const { run } = await place.send("POST", "/v1/runs", { manifest: OUTER }, headers);
    let open: { readonly id: string; readonly planDigest: string }[] = [];
    while (open.length === 0) {
      const answer = await place.send("GET", "/v1/approvals");
      open = answer["approvals"] as typeof open;
      await delay(5);
    }
    const [{ id, planDigest }] = open as [(typeof open)[number]];
    await place.send("POST", `/v1/approvals/${id}`, { verdict: "approve", plan: planDigest, reason: "ok" });
    assert.equal((await place.ended(run.id)).run.status, "succeeded");
    const traceId = GIVEN.slice(3, 35);
    await otlp.has(traceId, "RUN outer");
    const spans = otlp.trace(traceId);
    assert.deepEqual(treeOf(spans), [
      "RUN outer: success",
      "  flaky: success",
      "    flaky attempt 1: failure (EXIT)",
      "    flaky attempt 2: success",
      "  each: success",
      "    each item 0: success",
      "      each attempt 1: success",
      "    each item 1: success",
      "      each attempt 1: success",
      "  sub: success",
      "    sub child run 1: success",
      "      RUN inner: success",
      "        tell: success",
      "          tell attempt 1: success",
      "  ask: success",
      "    ask approval: success",
    ]);
    const root = named(spans, "RUN outer");
    assert.deepEqual(
      [root.parentSpanId, root.kind, root.attributes["maestro.request.id"]],
      [GIVEN.slice(36, 52), 2, "req-7"],
    );
    assert.equal(root.resource["service.name"], "summit-maestro");
    const child = named(spans, "RUN inner");
    assert.deepEqual(named(spans, "sub child run").links, [{ traceId, spanId: child.spanId, relation: "child" }]);
    assert.equal(child.attributes["maestro.parent.run.id"], run.id);
    // What the child's command was told is the span of its attempt.
    const attempt = named(spans, "tell attempt");
    const log = await place.plane.asOwner(
      new Request(`http://maestro.local/v1/runs/${String(child.attributes["cicd.pipeline.run.id"])}/logs/tell`),
    );
    assert.equal((await log.text()).trim(), `00-${traceId}-${attempt.spanId}-01 vendor=1`);
    assert.deepEqual(otlp.wrong, []);
    // The run before it is a trace of its own.
    assert.deepEqual(new Set(otlp.traceIds), new Set([traceId, traceIdOf({ run: inner.run.id })]));
  });

  it("of a cancelled run ends with it, and a retry and a repetition point back", async () => {
    await using otlp = await otlpReceiver();
    await using place = await openPlane(otlp.url);
    const { run } = await place.send("POST", "/v1/runs", { manifest: SIGNAL });
    await place.send("PATCH", `/v1/runs/${run.id}`, { action: "cancel", reason: "enough" });
    await place.ended(run.id);
    const traceId = traceIdOf({ run: run.id });
    await otlp.has(traceId, "RUN waits");
    const first = otlp.trace(traceId);
    assert.deepEqual(treeOf(first), ["RUN waits: cancellation", "  go: cancellation", "    go wait: cancellation"]);

    await place.send("PATCH", `/v1/runs/${run.id}`, { action: "retry" });
    await place.send("POST", `/v1/runs/${run.id}/signals`, { name: "go" });
    await place.ended(run.id);
    const again = await place.send("POST", `/v1/runs/${run.id}/rerun`, {});
    await place.send("POST", `/v1/runs/${again.run.id}/signals`, { name: "go" });
    await place.ended(again.run.id);
    const repeated = traceIdOf({ run: again.run.id });
    await otlp.has(repeated, "RUN waits");
    const opened = otlp.trace(traceId).filter(({ name }) => name === "RUN waits");
    assert.equal(opened.length, 2);
    const [was, is] = opened.toSorted((a, b) => a.startAt - b.startAt) as [ReceivedSpan, ReceivedSpan];
    assert.deepEqual(is.links, [{ traceId, spanId: was.spanId, relation: "retry_of" }]);
    const link = { traceId, spanId: is.spanId, relation: "rerun_of" };
    assert.deepEqual(named(otlp.trace(repeated), "RUN waits").links, [link]);
    assert.deepEqual(otlp.wrong, []);
  });

  it("goes on in the requests of a run, and in what they reach", async () => {
    await using otlp = await otlpReceiver();
    let asked = 0;
    await using target = await receiver((response) => response.writeHead((asked += 1) === 1 ? 503 : 204).end());
    await using place = await openPlane(otlp.url);
    const { run } = await place.send("POST", "/v1/runs", { manifest: CALLS, inputs: { url: target.url } });
    assert.equal((await place.ended(run.id)).run.status, "succeeded");
    const traceId = traceIdOf({ run: run.id });
    await otlp.has(traceId, "RUN calls");
    const attempts = otlp
      .trace(traceId)
      .filter(({ name }) => name === "call attempt")
      .toSorted((a, b) => a.startAt - b.startAt);
    assert.equal(attempts.length, 2);
    assert.deepEqual(
      target.seen.map(({ headers }) => headers["traceparent"]),
      attempts.map(({ spanId }) => `00-${traceId}-${spanId}-01`),
    );
    assert.deepEqual(
      attempts.map(({ attributes }) => [
        attributes["cicd.pipeline.task.name"],
        attributes["cicd.pipeline.task.run.id"],
        attributes["cicd.pipeline.task.run.result"],
        attributes["error.type"],
        attributes["maestro.attempt"],
      ]),
      [
        ["call", `${run.id}/call`, "error", "UNAVAILABLE", 1],
        ["call", `${run.id}/call`, "success", undefined, 2],
      ],
    );
    const { attributes } = named(otlp.trace(traceId), "RUN calls");
    assert.equal(attributes["cicd.pipeline.name"], "calls");
    assert.equal(attributes["cicd.pipeline.run.id"], run.id);
    assert.equal(attributes["cicd.pipeline.result"], "success");
    assert.deepEqual(otlp.wrong, []);
  });
});

describe("a receiver that does not work", () => {
  for (const manner of ["hang", "gone"] as const) {
    it(`does not touch a run (${manner})`, async () => {
      const otlp = await otlpReceiver("hang");
      const place = await openPlane(manner === "gone" ? "http://127.0.0.1:1" : otlp.url);
      try {
        const manifest = runbook("plain", "    a: { uses: noop@1 }\n    b: { uses: noop@1, needs: [a] }");
        const started = await Promise.all(
          Array.from({ length: 20 }, async () => place.send("POST", "/v1/runs", { manifest })),
        );
        for (const { run } of started) assert.equal((await place.ended(run.id)).run.status, "succeeded");
        const response = await place.plane.asOwner(new Request("http://maestro.local/metrics"));
        const families = readExposition(await response.text());
        assert.equal(valueOf(families, "maestro_trace_spans_total", { outcome: "exported" }), 0);
        const ended = valueOf(families, "maestro_runs_ended_total", { status: "succeeded" });
        assert.equal(ended, 20);
      } finally {
        await otlp[Symbol.asyncDispose]();
        await place[Symbol.asyncDispose]();
      }
    });
  }
});
