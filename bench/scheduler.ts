// The scheduler's decision at 1,000 steps a second offered (200 runs of five steps): from the moment a step could run
// (its run was submitted, or the step before it returned its result) to the call that executes it. The steps have an
// effect, so in between lie the gate's answer, the durable commit of result and start, and the wait for the turn before.
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { EngineParts } from "../packages/maestro/src/engine/parts.ts";
import { openEngine, withEffect } from "./engine.ts";
import { bench, meter, percentile, quick } from "./measure.ts";
import { compile, ends, FIVE_STEPS, start, startMany } from "./plane.ts";

const SECONDS = quick ? 1 : 10;
const RUNS_PER_SECOND = 200;
const FIRST = "s0";

await bench({
  title: `Scheduler: ready to dispatched at ${RUNS_PER_SECOND * 5} steps a second`,
  async measure(dir) {
    const executedAt = new Map<string, number>();
    const readyAt = new Map<string, number>();
    const took: number[] = [];
    const bench = await openEngine(join(dir, "data"), (parts) => ({
      types: withEffect(parts.types),
      execute: watched(parts, { executedAt, readyAt, took }),
    }));
    const plan = await compile(bench.engine, FIVE_STEPS);
    const warm = ends(bench.engine, RUNS_PER_SECOND);
    await startMany(bench, plan, RUNS_PER_SECOND);
    await warm;
    took.length = 0;

    const count = RUNS_PER_SECOND * SECONDS;
    const done = ends(bench.engine, count);
    const submitted: { readonly id: string; readonly at: number }[] = [];
    const submit = async (): Promise<void> => {
      const at = performance.now();
      submitted.push({ id: (await start(bench, plan)).id, at });
    };
    const stop = meter();
    const began = performance.now();
    const submits: Promise<void>[] = [];
    while (submits.length < count) {
      const due = Math.min(count, Math.floor(((performance.now() - began) * RUNS_PER_SECOND) / 1_000) + 1);
      while (submits.length < due) submits.push(submit());
      await delay(1);
    }
    await Promise.all([done, ...submits]);
    const { cost } = stop();
    await bench.close();
    for (const { id, at } of submitted) took.push(executedAt.get(id)! - at);
    return [
      { what: "scheduler, ready to dispatched p50", value: percentile(took, 50), unit: "ms", ...cost },
      { what: "scheduler, ready to dispatched p99", value: percentile(took, 99), unit: "ms", must: 5, moonshot: 2 },
    ];
  },
});

interface Seen {
  /** When the first step of a run was executed. */
  readonly executedAt: Map<string, number>;
  /** When the step before returned. */
  readonly readyAt: Map<string, number>;
  readonly took: number[];
}

function watched(parts: EngineParts, seen: Seen): EngineParts["execute"] {
  return async (request) => {
    const now = performance.now();
    if (request.task === FIRST) seen.executedAt.set(request.run, now);
    else seen.took.push(now - seen.readyAt.get(request.run)!);
    const result = await parts.execute(request);
    seen.readyAt.set(request.run, performance.now());
    return result;
  };
}
