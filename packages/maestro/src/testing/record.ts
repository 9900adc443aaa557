import type { RunEvent, TaskError } from "../core/event.ts";
import type { Digest } from "../core/digest.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import type { Plan, PlanTask } from "../core/plan.ts";
import { link } from "../core/program.ts";
import { replay } from "../core/replay.ts";
import type { Run, TaskState } from "../core/run.ts";
import { eventLine } from "../core/event-line.ts";

/** What came of a run, as a test looks at it: a function of its plan, its events and the inputs its attempts were given. */
export interface RunRecord {
  /** `refused` where it was not even recorded, because its inputs or its purpose would not do. */
  readonly status: string;
  readonly error: ShownError | null;
  readonly outputs: JsonObject;
  readonly tasks: Readonly<Record<string, TaskRecord>>;
  readonly undone: readonly string[];
  readonly decisions: readonly { readonly action: string; readonly task: string | null; readonly allow: boolean }[];
  readonly approvals: readonly { readonly task: string; readonly by: string; readonly verdict: string }[];
  /** One line each: kind, task and what is worth knowing, such as `attempt_finished deploy failed TIMEOUT`. */
  readonly events: readonly string[];
  readonly cost: { readonly attempts: number; readonly usd: number; readonly tokens: number };
  /** The world's time from its creation to its end, ms. */
  readonly tookMs: number;
  readonly plan: {
    readonly digest: Digest;
    readonly tasks: readonly string[];
    readonly effects: readonly string[];
    readonly approvals: readonly string[];
  };
}

export interface ShownError {
  readonly code: string;
  readonly message: string;
}

export interface TaskRecord {
  readonly status: string;
  readonly attempts: number;
  readonly output: JsonValue;
  readonly input: JsonValue;
  readonly error: ShownError | null;
  readonly skipped: string | null;
  readonly items: { readonly succeeded: number; readonly failed: number; readonly cancelled: number } | null;
  readonly artifacts: readonly string[];
  /** What it waited for, each once: approval, signal, timer, retry, poll, child. */
  readonly waited: readonly string[];
  readonly cached: boolean;
  readonly undo: "succeeded" | "failed" | null;
}

export interface Observed {
  readonly plan: Plan;
  readonly digest: Digest;
  readonly events: readonly RunEvent[];
  /** What the last attempt of a step was given. */
  input(task: string, item: number): JsonObject | undefined;
}

export function recordOf(observed: Observed): RunRecord {
  const { plan, digest, events } = observed;
  // Slots do not matter for what a history says.
  const program = link(plan, digest, () => "inline");
  const run = replay(program, events);
  const facts = factsOf(events);
  const end = run.endedAt ?? events.at(-1)?.at ?? run.createdAt;
  return {
    status: run.status,
    error: shown(run.error),
    outputs: run.outputs ?? {},
    tasks: Object.fromEntries(
      plan.tasks.map((task, i) => [task.id, taskRecord(task, run.tasks[i]!, facts, observed)] as const),
    ),
    undone: facts.undone,
    decisions: run.decisions.map(({ action, task, decision }) => ({ action, task, allow: decision.allow })),
    approvals: run.approvals.map(({ task, by, verdict }) => ({ task, by: by.id, verdict })),
    events: events.map(eventLine),
    cost: { attempts: run.usedTasks, usd: run.usedUsdMicros / 1e6, tokens: facts.tokens },
    tookMs: end - run.createdAt,
    plan: planFacts(plan, digest),
  };
}

/** A start that was refused. */
export function refusedRecord(plan: Plan, digest: Digest, error: ShownError): RunRecord {
  return {
    status: "refused",
    error,
    outputs: {},
    tasks: {},
    undone: [],
    decisions: [],
    approvals: [],
    events: [],
    cost: { attempts: 0, usd: 0, tokens: 0 },
    tookMs: 0,
    plan: planFacts(plan, digest),
  };
}

function planFacts(plan: Plan, digest: Digest): RunRecord["plan"] {
  const asks = (task: PlanTask): boolean =>
    task.approvals !== undefined || (task.uses.kind === "type" && task.uses.name === "approval");
  return {
    digest,
    tasks: plan.tasks.map(({ id }) => id),
    effects: [...new Set(plan.tasks.flatMap(({ effects, undo }) => [...effects, ...(undo?.effects ?? [])]))].sort(),
    approvals: plan.tasks.filter(asks).map(({ id }) => id),
  };
}

interface Facts {
  readonly undone: string[];
  readonly attempts: Map<string, number>;
  readonly waited: Map<string, Set<string>>;
  tokens: number;
}

const WAITS: Partial<Record<RunEvent["kind"], string>> = {
  approval_requested: "approval",
  retry_scheduled: "retry",
  poll_scheduled: "poll",
  child_started: "child",
};

function factsOf(events: readonly RunEvent[]): Facts {
  const facts: Facts = { undone: [], attempts: new Map(), waited: new Map(), tokens: 0 };
  const undoing = new Set<string>();
  for (const event of events) {
    if (!("task" in event) || event.task === undefined) continue;
    const wait = event.kind === "wait_started" ? (event.signal === undefined ? "timer" : "signal") : WAITS[event.kind];
    if (wait !== undefined) facts.waited.set(event.task, (facts.waited.get(event.task) ?? new Set()).add(wait));
    if (event.kind === "attempt_started") {
      const key = `${event.task}/${event.item}/${event.attempt}`;
      if (event.phase === "undo") undoing.add(key);
      else facts.attempts.set(event.task, (facts.attempts.get(event.task) ?? 0) + 1);
    }
    if (event.kind !== "attempt_finished") continue;
    facts.tokens += event.result.usage?.tokens ?? 0;
    if (event.result.ok && undoing.has(`${event.task}/${event.item}/${event.attempt}`))
      facts.undone.push(event.item === -1 ? event.task : `${event.task}[${event.item}]`);
  }
  return facts;
}

function taskRecord(plan: PlanTask, state: TaskState, facts: Facts, observed: Observed): TaskRecord {
  const fanOut = plan.forEach !== undefined;
  const { steps } = state;
  const undo = steps.some(({ status }) => status === "undo_failed" || status === "undoing")
    ? "failed"
    : steps.some(({ status }) => status === "undone")
      ? "succeeded"
      : null;
  return {
    status: state.status,
    attempts: facts.attempts.get(plan.id) ?? 0,
    output: fanOut ? steps.map(({ output }) => output) : (steps[0]?.output ?? null),
    input: fanOut
      ? steps.map(({ item }) => observed.input(plan.id, item) ?? null)
      : (observed.input(plan.id, -1) ?? null),
    error: shown(state.error),
    skipped: state.skipReason,
    items: fanOut ? { succeeded: state.succeeded, failed: state.failed, cancelled: state.cancelled } : null,
    artifacts: [...new Set(steps.flatMap(({ artifacts }) => (artifacts ?? []).map(({ name }) => name)))].sort(),
    waited: [...(facts.waited.get(plan.id) ?? [])],
    cached: state.reusedFrom !== null || steps.some(({ cachedFrom }) => cachedFrom !== null),
    undo,
  };
}

function shown(error: TaskError | Run["error"]): ShownError | null {
  return error === null ? null : { code: error.code, message: error.message };
}
