import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { RunEvent } from "../../../src/core/event.ts";
import { messageOf } from "../../../src/core/problem.ts";
import { isTerminal } from "../../../src/core/run.ts";
import { loadEvents } from "../../../src/engine/load.ts";
import { replayRun } from "../../../src/engine/replay-run.ts";
import { TRUST_ROOT_FILE, readTrustRoot } from "../../../src/provenance/trust.ts";
import { verifyReceipt } from "../../../src/provenance/verify.ts";
import type { ControlPlane } from "../../../src/serve.ts";
import { openControlPlane } from "../../../src/serve.ts";
import type { RunRow } from "../../../src/store/store.ts";
import type { Place } from "./driver.ts";
import { essence, isLost, outcome, stepName } from "./history.ts";
import { WORKLOAD, keyOf } from "./workload.ts";

/** A promise that was not kept, and where. */
export interface Finding {
  readonly check: string;
  readonly what: string;
}

interface Run {
  readonly row: RunRow;
  readonly events: readonly RunEvent[];
}

/** Everything that must hold after any number of kills; `calm` is the same workload undisturbed. */
export async function check(
  calm: Place,
  wild: Place,
): Promise<{ readonly findings: readonly Finding[]; readonly runs: number; readonly lost: number }> {
  const findings: Finding[] = [];
  const add = (name: string, what: string): void => void findings.push({ check: name, what });
  const expected = await inPlace(calm, async (plane) => readRuns(plane, add));
  const runs = await inPlace(wild, async (plane) => {
    const found = await readRuns(plane, add);
    checkStarts(wild, found, add);
    for (const run of found.values()) await checkRun(plane, wild, run, add);
    return found;
  });
  checkAttempts(wild, runs, add);
  checkEffects(wild, runs, add);
  checkKeys(runs, add);
  for (let round = 0; round < wild.rounds; round++) compareRound(round, expected, runs, add);
  checkProcesses(wild, add);
  const lost = [...runs.values()].flatMap((run) => run.events).filter(isLost).length;
  return { findings, runs: runs.size, lost };
}

type Add = (check: string, what: string) => void;

async function inPlace<T>(place: Place, work: (plane: ControlPlane) => Promise<T>): Promise<T> {
  const plane = await openControlPlane({ dataDir: place.dataDir, passive: true });
  try {
    return await work(plane);
  } finally {
    await plane.close();
  }
}

/** Every run with its history; reading it checks the chain. */
async function readRuns(plane: ControlPlane, add: Add): Promise<Map<string, Run>> {
  const { store } = plane.engine.parts;
  const runs = new Map<string, Run>();
  let cursor: string | undefined;
  do {
    const page = await store.runList({ limit: 1000, ...(cursor === undefined ? {} : { cursor }) });
    for (const row of page.runs) {
      try {
        runs.set(row.id, { row, events: await loadEvents(plane.engine.parts, row) });
      } catch (error) {
        add("the chain is intact", messageOf(error));
      }
    }
    cursor = page.cursor ?? undefined;
  } while (cursor !== undefined);
  return runs;
}

/** What was acknowledged exists, once; and nothing exists that nobody asked for. A denied start takes no key: each that was sent is a run. */
function checkStarts(place: Place, runs: ReadonlyMap<string, Run>, add: Add): void {
  for (const [key, ids] of place.record.acknowledged) {
    const denied = [...ids].every((id) => runs.get(id)?.row.status === "denied");
    if (ids.size !== 1 && !denied) add("one run per key", `${key} was acknowledged as ${[...ids].join(" and ")}`);
    for (const id of ids) {
      const row = runs.get(id)?.row;
      if (row === undefined) add("what was acknowledged exists", `${key} is ${id}, which is not there`);
      else if (row.labels["item"] !== key || row.idempotencyKey !== (denied ? null : key))
        add("what was acknowledged exists", `${id} has the key ${row.idempotencyKey} and is ${row.labels["item"]}`);
    }
  }
  for (const { row, events } of runs.values()) {
    const asked = place.record.acknowledged.get(row.labels["item"] ?? "");
    // Of a denied start that a kill left unanswered the next one is another run.
    const known = asked?.has(row.id) === true || (asked !== undefined && row.status === "denied");
    const parent = row.parentRun === null ? undefined : runs.get(row.parentRun);
    const begun = parent?.events.some((event) => event.kind === "child_started" && event.childRun === row.id) === true;
    if (!known && !begun)
      add("nothing runs unasked", `${row.id} (${row.workflow}) was neither acknowledged nor begun by its parent`);
    if (events[0]?.at !== row.createdAt)
      add("rows and histories agree", `${row.id} was created at another time than its row says`);
  }
}

