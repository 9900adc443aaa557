// W5: 10,000 runs asleep on a durable 30 s timer: how long it takes to put them there, the memory of the process while they
// sleep, and how late they wake (from the time the timer names to the moment the wake-up is durable).
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { bench, meter, percentile, quick } from "./measure.ts";
import { compile, ends, openPlane, sleeper, startMany } from "./plane.ts";

const RUNS = quick ? 500 : 10_000;
const SECONDS = quick ? 8 : 30;

await bench({
  title: `W5: ${RUNS.toLocaleString("en")} runs asleep for ${SECONDS} s`,
  async measure(dir) {
    const plane = await openPlane(join(dir, "data"));
    const plan = await compile(plane.engine, sleeper(SECONDS));
    const wakes = new Map<string, number>();
    const late: number[] = [];
    let asleep = 0;
    const allAsleep = new Promise<void>((resolve) => {
      plane.engine.subscribe("*", (run, events) => {
        for (const event of events) {
          if (event.kind === "wait_started") {
            wakes.set(run, event.until!);
            asleep += 1;
            if (asleep === RUNS) resolve();
          } else if (event.kind === "wait_finished") {
            late.push(Date.now() - wakes.get(run)!);
          }
        }
      });
    });
    const done = ends(plane.engine, RUNS);
    const stop = meter();
    await Promise.all([allAsleep, startMany(plane, plan, RUNS)]);
    const { ms, cost } = stop();
    // Half of the sleep, so that nothing of the ramp or the wake-up is in the picture.
    await delay(SECONDS * 500);
    const { rss } = process.memoryUsage();
    const before = process.cpuUsage();
    await delay(2_000);
    const { user, system } = process.cpuUsage(before);
    await done;
    await plane.close();
    return [
      { what: "W5 ramp", value: ms / 1_000, unit: "s", must: 1, ...cost },
      { what: "W5 memory of the process while they sleep", value: rss / 1e6, unit: "MB", must: 130 },
      { what: "W5 CPU while they sleep, share of a core", value: (user + system) / 2e6, unit: "" },
      { what: "W5 fired late p50", value: percentile(late, 50), unit: "ms" },
      { what: "W5 fired late p99", value: percentile(late, 99), unit: "ms", must: 100 },
    ];
  },
});
