// The parts of the drill that are programs: what is to go wrong, a worker to which it happens, and a judge.
// Plain JavaScript without dependencies, for any Node.js from 18 on.
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

const env = process.env;
// Relative to the folder the run was started in, and one folder for each run.
const folder = resolve(env.MAESTRO_BASE, env.FOLDER, env.MAESTRO_RUN);
const LEDGER = join(folder, "ledger.jsonl");
const STARTS = join(folder, "starts.jsonl");

/** Where a worker may be hit: before its effect, half-way into it, after it but before its result, or by going silent. */
const POINTS = ["before", "middle", "after", "silence"];

const steps = { prepare, work, judge };
steps[process.argv[2]]();

/** Chooses, by the seed alone, which workers are hit, how often and where. */
function prepare() {
  mkdirSync(folder, { recursive: true });
  const next = chance(Number(env.SEED));
  const most = Number(env.KILLS);
  const jobs = Array.from({ length: Number(env.JOBS) }, (_, i) => ({
    id: `job-${String(i + 1).padStart(3, "0")}`,
    points: Array.from({ length: Math.floor(next() * (most + 1)) }, () => POINTS[Math.floor(next() * POINTS.length)]),
  }));
  handOut({ jobs, kills: jobs.reduce((sum, { points }) => sum + points.length, 0) });
}

/** One attempt of one job. Its effect is a line in the ledger, which must be there once in the end. */
function work() {
  const job = JSON.parse(readFileSync(0, "utf8"));
  const attempt = Number(env.MAESTRO_ATTEMPT);
  const point = job.points[attempt - 1];
  append(STARTS, { job: job.id, attempt, pid: process.pid, point: point ?? null, at: Date.now() });
  console.log(`${job.id} attempt ${attempt}, pid ${process.pid}${point === undefined ? "" : `, to be hit: ${point}`}`);
  if (point === "before") die();
  if (point === "silence") return silence();
  // An effect that may have happened is looked for first: that is what makes it safe to try again.
  const done = env.CARELESS !== "true" && entries(LEDGER).some((line) => line.job === job.id);
  if (!done) {
    if (point === "middle") {
      writeFileSync(`${LEDGER}.${job.id}.half`, "half an effect");
      die();
    }
    append(LEDGER, { job: job.id, attempt, at: Date.now() });
  }
  if (point === "after" || point === "middle") die();
  handOut({ job: job.id, attempt, found: done });
}

/** Counts what happened against what was to happen. Whatever it finds, it writes the report. */
function judge() {
  const { jobs } = JSON.parse(readFileSync(0, "utf8"));
  const ledger = entries(LEDGER);
  const starts = entries(STARTS);
  const of = (list, id) => list.filter(({ job }) => job === id);
  const lost = jobs.filter(({ id }) => of(ledger, id).length === 0).map(({ id }) => id);
  const doubled = jobs.filter(({ id }) => of(ledger, id).length > 1).map(({ id }) => id);
  const hit = starts.filter(({ point }) => point !== null);
  const byPoint = Object.fromEntries(POINTS.map((point) => [point, hit.filter((one) => one.point === point).length]));
  const recoveries = hit.flatMap(({ job, attempt, at }) => {
    const again = starts.find((one) => one.job === job && one.attempt > attempt);
    return again === undefined ? [] : [again.at - at];
  });
  const report = {
    seed: Number(env.SEED),
    jobs: jobs.length,
    processes: new Set(starts.map(({ pid, at }) => `${pid}/${at}`)).size,
    hits: hit.length,
    byPoint,
    unrecovered: hit.length - recoveries.length,
    slowestRecoveryMs: Math.max(0, ...recoveries),
    effects: ledger.length,
    lost,
    doubled,
    passed: lost.length === 0 && doubled.length === 0 && recoveries.length === hit.length,
  };
  writeFileSync(join(env.MAESTRO_DIR, "report.json"), `${JSON.stringify(report, null, 2)}\n`);
  writeFileSync(join(env.MAESTRO_DIR, "report.md"), markdown(report));
  handOut(report);
  if (report.passed) return;
  console.error(
    `lost: ${lost.join(", ") || "none"}; doubled: ${doubled.join(", ") || "none"}; not recovered: ${report.unrecovered}`,
  );
  process.exitCode = 1;
}

function markdown({ seed, jobs, processes, hits, byPoint, slowestRecoveryMs, effects, lost, doubled, passed }) {
  return `# Chaos drill, seed ${seed}: ${passed ? "passed" : "FAILED"}

| | |
|---|---|
| jobs | ${jobs} |
| worker processes | ${processes} |
| hit by SIGKILL or silence | ${hits} (${POINTS.map((point) => `${point}: ${byPoint[point]}`).join(", ")}) |
| slowest recovery | ${slowestRecoveryMs} ms |
| effects | ${effects} |
| lost | ${lost.length === 0 ? "none" : lost.join(", ")} |
| doubled | ${doubled.length === 0 ? "none" : doubled.join(", ")} |
`;
}

function die() {
  process.kill(process.pid, "SIGKILL");
}

/** It lives and does nothing, as a process that waits for a lock that nobody gives back. */
function silence() {
  setInterval(() => undefined, 60_000);
}

/** One line, whole or not at all, and on the disk when this returns. */
function append(path, line) {
  const file = openSync(path, "a");
  writeSync(file, `${JSON.stringify(line)}\n`);
  fsyncSync(file);
  closeSync(file);
}

function entries(path) {
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}

function handOut(value) {
  mkdirSync(dirname(env.MAESTRO_OUTPUT), { recursive: true });
  writeFileSync(env.MAESTRO_OUTPUT, JSON.stringify(value));
}

/** The same numbers for the same seed (mulberry32). */
function chance(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
