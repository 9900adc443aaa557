// How every bench here measures: each run in a fresh process on a fresh folder of a real disk, medians over the runs.
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

/** One number of one run. The same `what` in each run of a bench. */
export interface Reading {
  readonly what: string;
  readonly value: number;
  readonly unit: "/s" | "ms" | "s" | "µs" | "MB" | "MB/s" | "B" | "x" | "";
  /** What it has to reach, and what would be outstanding. Absent: nothing was promised. */
  readonly must?: number;
  readonly moonshot?: number;
  /** Default: lower is better. */
  readonly better?: "higher";
  /** CPU seconds of the measured section, and memory of the process at its end in bytes. */
  readonly cpu?: number;
  readonly rss?: number;
}

/** The same number over all runs. */
export interface Row {
  readonly reading: Reading;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly cpu: number | undefined;
  readonly rss: number | undefined;
}

export interface BenchFile {
  readonly title: string;
  /** Runs whose median counts; default 3. */
  readonly runs?: number;
  /** Measures once, in `dir`, which is new and goes away afterwards. */
  measure(dir: string): Promise<readonly Reading[]>;
}

const { values: flags } = parseArgs({
  strict: false,
  options: {
    once: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    million: { type: "boolean", default: false },
    runs: { type: "string" },
  },
});

/** Sizes shrink with `--quick`, to see whether a bench works; such numbers mean nothing. */
export const quick = flags.quick === true;
/** `--million`: also what takes minutes and gigabytes. */
export const million = flags.million === true;

/** Makes a file a bench: alone it prints its table, under `npm run bench` it is one child process per run. */
export async function bench(file: BenchFile): Promise<void> {
  if (flags.once === true) {
    const dir = freshDir();
    try {
      console.log(JSON.stringify({ title: file.title, runs: file.runs ?? 3, readings: await file.measure(dir) }));
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
    return;
  }
  const { title, rows } = await repeat(process.argv[1]!);
  console.log(`${title}\n\n${table(rows)}`);
}

/** Runs a bench file in fresh processes and takes the medians. */
export async function repeat(path: string): Promise<{ readonly title: string; readonly rows: readonly Row[] }> {
  const results: { readonly title: string; readonly runs: number; readonly readings: readonly Reading[] }[] = [];
  let runs = quick ? 1 : 3;
  for (let run = 0; run < runs; run++) {
    const result = JSON.parse(await once(path)) as (typeof results)[number];
    results.push(result);
    if (run === 0 && !quick) runs = typeof flags.runs === "string" ? Number(flags.runs) : result.runs;
  }
  const [first] = results;
  if (first === undefined) throw new Error(`${basename(path)} measured nothing`);
  return {
    title: first.title,
    rows: first.readings.map(({ what }) =>
      rowOf(results.map(({ readings }) => readings.find((reading) => reading.what === what)!)),
    ),
  };
}

/** The maestro command keeps one in the user's cache folder, so our processes have one, too. */
const COMPILE_CACHE = fileURLToPath(new URL("../node_modules/.cache/bench-compile", import.meta.url));

/** Before a script of ours whose start is timed: its modules are found as the maestro command finds them. */
export const AS_MAESTRO: readonly string[] = [
  "--require",
  fileURLToPath(new URL("../packages/maestro/bin/own-modules.cjs", import.meta.url)),
];

/** What one run in a process of its own prints last. */
async function once(path: string): Promise<string> {
  const sizes = [...(quick ? ["--quick"] : []), ...(million ? ["--million"] : [])];
  const child = spawn(process.execPath, [path, "--once", ...sizes], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, NODE_COMPILE_CACHE: COMPILE_CACHE },
  });
  const ended = new Promise<string>((resolve) => child.on("close", (code, signal) => resolve(String(signal ?? code))));
  const [printed, how] = await Promise.all([text(child.stdout), ended]);
  if (how !== "0") throw new Error(`${basename(path)} ended with ${how}; what it says is above`);
  return printed.trim().split("\n").at(-1) ?? "";
}

function rowOf(readings: readonly Reading[]): Row {
  const values = readings.map(({ value }) => value);
  const cpus = readings.flatMap(({ cpu }) => cpu ?? []);
  const memory = readings.flatMap(({ rss }) => rss ?? []);
  return {
    reading: readings[0]!,
    median: median(values),
    min: Math.min(...values),
    max: Math.max(...values),
    cpu: cpus.length === 0 ? undefined : median(cpus),
    rss: memory.length === 0 ? undefined : median(memory),
  };
}

/** A Markdown table, aligned, that a terminal shows as well. */
export function table(rows: readonly Row[]): string {
  const head = ["what", "median", "range", "must", "moonshot", "CPU s", "RSS MB"];
  const body = rows.map(({ reading, median: middle, min, max, cpu, rss }) => [
    reading.what,
    `${amount(middle)} ${reading.unit}`.trim(),
    min === max ? "" : `${amount(min)} – ${amount(max)}`,
    target(reading, reading.must, middle),
    target(reading, reading.moonshot, middle),
    cpu === undefined ? "" : cpu.toFixed(2),
    rss === undefined ? "" : (rss / 1e6).toFixed(0),
  ]);
  const widths = head.map((title, i) => Math.max(title.length, ...body.map((cells) => cells[i]!.length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join(" | ")} |`;
  const rule = `|${widths.map((width, i) => (i === 0 ? "-".repeat(width + 2) : `${"-".repeat(width + 1)}:`)).join("|")}|`;
  return [line(head), rule, ...body.map(line)].join("\n");
}

function target(reading: Reading, wanted: number | undefined, value: number): string {
  if (wanted === undefined) return "";
  const met = reading.better === "higher" ? value >= wanted : value <= wanted;
  return `${reading.better === "higher" ? "≥" : "≤"} ${amount(wanted)} ${met ? "yes" : "NO"}`;
}

function amount(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : Math.abs(value) >= 1 ? 2 : 3;
  return value.toLocaleString("en", { maximumFractionDigits: digits });
}

export function median(values: readonly number[]): number {
  return percentile(values, 50);
}

/** Nearest rank. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? Number.NaN;
}

/** Wall time in ms, and CPU and memory as `Reading` wants them, from its call to that of the function it returns. */
export function meter(): () => { readonly ms: number; readonly cost: { readonly cpu: number; readonly rss: number } } {
  const cpu = process.cpuUsage();
  const start = performance.now();
  return () => {
    const ms = performance.now() - start;
    const { user, system } = process.cpuUsage(cpu);
    return { ms, cost: { cpu: (user + system) / 1e6, rss: process.memoryUsage().rss } };
  };
}

const TMPFS = 0x01021994;

/** A new folder on a disk: durability in memory costs nothing and says nothing. */
function freshDir(): string {
  let parent = tmpdir();
  if (statfsSync(parent).type === TMPFS) {
    parent = fileURLToPath(new URL("../node_modules/.cache/bench", import.meta.url));
    mkdirSync(parent, { recursive: true });
  }
  return mkdtempSync(join(parent, "maestro-bench-"));
}
