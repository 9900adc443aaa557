import assert from "node:assert/strict";
import { afterEach, it } from "node:test";
import { EngineBench, stored } from "../../test/support/engine.ts";
import { planOf } from "../../test/support/world.ts";
import type { TaskSketch } from "../../test/support/world.ts";
import { digestOf } from "../core/digest.ts";
import type { Plan } from "../core/plan.ts";

let bench: EngineBench | undefined;
afterEach(async () => {
  await bench?.close();
  bench = undefined;
});

it("starts child runs inside one another up to the limit, and then fails the task that would start one more", async () => {
  bench = await EngineBench.open({ limits: { depth: 1 } });
  const inner = planOf([{ id: "work" }], {
    workflow: { namespace: "test", name: "inner", version: "1.0.0", digest: digestOf("i") },
  });
  const outer = planOf([child(inner)], {
    workflow: { namespace: "test", name: "outer", version: "1.0.0", digest: digestOf("o") },
  });
  for (const plan of [inner, outer]) await bench.store.planPut(stored(plan));

  const fits = await bench.run(outer);
  await bench.settle();
  assert.equal((await bench.row(fits.id)).status, "succeeded");

  const tooDeep = await bench.run(planOf([child(outer)]));
  await bench.settle();
  assert.equal((await bench.row(tooDeep.id)).status, "failed");
  const [middle] = (await bench.store.runList({ parentRun: tooDeep.id, limit: 2 })).runs;
  assert.equal(middle?.status, "failed");
  assert.equal((await bench.store.runList({ parentRun: middle.id, limit: 1 })).runs.length, 0);
  assert.ok(bench.logged.some((line) => line.includes("could not be started")));
});

function child(plan: Plan): TaskSketch {
  const { namespace, name, version } = plan.workflow;
  return { id: "c", uses: { kind: "runbook", namespace, name, version, planDigest: stored(plan).digest } };
}
