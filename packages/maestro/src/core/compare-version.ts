import { canonical } from "./canonical.ts";
import type { EventBody, RunEvent } from "./event.ts";
import { eventLine } from "./event-line.ts";
import type { JsonValue } from "./json.ts";
import type { Plan, PlanTask } from "./plan.ts";
import { MaestroError } from "./problem.ts";
import type { Program } from "./program.ts";
import { useText } from "./receipt-facts.ts";
import { redecide, replay } from "./replay.ts";
import { isTerminal } from "./run.ts";
import { suggest } from "./suggest.ts";

/** What another version of a runbook would have made of a history. */
export type Comparison =
  | { readonly kind: "same" }
  | { readonly kind: "differs"; readonly seq: number; readonly why: string }
  | { readonly kind: "incomparable"; readonly why: string };

/**
 * Decides a recorded history again by another version of its runbook: what people, runners and the gate said is taken from
 * the record. Pure. `old` is the plan the run kept. That plan digests differ between versions is no difference.
 */
export function compareVersion(program: Program, old: Plan, events: readonly RunEvent[]): Comparison {
  const lost = lostTasks(program, events);
  if (lost.length > 0) return { kind: "incomparable", why: lostText(lost, program, old) };
  const another = otherUse(program.plan, old, events);
  const found = decideAgain(program, another === undefined ? events : events.slice(0, another.at));
  if (found.kind === "same" && another !== undefined) return { kind: "differs", seq: another.seq, why: another.why };
  return found;
}

function decideAgain(program: Program, events: readonly RunEvent[]): Comparison {
  try {
    const result = redecide(program, events, sameButPlan);
    if (result.agrees) return { kind: "same" };
    const recorded = events.find(({ seq }) => seq === result.seq);
    // The record ends here, in the middle of a run: what would have followed nobody knows.
    if (recorded === undefined) return { kind: "same" };
    return { kind: "differs", seq: result.seq, why: whyDiffers(program, events, recorded, result.decided) };
  } catch (error) {
    if (!(error instanceof MaestroError) || typeof error.facts["seq"] !== "number") throw error;
    const { seq } = error.facts;
    const recorded = events.find((event) => event.seq === seq);
    const what = recorded === undefined ? "" : `the record says ${eventLine(recorded)}, and `;
    return { kind: "differs", seq, why: `${what}the new version could not come to that: ${error.message}` };
  }
}

/** Plans of different versions have different digests, and their approvals and child runs name them. */
function sameButPlan(recorded: RunEvent, decided: RunEvent): boolean {
  return canonical(withoutPlan(recorded)) === canonical(withoutPlan(decided));
}

function withoutPlan(event: RunEvent): JsonValue {
  const { planDigest: _plan, ...rest } = event as RunEvent & { readonly planDigest?: string };
  return rest as unknown as JsonValue;
}

/** Tasks that the history speaks of and the new version does not have. */
function lostTasks(program: Program, events: readonly RunEvent[]): readonly string[] {
  const names = events.flatMap((event) => ("task" in event && event.task !== undefined ? [event.task] : []));
  return [...new Set(names)].filter((name) => !program.index.has(name));
}

function lostText(lost: readonly string[], program: Program, old: Plan): string {
  const before = new Set(old.tasks.map(({ id }) => id));
  const fresh = program.ids.filter((id) => !before.has(id));
  const renamed = lost.flatMap((name) => {
    const near = suggest(name, fresh);
    return near === undefined ? [] : [`${name} is perhaps ${near} now`];
  });
  const hint =
    renamed.length > 0 ? `; ${renamed.join(", ")}` : fresh.length > 0 ? `; new in it: ${fresh.join(", ")}` : "";
  return `the new version has no ${lost.length === 1 ? "task" : "tasks"} ${lost.join(", ")}${hint}`;
}

interface OtherUse {
  /** Index of the event. */
  readonly at: number;
  readonly seq: number;
  readonly why: string;
}

/** The first start of a task that would have been of another type. */
function otherUse(plan: Plan, old: Plan, events: readonly RunEvent[]): OtherUse | undefined {
  const of = (tasks: readonly PlanTask[], id: string, undo: boolean): string | undefined => {
    const task = tasks.find((one) => one.id === id);
    const uses = undo ? task?.undo?.uses : task?.uses;
    return uses === undefined ? undefined : useText(uses);
  };
  for (const [at, event] of events.entries()) {
    if (event.kind !== "attempt_started" && event.kind !== "child_started") continue;
    const undo = event.kind === "attempt_started" && event.phase === "undo";
    const [before, now] = [of(old.tasks, event.task, undo), of(plan.tasks, event.task, undo)];
    if (before === now || now === undefined) continue;
    const what = undo ? `the undo of ${event.task}` : event.task;
    return { at, seq: event.seq, why: `${what} would have run ${now}, not ${before ?? "anything"}` };
  }
  return undefined;
}

function whyDiffers(program: Program, events: readonly RunEvent[], recorded: RunEvent, decided: JsonValue): string {
  const line = eventLine(recorded);
  if (decided === null)
    return `the record says ${line}, and the new version does not${openTasks(program, events, recorded)}`;
  const again = decided as unknown as RunEvent & EventBody;
  if (recorded.kind === "attempt_started" && again.kind === "attempt_started")
    return `${recorded.task} would have been given another input`;
  const other = eventLine(again);
  if (other === line) return `${line}: ${membersThatDiffer(recorded, again)}`;
  return `the record says ${line}, and the new version says ${other}`;
}

/** Why a run would not have been over: what it would still have had to do. */
function openTasks(program: Program, events: readonly RunEvent[], recorded: RunEvent): string {
  const run = replay(program, events.slice(0, events.indexOf(recorded)));
  if (isTerminal(run.status)) return "";
  const open = run.tasks.filter(({ status }) => status === "pending" || status === "active");
  const names = open
    .map(({ index }) => program.ids[index] ?? "")
    .filter((id) => !("task" in recorded) || recorded.task !== id);
  return names.length === 0
    ? ""
    : `; open in it: ${names.slice(0, MAX_NAMES).join(", ")}${names.length > MAX_NAMES ? " and more" : ""}`;
}

const MAX_NAMES = 5;

function membersThatDiffer(recorded: RunEvent, again: RunEvent): string {
  const [before, now] = [withoutPlan(recorded), withoutPlan(again)] as readonly Record<string, JsonValue>[];
  const keys = [...new Set([...Object.keys(before ?? {}), ...Object.keys(now ?? {})])];
  const shown = keys.flatMap((key) => {
    const [was, is] = [textOf(before?.[key]), textOf(now?.[key])];
    return was === is ? [] : [`${key} was ${was} and would have been ${is}`];
  });
  return shown.join(", ");
}

const MAX_TEXT = 200;

function textOf(value: JsonValue | undefined): string {
  if (value === undefined) return "nothing";
  const text = canonical(value);
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT - 1)}…` : text;
}
