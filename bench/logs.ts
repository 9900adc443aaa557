// Logs: a command that prints as fast as it can, until all of it lies in its log; and what that costs W1 beside it.
import { readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ControlPlane } from "../packages/maestro/src/serve.ts";
import type { StoredPlan } from "../packages/maestro/src/store/store.ts";
import { bench, median, meter, quick } from "./measure.ts";
import { compile, ends, FIVE_STEPS, openPlane, PRINT, start } from "./plane.ts";

const MB = 1e6;
/** One file, printed again and again. */
const FILE_MB = 32;
/** What a command prints stays below the limit of a log, 256 MiB: what is dropped would be counted as kept. */
const TIMES = quick ? 1 : 8;
/** Commands one after the other, each with a log of its own. */
const COMMANDS = quick ? 1 : 4;
const RUNS = quick ? 200 : 2_000;
const PAIRS = quick ? 1 : 5;

await bench({
  title: "Logs",
  async measure(dir) {
    const file = join(dir, "lines.txt");
    const line = "2026-11-21T10:00:00.000Z INFO a line as programs write them, a hundred characters of it or so\n";
    writeFileSync(file, line.repeat((FILE_MB * MB) / line.length));
    const data = join(dir, "data");
    const plane = await openPlane(data);
    const print = await compile(plane.engine, PRINT);
    const work = await compile(plane.engine, FIVE_STEPS);
    const flood = async (commands: number): Promise<string> => {
      const items = Array.from({ length: commands }, (_, i) => i);
      return (await start(plane, print, { file, times: TIMES, items })).id;
    };
    const kept = (run: string): number => {
      const folder = join(data, "logs", run);
      const logs = readdirSync(folder).filter((name) => name.endsWith(".log"));
      return logs.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0) / MB;
    };

    await w1(plane, work);
    const stop = meter();
    const alone = await flood(COMMANDS);
    await ends(plane.engine, 1, undefined, (run) => run === alone);
    const { ms, cost } = stop();
    const printed = (statSync(file).size / MB) * TIMES * COMMANDS;
    if (kept(alone) !== printed) throw new Error(`${kept(alone)} MB are in the log, and ${printed} were printed`);

    const ratios: number[] = [];
    const beside: number[] = [];
    for (let pair = 0; pair < PAIRS; pair++) {
      const without = await w1(plane, work);
      // More than it gets to before it is called off.
      const other = await flood(1_000);
      await prints(plane, other);
      const before = kept(other);
      const took = await w1(plane, work, other);
      ratios.push(took / without);
      beside.push((kept(other) - before) / (took / 1_000));
      await callOff(plane, other);
    }
    await plane.close();
    return [
      {
        what: "log ingest of one command",
        value: printed / (ms / 1_000),
        unit: "MB/s",
        better: "higher",
        must: 200,
        ...cost,
      },
      { what: "W1 beside a command that prints: time with ÷ without", value: median(ratios), unit: "x", must: 1.1 },
      { what: "log ingest of one command meanwhile", value: median(beside), unit: "MB/s", better: "higher" },
    ];
  },
});

/** Milliseconds. */
async function w1(plane: ControlPlane, plan: StoredPlan, other = ""): Promise<number> {
  const done = ends(plane.engine, RUNS, undefined, (run) => run !== other);
  const stop = meter();
  await Promise.all([done, ...Array.from({ length: RUNS }, async () => start(plane, plan))]);
  return stop().ms;
}

/** Its first command has left something in its log. */
async function prints(plane: ControlPlane, run: string): Promise<void> {
  const logs = new Request(`http://maestro.local/v1/runs/${run}/logs`);
  for (;;) {
    const answer = (await (await plane.asOwner(logs)).json()) as { readonly logs: readonly unknown[] };
    if (answer.logs.length > 0) return;
  }
}

async function callOff({ engine, owner }: ControlPlane, run: string): Promise<void> {
  const over = new Promise<void>((resolve) => {
    const stop = engine.subscribe(run, (_, events) => {
      if (events.at(-1)?.kind !== "run_ended") return;
      stop();
      resolve();
    });
  });
  await engine.send(run, { kind: "cancel", by: owner, reason: "measured", force: true });
  await over;
}
