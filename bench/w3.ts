// W3: one run that fans out into parallel no-op steps and joins them, from start() to its durable end. Cost per item says
// whether anything grows faster than the work.
import { join } from "node:path";
import type { Reading } from "./measure.ts";
import { bench, meter, quick } from "./measure.ts";
import { compile, ends, FAN_OUT, openPlane, start } from "./plane.ts";

const SIZES = quick
  ? [{ items: 100 }, { items: 1_000 }]
  : [
      { items: 1_000, must: 0.1, moonshot: 0.05 },
      { items: 10_000, must: 0.7, moonshot: 0.4 },
      { items: 100_000, must: 8, moonshot: 4 },
    ];

await bench({
  title: "W3: fan-out and join",
  async measure(dir) {
    const readings: Reading[] = [];
    const perItem: number[] = [];
    for (const { items, ...targets } of SIZES) {
      const plane = await openPlane(join(dir, String(items)));
      const plan = await compile(plane.engine, FAN_OUT);
      const warm = ends(plane.engine, 1);
      await start(plane, plan, { items: Array.from({ length: 300 }, (_, i) => i) });
      await warm;
      const done = ends(plane.engine, 1);
      const stop = meter();
      await start(plane, plan, { items: Array.from({ length: items }, (_, i) => i) });
      await done;
      const { ms, cost } = stop();
      await plane.close();
      readings.push({
        what: `W3 fan-out of ${items.toLocaleString("en")}`,
        value: ms / 1_000,
        unit: "s",
        ...targets,
        ...cost,
      });
      perItem.push(ms / items);
    }
    const growth = perItem.at(-1)! / perItem.at(-2)!;
    return [...readings, { what: "W3 cost per item, largest ÷ the tenth of it", value: growth, unit: "x", must: 1.2 }];
  },
});