async function checkRun(plane: ControlPlane, place: Place, { row, events }: Run, add: Add): Promise<void> {
  const { store, blobs } = plane.engine.parts;
  const name = `${row.id} (${row.workflow})`;
  if (!isTerminal(row.status))
    add("no run is stuck", `${name} is ${row.status}, waiting for ${row.waiting ?? "nothing"}`);
  const replayed = await replayRun(plane.engine, row.id);
  if (!replayed.equal) add("replay is equal", `${name}: ${replayed.difference}`);
  const plan = await store.planGet(row.planDigest);
  const receipt = await store.receiptGet(row.id);
  if (plan === undefined || receipt === undefined) return add("every run has a receipt", `${name} has none`);
  const texts = (await store.runEvents(row.id, { afterSeq: 0, limit: 100_000 })).map(({ text }) => text);
  const large = new Map<string, Uint8Array | undefined>();
  for (const digest of texts.join("").match(/sha256:[0-9a-f]{64}/g) ?? [])
    large.set(digest, await blobs.get(digest as `sha256:${string}`));
  const verification = await verifyReceipt(Buffer.from(receipt.bundle), {
    trustRoot: readTrustRoot(readFileSync(join(place.dataDir, "keys", TRUST_ROOT_FILE), "utf8"), TRUST_ROOT_FILE),
    plan: plan.text,
    events: texts,
    blob: (digest) => large.get(digest),
    expected: { run: row.id, status: row.status },
  });
  for (const one of verification.checks)
    if (one.status === "failed") add("receipts verify", `${name}: ${JSON.stringify(one)}`);
  if (events.length !== row.seq)
    add("rows and histories agree", `${name} has ${events.length} events, its row says ${row.seq}`);
}

/** A result counts once, attempts are numbered without gaps, and only what was at work in a killed process was lost. */
function checkAttempts({ record }: Place, runs: ReadonlyMap<string, Run>, add: Add): void {
  for (const { row, events } of runs.values()) {
    const open = new Map<string, { readonly attempt: number; readonly process: number | undefined }>();
    const last = new Map<string, number>();
    const good = new Map<string, number>();
    const polls = new Set(
      events.filter(({ kind }) => kind === "poll_scheduled").map((event) => stepName(event as { task: string })),
    );
    let undoing = false;
    for (const event of events) {
      if (event.kind === "rollback_started") undoing = true;
      if (event.kind !== "attempt_started" && event.kind !== "attempt_finished") continue;
      const step = stepName(event);
      const process = record.announced.get(`${row.id} ${event.seq}`);
      const where = `${row.id} ${row.workflow}/${step} attempt ${event.attempt}`;
      if (event.kind === "attempt_started") {
        if (open.has(step)) add("one attempt at a time", where);
        if (event.attempt !== (last.get(step) ?? 0) + 1) add("attempts are numbered without gaps", where);
        open.set(step, { attempt: event.attempt, process });
        last.set(step, event.attempt);
        continue;
      }
      const begun = open.get(step);
      open.delete(step);
      if (begun?.attempt !== event.attempt) add("a result counts once", `${where} ended and was not at work`);
      if (isLost(event) && begun?.process !== undefined && process !== undefined && begun.process >= process)
        add("only what was at work at a kill is lost", `${where} began and was lost in process ${process}`);
      const phase = `${step} ${undoing}`;
      if (event.result.ok) good.set(phase, (good.get(phase) ?? 0) + 1);
      if ((good.get(phase) ?? 0) > 1 && !polls.has(step)) add("a result counts once", `${where} succeeded again`);
    }
    for (const [step] of open) add("every attempt has a result", `${row.id} ${step}`);
  }
}

