// W4: `kill -9` in the middle of W1, then a new process on the same data directory, which also gets the starts that had no
// answer yet. Every acknowledged run must end, with a receipt, a history that decides the same again, and the story of an
// undisturbed run once attempts that were lost are left out. Time counts from the start of the new process.
// And a process that finds 10,000 runs with all their work before them.
import type { ChildProcessByStdio } from "node:child_process";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { RunEvent } from "../packages/maestro/src/core/event.ts";
import type { DurableEngine } from "../packages/maestro/src/engine/durable.ts";
import { loadEvents } from "../packages/maestro/src/engine/load.ts";
import { replayRun } from "../packages/maestro/src/engine/replay-run.ts";
import { openSqlite } from "../packages/maestro/src/store/sqlite.ts";
import { openEngine } from "./engine.ts";
import type { Reading } from "./measure.ts";
import { AS_MAESTRO, bench, quick } from "./measure.ts";
import { STEPS } from "./plane.ts";

const RUNS = quick ? 200 : 2_000;
const ACTIVE = quick ? 500 : 10_000;
const EXPECTED = [
  "run_created",
  "policy_decided",
  "run_started",
  ...Array.from({ length: STEPS }, (_, i) => [`attempt_started:s${i}`, `attempt_finished:s${i}`]).flat(),
  "run_ended",
].join(" ");

type Worker = ChildProcessByStdio<null, Readable, null>;

await bench({
  title: "W4: kill -9 and restart",
  async measure(dir) {
    // A process that ends by itself leaves its code in the compile cache; those that are killed do not.
    await resume(join(dir, "nothing"));
    return [...(await midW1(join(dir, "w1"))), ...(await manyActive(join(dir, "active")))];
  },
});

async function midW1(data: string): Promise<Reading[]> {
  const first = worker(data, "start", RUNS);
  const ids: string[] = [];
  for await (const { word, rest } of lines(first)) {
    if (word === "id") ids.push(rest);
    // Told late: by the time it is read and the kill arrives, more is done.
    if (word === "steps" && Number(rest) >= (RUNS * STEPS) / 4) break;
  }
  await kill(first);
  const acknowledged = ids.length;
  // Whoever got no answer asks again, so that the whole of W1 is done in the end.
  const again = RUNS - acknowledged;
  const left = (await stepsLeft(data)) + again * STEPS;
  if (left === 0) throw new Error("all was done before the kill: nothing was measured");
  const { untilDone, started } = await resume(data, again);
  ids.push(...started);
  const wrong = await countWrong(data, ids);
  const { twice, most } = executedTwice(data);
  if (most > 2) throw new Error(`a step was executed ${most} times over one crash`);
  return [
    { what: "W4 steps left when killed", value: left, unit: "" },
    { what: "W4 restart until those are done", value: untilDone / 1_000, unit: "s", must: 1 },
    { what: "W4 runs acknowledged when killed", value: acknowledged, unit: "" },
    { what: "W4 runs lost, unended or with another history", value: wrong, unit: "", must: 0 },
    { what: "W4 steps executed twice", value: twice, unit: "" },
  ];
}

/** Of the runs that are stored; some of them may not have been acknowledged. */
async function stepsLeft(data: string): Promise<number> {
  const store = await openSqlite({ path: join(data, "maestro.db") });
  let left = 0;
  for (let afterId = ""; ;) {
    const rows = await store.runActive({ afterId, limit: 1_000 });
    for (const { id } of rows) {
      const events = await store.runEvents(id, { afterSeq: 0, limit: 1_000 });
      left += STEPS - events.filter(({ text }) => (JSON.parse(text) as RunEvent).kind === "attempt_finished").length;
    }
    if (rows.length < 1_000) break;
    afterId = rows.at(-1)!.id;
  }
  await store.close();
  return left;
}

/** From the lines that the processes wrote as they executed. */
function executedTwice(data: string): { readonly twice: number; readonly most: number } {
  const counts = new Map<string, number>();
  for (const line of readFileSync(`${data}.executed`, "utf8").trim().split("\n"))
    counts.set(line, (counts.get(line) ?? 0) + 1);
  const values = [...counts.values()];
  return { twice: values.filter((count) => count > 1).length, most: Math.max(...values) };
}

