import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { sha256 } from "../core/digest.ts";
import { EngineBench } from "../../test/support/engine.ts";
import type { BenchOptions } from "../../test/support/engine.ts";
import { OWNER, planOf } from "../../test/support/world.ts";
import type { TaskSketch } from "../../test/support/world.ts";

let bench: EngineBench | undefined;
afterEach(async () => {
  await bench?.close();
  bench = undefined;
});

async function open(options: BenchOptions = {}): Promise<EngineBench> {
  bench = await EngineBench.open(options);
  return bench;
}

const hold = (id: string, rest: Omit<TaskSketch, "id"> = {}): TaskSketch => ({ id, uses: "http", ...rest });

describe("running again", () => {
  it("in the same run leaves a second receipt that names the first", async () => {
    const it = await open();
    const row = await it.run(planOf([hold("a"), hold("b", { needs: ["a"] })]));
    await it.finish("a");
    await it.finish("b", { ok: false, error: { code: "EXIT", message: "no" } });
    const first = await it.store.receiptGet(row.id);
    const sent = it.engine.send(row.id, { kind: "retry", by: OWNER });
    await it.settle();
    await sent;
    assert.deepEqual(it.working(), ["b"]);
    await it.finish("b");
    const second = await it.store.receiptGet(row.id);
    assert.equal(second?.ordinal, 2);
    const statement = Buffer.from(JSON.parse(second.bundle).dsseEnvelope.payload, "base64").toString();
    assert.ok(statement.includes(first!.digest));
  });

  it("from a task reuses what came before it; with other inputs everything is new", async () => {
    const it = await open();
    const plan = planOf([
      hold("a"),
      hold("b", { needs: ["a"], with: { of: "${{ tasks.a.output.v }}", n: "${{ inputs.n }}" } }),
    ]);
    const row = await it.run(plan, { inputs: { n: 1 } });
    await it.finish("a", { ok: true, output: { v: 9 } });
    await it.finish("b", { ok: false, error: { code: "EXIT", message: "no" } });
    const again = it.engine.rerun(row.id, { from: "b", inputs: { n: 2 }, initiator: OWNER });
    await it.settle();
    assert.deepEqual(it.working(), ["b"]);
    assert.deepEqual(it.held[0]?.request.input, { of: 9, n: 2 });
    const view = await it.engine.view((await again).id);
    assert.equal(view.tasks[0]?.cachedFrom, row.id);
    const whole = it.engine.rerun(row.id, { initiator: OWNER });
    await it.settle();
    assert.notEqual((await whole).id, row.id);
    assert.deepEqual(it.working(), ["b", "a"]);
  });

  it("lends a run the folders that reused results left their files in", async () => {
    const it = await open();
    const file = { name: "out/a.txt", path: "/data/work/r_first/a.1/out/a.txt", digest: sha256("a"), size: 1 };
    const plan = planOf([hold("a"), hold("b", { needs: ["a"] })]);
    const row = await it.run(plan);
    await it.finish("a", { ok: true, output: {}, artifacts: [file] });
    assert.deepEqual(it.held[0]?.request.lent, [], "what it made itself lies in its own folder");
    await it.finish("b", { ok: false, error: { code: "EXIT", message: "no" } });
    const again = it.engine.rerun(row.id, { from: "b", initiator: OWNER });
    await it.settle();
    assert.notEqual((await again).id, row.id);
    assert.deepEqual(it.held[0]?.request.lent, ["/data/work/r_first"]);
  });

  it("takes a cached result for the same input and says so", async () => {
    const it = await open();
    const plan = planOf([hold("a", { cache: { ttlMs: 60_000 }, with: { n: "${{ inputs.n }}" } })]);
    const first = await it.run(plan, { inputs: { n: 1 } });
    await it.finish("a", { ok: true, output: { v: 1 } });
    const second = await it.run(plan, { inputs: { n: 1 } });
    assert.equal((await it.row(second.id)).status, "succeeded");
    assert.equal((await it.engine.view(second.id)).tasks[0]?.cachedFrom, first.id);
    await it.run(plan, { inputs: { n: 2 } });
    assert.deepEqual(it.working(), ["a"]);
    await it.finish("a");
    await it.pass(60_001);
    await it.run(plan, { inputs: { n: 1 } });
    assert.deepEqual(it.working(), ["a"]);
  });
});
