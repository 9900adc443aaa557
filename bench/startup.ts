// Start: `maestro --version`, opening a control plane, `maestro runs` and `maestro up`, on an empty data directory and on one with
// the history of 10,000 runs. Whole commands, from spawn to exit; the control plane from the start of its process until it is
// ready, and until it says so to a stranger over HTTP.
import { execFile, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Reading } from "./measure.ts";
import { AS_MAESTRO, bench, median, quick } from "./measure.ts";
import { compile, ends, FIVE_STEPS, openPlane, startMany } from "./plane.ts";

const RUNS = quick ? 200 : 10_000;
const TIMES = quick ? 2 : 7;
const MAESTRO = fileURLToPath(new URL("../packages/maestro/bin/maestro.cjs", import.meta.url));
const PROCESS = fileURLToPath(new URL("startup-process.ts", import.meta.url));

await bench({
  title: "Start",
  async measure(dir) {
    const empty = join(dir, "empty");
    const full = join(dir, "full");
    for (const data of [empty, full]) {
      const plane = await openPlane(data);
      const plan = await compile(plane.engine, FIVE_STEPS);
      if (data === full) await Promise.all([ends(plane.engine, RUNS), startMany(plane, plan, RUNS)]);
      await plane.close();
    }
    const runs = RUNS.toLocaleString("en");
    return [
      await timed("maestro --version", { must: 60 }, async () => command("--version")),
      await timed("maestro runs, none there", {}, async () => command("runs", "--data", empty)),
      await timed(`maestro runs, ${runs} there`, {}, async () => command("runs", "--data", full)),
      await timed("control plane ready, no runs", { must: 1_000 }, async () => ready(empty)),
      await timed(`control plane ready, ${runs} ended runs`, { must: 1_000 }, async () => ready(full)),
      await timed(`maestro up answers /readyz, ${runs} ended runs`, { must: 1_000 }, async () => answers(full)),
    ];
  },
});

async function timed(what: string, targets: Pick<Reading, "must">, work: () => Promise<number>): Promise<Reading> {
  // The first fills the compile cache and the system's file cache.
  await work();
  const took: number[] = [];
  for (let i = 0; i < TIMES; i++) {
    const start = performance.now();
    took.push((await work()) - start);
  }
  return { what, value: median(took), unit: "ms", ...targets };
}

async function command(...words: readonly string[]): Promise<number> {
  await promisify(execFile)(process.execPath, [MAESTRO, ...words]);
  return performance.now();
}

/** When it was ready; a process that ends by itself leaves its code in the cache. */
async function ready(data: string): Promise<number> {
  const child = spawn(process.execPath, [...AS_MAESTRO, PROCESS, data], { stdio: ["ignore", "pipe", "inherit"] });
  const gone = new Promise((resolve) => child.once("exit", resolve));
  let at = Number.NaN;
  for await (const line of createInterface(child.stdout)) if (line === "open") at = performance.now();
  await gone;
  return at;
}

/** When a server that was just started says over HTTP that it takes work. */
async function answers(data: string): Promise<number> {
  const words = [MAESTRO, "up", "--data", data, "--listen", "127.0.0.1:0", "--log-format", "json"];
  const child = spawn(process.execPath, words, { stdio: ["ignore", "ignore", "pipe"] });
  const gone = new Promise((resolve) => child.once("exit", resolve));
  let at = Number.NaN;
  for await (const line of createInterface(child.stderr)) {
    const { url } = JSON.parse(line) as { readonly url?: string };
    if (url === undefined) continue;
    if ((await fetch(`${url}/readyz`)).ok) at = performance.now();
    child.kill("SIGTERM");
  }
  await gone;
  return at;
}
