// W5, many more: 100,000 sleeping runs (1,000,000 with --million) that w5-fill.ts has written. The memory of a process that
// opens them, and how late some of them wake among them.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { bench, million, percentile, quick } from "./measure.ts";
import { openPlane } from "./plane.ts";

const ROWS = million ? 1_000_000 : quick ? 2_000 : 100_000;
/** These wake while we look, so long after they were written. */
const DUE = 100;
const DUE_AFTER_SECONDS = 8;

await bench({
  title: `W5: ${ROWS.toLocaleString("en")} runs asleep`,
  runs: million ? 1 : 3,
  async measure(dir) {
    const data = join(dir, "data");
    const fill = fileURLToPath(new URL("w5-fill.ts", import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [
      fill,
      data,
      String(ROWS),
      String(DUE),
      String(DUE_AFTER_SECONDS),
    ]);
    const dueAt = Number(stdout);

    const opening = performance.now();
    const plane = await openPlane(data);
    const opened = performance.now() - opening;
    const late: number[] = [];
    await new Promise<void>((resolve) => {
      plane.engine.subscribe("*", (_run, events) => {
        if (!events.some((event) => event.kind === "wait_finished")) return;
        late.push(Date.now() - dueAt);
        if (late.length === DUE) resolve();
      });
    });
    await delay(500);
    const { rss } = process.memoryUsage();
    await plane.close();
    const rows = ROWS.toLocaleString("en");
    return [
      { what: `W5 opening with ${rows} asleep`, value: opened / 1_000, unit: "s" },
      { what: `W5 memory with ${rows} asleep`, value: rss / 1e6, unit: "MB", must: 250 },
      { what: `W5 fired late among ${rows}, p99`, value: percentile(late, 99), unit: "ms", must: 100 },
    ];
  },
});