async function manyActive(data: string): Promise<Reading[]> {
  const first = worker(data, "hold", ACTIVE);
  for await (const { word } of lines(first)) if (word === "started") break;
  await kill(first);
  const { toOpen, untilDone } = await resume(data);
  return [
    {
      what: `W4 opening with ${ACTIVE.toLocaleString("en")} active runs`,
      value: toOpen / 1_000,
      unit: "s",
      moonshot: 0.5,
    },
    {
      what: `W4 ... and until their ${(ACTIVE * STEPS).toLocaleString("en")} steps are done`,
      value: untilDone / 1_000,
      unit: "s",
    },
  ];
}

function worker(data: string, mode: "start" | "hold" | "resume", runs = 0): Worker {
  const script = fileURLToPath(new URL("w4-process.ts", import.meta.url));
  return spawn(process.execPath, [...AS_MAESTRO, script, data, mode, String(runs)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
}

async function* lines(child: Worker): AsyncGenerator<{ readonly word: string; readonly rest: string }> {
  for await (const line of createInterface(child.stdout)) {
    const space = `${line} `.indexOf(" ");
    yield { word: line.slice(0, space), rest: line.slice(space + 1) };
  }
}

async function kill(child: Worker): Promise<void> {
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await gone;
}

interface Resumed {
  /** Milliseconds for the new process to open what was left, and from its start until all is done. */
  readonly toOpen: number;
  readonly untilDone: number;
  readonly started: readonly string[];
}

async function resume(data: string, again = 0): Promise<Resumed> {
  const start = performance.now();
  const child = worker(data, "resume", again);
  const gone = new Promise((resolve) => child.once("exit", resolve));
  const started: string[] = [];
  let toOpen = Number.NaN;
  let untilDone = Number.NaN;
  for await (const { word, rest } of lines(child)) {
    if (word === "open") toOpen = Number(rest);
    if (word === "id") started.push(rest);
    if (word === "done") untilDone = performance.now() - start;
  }
  await gone;
  return { toOpen, untilDone, started };
}

/** How many runs are not as they would be without the crash. */
async function countWrong(data: string, ids: readonly string[]): Promise<number> {
  const bench = await openEngine(data, () => ({ passive: true }));
  let wrong = 0;
  for (const id of ids) {
    const fault = await faultOf(bench.engine, id);
    if (fault === undefined) continue;
    console.error(`run ${id} ${fault}`);
    wrong += 1;
  }
  await bench.close();
  return wrong;
}

async function faultOf(engine: DurableEngine, id: string): Promise<string | undefined> {
  const { store } = engine.parts;
  const row = await store.runGet(id);
  if (row?.status !== "succeeded") return `was acknowledged and is ${row?.status ?? "gone"}`;
  if ((await store.receiptGet(id)) === undefined) return "has no receipt";
  const { equal, difference } = await replayRun(engine, id);
  if (!equal) return `replays otherwise: ${difference}`;
  const story = undisturbed(await loadEvents(engine.parts, row)).join(" ");
  return story === EXPECTED ? undefined : `tells another story: ${story}`;
}

/** The history without the attempts that were lost and without their retries. */
function undisturbed(events: readonly RunEvent[]): string[] {
  const lost = new Set(events.filter(isLost).map(({ task, attempt }) => `${task}.${attempt}`));
  return events.flatMap((event) => {
    if (event.kind === "retry_scheduled") return [];
    if (event.kind !== "attempt_started" && event.kind !== "attempt_finished") return [event.kind];
    return lost.has(`${event.task}.${event.attempt}`) ? [] : [`${event.kind}:${event.task}`];
  });
}

function isLost(event: RunEvent): event is Extract<RunEvent, { kind: "attempt_finished" }> {
  return event.kind === "attempt_finished" && !event.result.ok && event.result.error.code === "LOST";
}