/** What scripts wrote outside of the data directory: no attempt ran twice, none ran unrecorded, none that succeeded did not run. */
function checkEffects(place: Place, runs: ReadonlyMap<string, Run>, add: Add): void {
  const lines = existsSync(place.effects) ? readFileSync(place.effects, "utf8").trimEnd().split("\n") : [];
  const ran = new Set<string>();
  for (const line of lines) {
    if (ran.has(line)) add("an attempt runs once", line);
    ran.add(line);
  }
  const recorded = new Set<string>();
  for (const { row, events } of runs.values()) {
    for (const event of events) {
      if (event.kind !== "attempt_started" && event.kind !== "attempt_finished") continue;
      const line = `${row.id}/${event.task}/${event.item}/${event.attempt}`;
      if (event.kind === "attempt_started") recorded.add(line);
      else if (event.result.ok && event.result.exit !== undefined && !ran.has(line))
        add("what succeeded has run", line);
    }
  }
  for (const line of ran) if (!recorded.has(line)) add("nothing runs before its start is durable", line);
}

/** Runs with one concurrency key never ran at the same time. */
function checkKeys(runs: ReadonlyMap<string, Run>, add: Add): void {
  const byKey = Map.groupBy(
    [...runs.values()].filter(({ row }) => row.concurrencyKey !== null),
    ({ row }) => row.concurrencyKey,
  );
  for (const [key, list] of byKey) {
    const spans = list
      .map(({ row }) => ({ id: row.id, from: row.startedAt ?? 0, to: row.endedAt ?? Infinity }))
      .sort((a, b) => a.from - b.from);
    for (let i = 1; i < spans.length; i++)
      if (spans[i]!.from < spans[i - 1]!.to)
        add("a concurrency key is held by one", `${key}: ${spans[i - 1]!.id} and ${spans[i]!.id}`);
  }
}

/** The same histories as without a kill. */
function compareRound(round: number, calm: ReadonlyMap<string, Run>, wild: ReadonlyMap<string, Run>, add: Add): void {
  for (const item of WORKLOAD) {
    const [expected, actual] = [find(calm, keyOf(0, item)), find(wild, keyOf(round, item))];
    if (expected === undefined || actual === undefined) {
      add(
        "every run of the workload exists",
        `${keyOf(round, item)}: calm ${expected?.row.id}, wild ${actual?.row.id}`,
      );
      continue;
    }
    const of = (run: Run): string =>
      JSON.stringify(item.equal === "steps" ? essence(run.events) : outcome(run.events), null, 1);
    const [a, b] = [of(expected), of(actual)];
    if (a !== b)
      add("the same history as undisturbed", `${keyOf(round, item)} ${actual.row.id}:\n${firstDifference(a, b)}`);
  }
}

function find(runs: ReadonlyMap<string, Run>, key: string): Run | undefined {
  return [...runs.values()].find(({ row }) => row.parentRun === null && row.labels["item"] === key);
}

function firstDifference(a: string, b: string): string {
  const [one, two] = [a.split("\n"), b.split("\n")];
  const at = one.findIndex((line, i) => line !== two[i]);
  const around = (lines: readonly string[]): string => lines.slice(Math.max(0, at - 2), at + 3).join("\n");
  return `undisturbed\n${around(one)}\ndisturbed\n${around(two)}`;
}

/** No command outlived the engine that reaped after it: commands know their folder, which lies in the data directory. */
function checkProcesses(place: Place, add: Add): void {
  for (const name of existsSync("/proc") ? readdirSync("/proc") : []) {
    if (!/^\d+$/.test(name)) continue;
    let environment = "";
    try {
      environment = readFileSync(`/proc/${name}/environ`, "latin1");
    } catch {
      continue; // It ended meanwhile, or belongs to somebody else.
    }
    if (environment.includes(`MAESTRO_DIR=${place.dataDir}`))
      add("no process survives", `${name}: ${readFileSync(`/proc/${name}/cmdline`, "latin1").replaceAll("\0", " ")}`);
  }
}
