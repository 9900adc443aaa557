// W2: 200 runs of five no-op steps at 20 a second, end to end: from the call of start() to the durable end with its receipt.
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { bench, meter, percentile, quick } from "./measure.ts";
import { compile, ends, FIVE_STEPS, openPlane, start, startMany } from "./plane.ts";

const RUNS = quick ? 20 : 200;
const EVERY_MS = 50;
/** As in a service that has been up a while; the first runs of a process pay for the compiler. */
const WARM_UP = 200;

await bench({
  title: `W2: ${RUNS} runs of five steps at ${1_000 / EVERY_MS} a second`,
  async measure(dir) {
    const plane = await openPlane(join(dir, "data"));
    const plan = await compile(plane.engine, FIVE_STEPS);
    const warm = ends(plane.engine, WARM_UP);
    await startMany(plane, plan, WARM_UP);
    await warm;

    const endedAt = new Map<string, number>();
    const startedAt = new Map<string, number>();
    const done = ends(plane.engine, RUNS, (run) => endedAt.set(run, performance.now()));
    const begin = async (): Promise<void> => {
      const at = performance.now();
      startedAt.set((await start(plane, plan)).id, at);
    };
    const stop = meter();
    const begun: Promise<void>[] = [];
    const first = performance.now();
    for (let i = 0; i < RUNS; i++) {
      await delay(Math.max(0, first + i * EVERY_MS - performance.now()));
      begun.push(begin());
    }
    await Promise.all([done, ...begun]);
    const { cost } = stop();
    await plane.close();
    const took = [...startedAt].map(([run, at]) => endedAt.get(run)! - at);
    return [
      { what: "W2 end to end p50", value: percentile(took, 50), unit: "ms", must: 3, moonshot: 1.5, ...cost },
      { what: "W2 end to end p99", value: percentile(took, 99), unit: "ms", must: 8 },
    ];
  },
});
