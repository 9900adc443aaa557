import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { openControlPlane } from "../src/serve.ts";
import type { ControlPlane, ControlPlaneOptions } from "../src/serve.ts";
import { METRICS } from "../src/telemetry/metrics.ts";
import { readExposition, valueOf } from "./support/exposition.ts";
import type { Family } from "./support/exposition.ts";
import { need } from "./support/need.ts";

// What Prometheus gets from a real control plane.

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
const TWO = runbook(
  "two",
  "    a: { uses: noop@1, with: { value: 1 } }\n    b: { uses: exec@1, needs: [a], with: { argv: [/bin/true] } }",
);
const SLEEPS = runbook("sleeps", "    go: { uses: wait@1, with: { signal: go } }");

interface Place extends AsyncDisposable {
  readonly plane: ControlPlane;
  call(path: string, body?: object, headers?: Readonly<Record<string, string>>): Promise<Response>;
  start(manifest: string): Promise<string>;
  ended(run: string): Promise<void>;
  scrape(): Promise<ReadonlyMap<string, Family>>;
}

async function open(options: Partial<ControlPlaneOptions> = {}): Promise<Place> {
  const dir = await mkdtemp(join(tmpdir(), "maestro-metrics-"));
  const plane = await openControlPlane({ dataDir: dir, log: () => undefined, ...options });
  const call: Place["call"] = async (path, body, headers = {}) =>
    plane.asOwner(
      new Request(`http://maestro.local${path}`, {
        method: body === undefined ? "GET" : "POST",
        headers: { "content-type": "application/json", ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    );
  return {
    plane,
    call,
    async start(manifest) {
      const response = await call("/v1/runs", { manifest });
      assert.equal(response.status, 201);
      return ((await response.json()) as { run: { id: string } }).run.id;
    },
    async ended(run) {
      const events = await call(`/v1/runs/${run}/events`, undefined, { accept: "text/event-stream" });
      await events.text();
    },
    async scrape() {
      const response = await call("/metrics");
      assert.equal(response.status, 200);
      assert.equal(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
      return readExposition(await response.text());
    },
    async [Symbol.asyncDispose]() {
      await plane.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

describe("GET /metrics", () => {
  it("has every metric of the table with its labels, and nothing else", async () => {
    await using place = await open();
    const run = await place.start(TWO);
    await place.ended(run);
    const families = await place.scrape();
    assert.deepEqual([...families.keys()].toSorted(), METRICS.map(({ name }) => name).toSorted());
    for (const { name, type, help, labels } of METRICS) {
      const family = families.get(name)!;
      assert.deepEqual([family.type, family.help], [type, help]);
      for (const sample of family.samples) {
        const { le: _, ...own } = sample.labels;
        assert.deepEqual(Object.keys(own).toSorted(), [...labels].toSorted(), name);
      }
    }
  });

  it("counts what happened", async () => {
    await using place = await open();
    await place.ended(await place.start(TWO));
    const asleep = await place.start(SLEEPS);
    await place.call("/v1/nothing");
    await place.call(`/v1/runs/${asleep}`);
    const families = await place.scrape();
    const two = { namespace: "t", workflow: "two" };
    const expected: readonly (readonly [string, Readonly<Record<string, string>>, number])[] = [
      ["maestro_runs_created_total", two, 1],
      ["maestro_runs_ended_total", { ...two, status: "succeeded" }, 1],
      ["maestro_runs_ended_total", { ...two, status: "failed" }, 0],
      ["maestro_runs_created_total", { workflow: "sleeps" }, 1],
      ["maestro_runs_asleep", {}, 1],
      ["maestro_task_attempts_total", { type: "noop@1", outcome: "succeeded" }, 1],
      ["maestro_task_attempts_total", { type: "exec@1", outcome: "succeeded" }, 1],
      ["maestro_receipts_sealed_total", {}, 1],
      ["maestro_decisions_total", { action: "run.start", outcome: "allow" }, 2],
      ["maestro_dispatch_delay_seconds_count", {}, 2],
      ["maestro_http_request_duration_seconds_count", { route: "/v1/runs", method: "POST", status: "201" }, 2],
      ["maestro_http_request_duration_seconds_count", { route: "/v1/runs/{run}", status: "200" }, 1],
      ["maestro_http_request_duration_seconds_count", { route: "none", status: "404" }, 1],
      ["maestro_http_streams_open", {}, 0],
      ["maestro_attempts_running", { slot: "process" }, 0],
      ["maestro_engine_stalled", {}, 0],
    ];
    for (const [name, labels, value] of expected)
      assert.equal(valueOf(families, name, labels), value, name + JSON.stringify(labels));
    assert.ok(valueOf(families, "maestro_store_size_bytes", { file: "database" }) > 0);
    assert.ok(valueOf(families, "maestro_turn_duration_seconds_count") > 0);
    assert.ok(valueOf(families, "process_resident_memory_bytes") > 1e6);
    assert.ok(valueOf(families, "process_start_time_seconds") > 1.6e9);
  });

  it("knows how many streams are open, and when one is left", async () => {
    await using place = await open();
    const run = await place.start(SLEEPS);
    const follow = async (): Promise<ReadableStreamDefaultReader<Uint8Array>> => {
      const events = await place.call(`/v1/runs/${run}/events`, undefined, { accept: "text/event-stream" });
      const reader = events.body!.getReader();
      await reader.read();
      return reader;
    };
    const [left, stays] = [await follow(), await follow()];
    assert.equal(valueOf(await place.scrape(), "maestro_http_streams_open"), 2);
    await left.cancel();
    assert.equal(valueOf(await place.scrape(), "maestro_http_streams_open"), 1);
    await stays.cancel();
    assert.equal(valueOf(await place.scrape(), "maestro_http_streams_open"), 0);
  });

  it("never counts backwards, also while runs come and scrapes overlap", async () => {
    await using place = await open();
    const before = new Map<string, number>();
    let over = false;
    const scrape = async (): Promise<void> => {
      while (!over) {
        const families = await place.scrape();
        for (const { name, labels, value } of families.get("maestro_runs_ended_total")!.samples) {
          const key = name + JSON.stringify(labels);
          assert.ok(value >= (before.get(key) ?? 0), `${key} went from ${before.get(key)} to ${value}`);
          before.set(key, value);
        }
      }
    };
    const scrapers = [scrape(), scrape(), scrape()];
    const runs = await Promise.all(
      Array.from({ length: 200 }, async (_, i) => place.start(runbook(`w${i % 5}`, "    a: { uses: noop@1 }"))),
    );
    await Promise.all(runs.map((run) => place.ended(run)));
    over = true;
    await Promise.all(scrapers);
    const families = await place.scrape();
    const ended = families
      .get("maestro_runs_ended_total")!
      .samples.filter(({ labels }) => labels["status"] === "succeeded");
    assert.equal(
      ended.reduce((sum, { value }) => sum + value, 0),
      200,
    );
  });

  it("is accepted by promtool", need("promtool"), async () => {
    await using place = await open();
    await place.ended(await place.start(TWO));
    const text = await (await place.call("/metrics")).text();
    const { status, stderr, stdout } = spawnSync("promtool", ["check", "metrics"], { input: text, encoding: "utf8" });

    assert.equal(status, 0, stdout + stderr);
  });
});

describe("GET /v1/health", () => {
  it("says how the engine is doing", async () => {
    await using place = await open();
    const health = async (): Promise<Record<string, unknown>> =>
      ((await (await place.call("/v1/health")).json()) as { engine: Record<string, unknown> }).engine;
    const fresh = await health();
    assert.deepEqual([fresh["turns"], fresh["lastTurnAt"], fresh["stalled"]], [0, null, false]);
    assert.deepEqual(fresh["turnMs"], { p50: null, p99: null });
    await place.ended(await place.start(TWO));
    const used = await health();
    assert.ok(Number(used["turns"]) > 0 && Number(used["lastTurnAt"]) > 0);
    assert.ok((used["turnMs"] as { p50: number }).p50 > 0);
    assert.equal(used["activeRuns"], 0);
  });
});
