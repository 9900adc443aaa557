import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { EngineBench } from "../../test/support/engine.ts";
import { planOf } from "../../test/support/world.ts";
import type { TaskSketch } from "../../test/support/world.ts";
import { replayRun } from "./replay-run.ts";

const HOUR = 3_600_000;

let bench: EngineBench | undefined;
afterEach(async () => {
  await bench?.close();
  bench = undefined;
});

async function open(): Promise<EngineBench> {
  bench = await EngineBench.open();
  return bench;
}

const hold = (id: string, rest: Omit<TaskSketch, "id"> = {}): TaskSketch => ({ id, uses: "http", ...rest });
const wait = (id: string, duration: string, rest: Omit<TaskSketch, "id"> = {}): TaskSketch => ({
  id,
  uses: "wait",
  with: { duration },
  ...rest,
});

async function assertSound(it: EngineBench, run: string): Promise<void> {
  const times = (await it.events(run)).map(({ at }) => at);
  assert.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
    "time goes back in a history",
  );
  assert.deepEqual(await replayRun(it.engine, run).then(({ equal, difference }) => ({ equal, difference })), {
    equal: true,
    difference: null,
  });
}

describe("a clock that steps", () => {
  it("forward: what fell due meanwhile happens at once, in order", async () => {
    const it = await open();
    const rows = [
      await it.run(planOf([wait("w", "2h"), hold("a", { needs: ["w"] })])),
      await it.run(planOf([wait("w", "1h")])),
    ];
    it.now += 24 * HOUR;
    await it.settle();
    assert.deepEqual(it.working(), ["a"]);
    await it.finish("a");
    for (const { id } of rows) {
      assert.equal((await it.row(id)).status, "succeeded");
      await assertSound(it, id);
    }
  });

  it("back, while the engine was down: histories stay in order and nothing is stuck or early", async () => {
    const it = await open();
    const waits = await it.run(planOf([wait("w", "10m"), hold("a", { needs: ["w"] })]));
    const works = await it.run(planOf([hold("b"), wait("short", "1s", { needs: ["b"] })]));
    it.now -= HOUR;
    await it.crash();
    assert.deepEqual(it.working(), ["b"], "an attempt that was lost starts again at once");
    const fresh = await it.run(planOf([wait("w", "1m")]));
    await it.pass(60_000);
    assert.equal((await it.row(fresh.id)).status, "succeeded", "new work has the new time");
    await it.finish("b");
    await it.pass(HOUR);
    assert.equal((await it.row(works.id)).status, "succeeded");
    assert.deepEqual(it.working(), [], "ten minutes have not passed by the clock that was promised");
    await it.pass(10 * 60_000);
    assert.deepEqual(it.working(), ["a"]);
    await it.finish("a");
    for (const { id } of [waits, works, fresh]) await assertSound(it, id);
  });

  it("to and fro, again and again: every run ends and every history is sound", async () => {
    const it = await open();
    const rows = [];
    for (const step of [HOUR, -2 * HOUR, 5 * HOUR, -HOUR, -HOUR, 3 * HOUR]) {
      rows.push(await it.run(planOf([wait("w", "30m"), { id: "n", needs: ["w"] }])));
      it.now += step;
      if (step < 0) await it.crash();
      await it.settle();
    }
    await it.pass(24 * HOUR);
    for (const { id } of rows) {
      assert.equal((await it.row(id)).status, "succeeded");
      await assertSound(it, id);
    }
  });
});
