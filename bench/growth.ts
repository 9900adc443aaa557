// What W1 leaves on disk: bytes of the closed data directory per step, its receipts counted apart.
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { bench, quick } from "./measure.ts";
import { compile, ends, FIVE_STEPS, openPlane, startMany, STEPS } from "./plane.ts";

const RUNS = quick ? 200 : 2_000;

await bench({
  title: `Growth: the data directory after ${RUNS.toLocaleString("en")} runs of ${STEPS} steps`,
  // The same bytes every time, but for the length of numbers.
  runs: 1,
  async measure(dir) {
    const data = join(dir, "data");
    const plane = await openPlane(data);
    const plan = await compile(plane.engine, FIVE_STEPS);
    const before = bytesIn(data);
    const done = ends(plane.engine, RUNS);
    const ids = await startMany(plane, plan, RUNS);
    await done;
    let receipts = 0;
    for (const id of ids) receipts += Buffer.byteLength((await plane.engine.parts.store.receiptGet(id))!.bundle);
    await plane.close();
    const grown = bytesIn(data) - before;
    return [
      { what: "data directory per step, all in", value: grown / (RUNS * STEPS), unit: "B" },
      {
        what: "data directory per step, receipts apart",
        value: (grown - receipts) / (RUNS * STEPS),
        unit: "B",
        must: 1_536,
      },
      { what: `receipt of ${STEPS} steps`, value: receipts / RUNS, unit: "B", must: 2_048 + 200 * STEPS },
    ];
  },
});

function bytesIn(folder: string): number {
  let bytes = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (entry.isFile()) bytes += statSync(join(entry.parentPath, entry.name)).size;
  }
  return bytes;
}
