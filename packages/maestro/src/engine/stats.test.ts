import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EngineBench } from "../../test/support/engine.ts";
import { planOf } from "../../test/support/world.ts";
import { Histogram } from "./histogram.ts";
import { MAX_WORKFLOWS, OTHER } from "./stats.ts";

describe("a histogram", () => {
  it("counts a value at the first bound that it does not exceed", () => {
    const histogram = new Histogram([1, 2]);
    for (const value of [0, 1, 1.5, 2, 3]) histogram.add(value);
    assert.deepEqual(histogram.counts, [2, 2, 1]);
    assert.deepEqual([histogram.sum, histogram.count], [7.5, 5]);
    assert.deepEqual([histogram.quantile(0.4), histogram.quantile(0.8), histogram.quantile(1)], [1, 2, Infinity]);
    assert.equal(new Histogram([1]).quantile(0.5), undefined);
  });
});

describe("an engine", () => {
  it("counts runs, attempts, retries, decisions, receipts and turns", async () => {
    const bench = await EngineBench.open();
    try {
      const retry = { attempts: 2, onLost: "retry", initialMs: 1000, maxMs: 1000, factor: 1, jitter: "none" } as const;
      await bench.run(planOf([{ id: "a" }, { id: "b", uses: "exec", needs: ["a"], retry, effects: ["write"] }]));
      await bench.finish("b", { ok: false, error: { code: "EXIT", message: "1" } });
      await bench.pass(1000);
      const { stats } = bench.engine;
      assert.equal(stats.receipts, 0);
      await bench.finish("b", { ok: false, error: { code: "TIMEOUT", message: "late" } });
      assert.deepEqual(stats.workflows.get("test/sketch"), {
        namespace: "test",
        workflow: "sketch",
        created: 1,
        ended: { succeeded: 0, failed: 1, cancelled: 0, denied: 0 },
      });
      assert.deepEqual(stats.types.get("exec@1"), {
        type: "exec@1",
        outcomes: { succeeded: 0, failed: 1, timeout: 1, lost: 0, cancelled: 0 },
        retries: 1,
      });
      assert.equal(stats.types.get("noop@1")?.outcomes.succeeded, 1);
      assert.deepEqual(stats.decisions, {
        "run.start": { allow: 1, deny: 0 },
        "task.execute": { allow: 1, deny: 0 },
      });
      assert.equal(stats.receipts, 1);
      // First attempts only: what a retry waits for is not a slot.
      assert.equal(stats.dispatchSeconds.count, 2);
      assert.ok(stats.turnSeconds.count >= 3);
      assert.ok(stats.commitSeconds.count >= 3 && stats.commitSeconds.count <= stats.turnSeconds.count);
      assert.equal(stats.lastTurnAt, bench.now);
      assert.equal(stats.events, (await bench.events((await bench.store.runList({ limit: 1 })).runs[0]!.id)).length);
    } finally {
      await bench.close();
    }
  });

  it("counts how long a step that could start waited for its slot", async () => {
    const bench = await EngineBench.open({ limits: { process: 1 } });
    try {
      await bench.run(
        planOf([
          { id: "a", uses: "exec" },
          { id: "b", uses: "exec" },
        ]),
      );
      await bench.pass(10_000);
      await bench.finish("a");
      const { dispatchSeconds } = bench.engine.stats;
      assert.deepEqual([dispatchSeconds.count, dispatchSeconds.sum], [2, 10]);
    } finally {
      await bench.close();
    }
  });

  it("names so many workflows and counts the rest together", async () => {
    const bench = await EngineBench.open();
    try {
      const named = (name: string): ReturnType<typeof planOf> => {
        const plan = planOf([{ id: "a" }]);
        return { ...plan, workflow: { ...plan.workflow, name } };
      };
      for (let i = 0; i < MAX_WORKFLOWS + 3; i++) await bench.run(named(`w${i}`));
      await bench.run(named("w0"));
      const { workflows } = bench.engine.stats;
      assert.equal(workflows.size, MAX_WORKFLOWS + 1);
      assert.equal(workflows.get("test/w0")?.created, 2);
      assert.equal(workflows.get(`${OTHER}/${OTHER}`)?.created, 3);
    } finally {
      await bench.close();
    }
  });

  it("counts what it refuses, by limit", async () => {
    const bench = await EngineBench.open({ limits: { activeRuns: 1 } });
    try {
      await bench.run(planOf([{ id: "a", uses: "exec" }]));
      await assert.rejects(bench.run(planOf([{ id: "a", uses: "exec" }])), { code: "overloaded" });
      assert.deepEqual(bench.engine.pressure.refused, { activeRuns: 1, mailbox: 0 });
    } finally {
      await bench.close();
    }
  });
});
