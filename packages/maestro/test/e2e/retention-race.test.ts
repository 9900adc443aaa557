import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, it } from "node:test";
import type { ControlPlane } from "../../src/serve.ts";
import { openControlPlane } from "../../src/serve.ts";
import type { RunRow } from "../../src/store/store.ts";

// Retention beside an engine at work, with clocks that let everything go at once.

const HEAD = { apiVersion: "maestro/v1", kind: "Runbook" };
const CHILD = JSON.stringify({
  ...HEAD,
  metadata: { namespace: "t", name: "child", version: "1.0.0" },
  spec: {
    type: "demo",
    purposes: ["test"],
    budget: { wall: "5m" },
    inputs: { text: { type: "string" } },
    tasks: { say: { uses: "noop@1", with: { value: "${{ inputs.text }}" } } },
    outputs: { said: "${{ tasks.say.output }}" },
  },
});
/** Two children one after the other: the first has ended, and so could go, while its parent still works. */
const PARENT = JSON.stringify({
  ...HEAD,
  metadata: { namespace: "t", name: "parent", version: "1.0.0" },
  spec: {
    type: "demo",
    purposes: ["test"],
    budget: { wall: "5m" },
    inputs: { text: { type: "string" } },
    tasks: {
      first: { uses: "runbook:t/child@1", with: { text: "${{ inputs.text }}" } },
      second: { uses: "runbook:t/child@1", needs: ["first"], with: { text: "${{ tasks.first.output.said }}" } },
      last: { uses: "noop@1", needs: ["second"], with: { value: "${{ size(tasks.second.output.said) }}" } },
    },
  },
});

const RUNS = 60;
let dir: string;
let plane: ControlPlane;
const troubles: string[] = [];
before(async () => {
  dir = mkdtempSync(join(tmpdir(), "maestro-race-"));
  plane = await openControlPlane({
    dataDir: dir,
    log: (level, message, fields) => void (level === "info" || troubles.push(`${message} ${JSON.stringify(fields)}`)),
  });
});
after(async () => {
  await plane.close();
  rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
});

async function post<T>(path: string, body: object): Promise<T> {
  const headers = { "content-type": "application/json" };
  const response = await plane.asOwner(
    new Request(`http://maestro.local${path}`, { method: "POST", body: JSON.stringify(body), headers }),
  );
  const text = await response.text();
  assert.ok(response.ok, `${path}: ${text}`);
  return JSON.parse(text) as T;
}

it("removes everything that has ended, and nothing that a run at work needs", async () => {
  const ended = new Set<string>();
  plane.engine.subscribe("*", (run, events) => void (events.at(-1)?.kind === "run_ended" && ended.add(run)));
  await post("/v1/runs", { manifest: CHILD, inputs: { text: "x" } });
  writeFileSync(
    join(dir, "retention.yaml"),
    "retention: { default: { work: 0s, logs: 0s, artifacts: 0s, events: 0s, receipts: forever } }\n",
  );
  // Larger than what fits a row, so that histories need their blobs.
  const text = "large ".repeat(8_000);
  const started = await Promise.all(
    Array.from(
      { length: RUNS },
      async () => (await post<{ readonly run: RunRow }>("/v1/runs", { manifest: PARENT, inputs: { text } })).run.id,
    ),
  );
  let removed = 0;
  while (!started.every((id) => ended.has(id))) {
    const pass = await post<{ readonly removed: Readonly<Record<string, number>> }>("/v1/retention/passes", {});
    removed += pass.removed["events"] ?? 0;
  }
  await plane.engine.idle();
  const { removed: rest } = await post<{ readonly removed: Readonly<Record<string, number>> }>(
    "/v1/retention/passes",
    {},
  );
  const { store } = plane.engine.parts;
  for (const id of started) {
    const row = await store.runGet(id);
    assert.deepEqual([row?.status, row?.error], ["succeeded", null], id);
    assert.ok(await store.receiptGet(id));
    assert.equal((await store.runEvents(id, { afterSeq: 0, limit: 9 })).length, 0);
    assert.equal((await store.retention.removalOf(id, "events"))?.head, row?.head);
  }
  assert.equal(removed + (rest["events"] ?? 0), 3 * RUNS + 1);
  assert.deepEqual(troubles, []);
});
