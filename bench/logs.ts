// Logs: a command that prints as fast as it can, until all of it lies in the run's log; and what that costs W1 beside it.
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ControlPlane } from "../packages/maestro/src/serve.ts";
import type { StoredPlan } from "../packages/maestro/src/store/store.ts";
import type { Reading } from "./measure.ts";
import { bench, median, meter, quick } from "./measure.ts";
import { compile, ends, FIVE_STEPS, openPlane, PRINT, start } from "./plane.ts";

const MB = 1e6;
/** One file, printed again and again. */
const FILE_MB = 32;
const TIMES = quick ? 2 : 32;
const RUNS = quick ? 200 : 2_000;
const PAIRS = quick ? 1 : 5;

await bench({
  title: "Logs",
  async measure(dir) {
    const file = join(dir, "lines.txt");
    writeFileSync(
      file,
      "2026-11-21T10:00:00.000Z INFO a line as programs write them, a hundred characters of it or so\n".repeat(
        (FILE_MB * MB) / 95,
      ),
    );
    const plane = await openPlane(join(dir, "data"));
    const print = await compile(plane.engine, PRINT);
    const work = await compile(plane.engine, FIVE_STEPS);
    await w1(plane, work);
    const alone = await (await printed(plane, print, file, TIMES)).done;
    const ratios: number[] = [];
    for (let pair = 0; pair < PAIRS; pair++) {
      const without = await w1(plane, work);
      // Long enough to go on for all of W1.
      const flood = await printed(plane, print, file, TIMES * 4);
      const beside = await w1(plane, work, flood.id);
      ratios.push(beside / without);
      await flood.done;
    }
    await plane.close();
    const readings: Reading[] = [
      {
        what: "log ingest of one command",
        value: alone.mbPerSecond,
        unit: "MB/s",
        better: "higher",
        must: 200,
        ...alone.cost,
      },
      { what: "W1 beside a command that prints: time with ÷ without", value: median(ratios), unit: "x", must: 1.1 },
    ];
    return readings;
  },
});

async function printed(plane: ControlPlane, plan: StoredPlan, file: string, times: number) {
  const stop = meter();
  const { id } = await start(plane, plan, { file, times });
  const done = ends(plane.engine, 1, undefined, (run) => run === id);
  return {
    id,
    done: done.then(() => {
      const { ms, cost } = stop();
      return { mbPerSecond: (statSync(file).size * times) / MB / (ms / 1_000), cost };
    }),
  };
}

/** Milliseconds. */
async function w1(plane: ControlPlane, plan: StoredPlan, other = ""): Promise<number> {
  const done = ends(plane.engine, RUNS, undefined, (run) => run !== other);
  const stop = meter();
  await Promise.all([done, ...Array.from({ length: RUNS }, async () => start(plane, plan))]);
  return stop().ms;
}
