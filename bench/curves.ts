// Cost curves: what an item costs as a run grows, and what a run and a page of a list cost as the data directory grows.
//   node bench/curves.ts --plot bench/curves.svg      also draws them
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { ControlPlane } from "../packages/maestro/src/serve.ts";
import type { Reading } from "./measure.ts";
import { bench, median, meter, million, quick, repeat } from "./measure.ts";
import { compile, ends, FAN_OUT, FIVE_STEPS, openPlane, start } from "./plane.ts";
import { drawCurves } from "./plot.ts";

const ITEMS = quick ? [10, 100] : [10, 100, 1_000, 10_000, 100_000];
const STORED = quick ? [1_000] : million ? [1_000, 10_000, 100_000, 1_000_000] : [1_000, 10_000, 100_000];
/** Of the runs that are started on a full data directory. */
const RUNS = 200;
const PAGES = 50;

const ITEM = "cost of an item";
const RUN = "cost of a run of five steps";
const PAGE = "cost of a page of 50 runs";

const { values: flags } = parseArgs({ strict: false, options: { plot: { type: "string" } } });

if (typeof flags.plot === "string") {
  const { rows } = await repeat(process.argv[1]!);
  const curve = (name: string) =>
    rows.flatMap(({ reading, median: value }) => {
      const at = reading.what.startsWith(`${name}, `) ? /([\d,]+)$/.exec(reading.what)?.[1] : undefined;
      return at === undefined ? [] : [{ x: Number(at.replaceAll(",", "")), y: value }];
    });
  writeFileSync(
    flags.plot,
    drawCurves([
      { name: "µs an item, by items of the run", points: curve(ITEM) },
      { name: "µs a run of five steps, by runs stored", points: curve(RUN) },
      { name: "µs a page of 50 runs, by runs stored", points: curve(PAGE) },
    ]),
  );
} else {
  await bench({
    title: "Cost curves",
    async measure(dir) {
      const readings = [];
      for (const items of ITEMS) readings.push(await fanOut(join(dir, `items-${items}`), items));
      for (const stored of STORED) readings.push(...(await onStored(join(dir, `stored-${stored}`), stored)));
      return readings;
    },
  });
}

function of(count: number): string {
  return count.toLocaleString("en");
}

async function fanOut(dir: string, items: number): Promise<Reading> {
  const plane = await openPlane(dir);
  const plan = await compile(plane.engine, FAN_OUT);
  // A small run takes less than the clock can tell, so many of them in a row, the first to warm up.
  const times = Math.max(1, Math.round(10_000 / items));
  const input = { items: Array.from({ length: items }, (_, i) => i) };
  for (let i = 0; i < Math.min(times, 20); i++) await one(plane, plan, input);
  const stop = meter();
  for (let i = 0; i < times; i++) await one(plane, plan, input);
  const { ms } = stop();
  await plane.close();
  return { what: `${ITEM}, items of its run: ${of(items)}`, value: (ms * 1_000) / times / items, unit: "µs" };
}

async function one(plane: ControlPlane, plan: Parameters<typeof start>[1], input: Parameters<typeof start>[2]) {
  const done = ends(plane.engine, 1);
  await start(plane, plan, input);
  await done;
}

async function onStored(dir: string, stored: number): Promise<readonly Reading[]> {
  const fill = fileURLToPath(new URL("./api-fill.ts", import.meta.url));
  execFileSync(process.execPath, [fill, dir, String(stored)], { stdio: ["ignore", "ignore", "inherit"] });
  const plane = await openPlane(dir);
  const plan = await compile(plane.engine, FIVE_STEPS);
  const times: number[] = [];
  for (let round = 0; round < 5; round++) {
    const done = ends(plane.engine, RUNS);
    const stop = meter();
    await Promise.all([done, ...Array.from({ length: RUNS }, async () => start(plane, plan))]);
    times.push((stop().ms * 1_000) / RUNS);
  }
  const pages: number[] = [];
  for (let i = 0; i < PAGES; i++) {
    const query = ["", "&status=failed", "&namespace=team-3", "&workflow=workflow-7"][i % 4]!;
    const stop = meter();
    await (await plane.asOwner(new Request(`http://maestro.local/v1/runs?limit=50${query}`))).text();
    pages.push(stop().ms * 1_000);
  }
  await plane.close();
  return [
    { what: `${RUN}, runs stored: ${of(stored)}`, value: median(times), unit: "µs" },
    { what: `${PAGE}, runs stored: ${of(stored)}`, value: median(pages), unit: "µs" },
  ];
}
