import type { Digest } from "./digest.ts";
import type {
  Actor,
  ApprovalRequested,
  Artifact,
  Decision,
  Isolation,
  RunCreated,
  RunStatus,
  SkipReason,
  TaskError,
} from "./event.ts";
import type { JsonObject, JsonValue } from "./json.ts";
import type { Prepared } from "./expression.ts";
import type { Program, ProgramTask, SlotClass } from "./program.ts";
import type { Owed } from "./obligation.ts";
import { Queue } from "./queue.ts";
import { Timers } from "./timers.ts";

/**
 * The state of one run: a function of its plan and its events (apply.ts), owned by one engine turn and mutated in place.
 * What is below `transient` is the scheduler's scratch memory: it follows from the rest (advance.ts) and no event carries it.
 */
export interface Run {
  readonly id: string;
  readonly created: RunCreated;
  readonly createdAt: number;
  seq: number;
  status: RunStatus;
  phase: "main" | "undo" | "finally";
  startedAt: number | null;
  endedAt: number | null;
  outputs: JsonObject | null;
  error: TaskError | null;
  readonly tasks: TaskState[];
  /** Tasks of the phase that have not settled. */
  openMain: number;
  openFinally: number;
  /** Indices of failed tasks that were not tolerated, in the order they failed. */
  failures: number[];
  cancel: { readonly by: Actor; readonly reason: string; readonly force: boolean; readonly at: number } | null;
  budgetError: TaskError | null;
  /** The phases that a cancel or a budget has stopped. */
  readonly stopped: Set<Run["phase"]>;
  /** Attempts, undos included, and child runs at work. */
  running: number;
  children: number;
  usedTasks: number;
  usedUsdMicros: number;
  /** The wall budget counts from here: the start, or the last reopening. */
  wallFrom: number;
  /** Signals nobody waited for yet, oldest first. */
  readonly signals: Map<string, JsonValue[]>;
  /** Folders of the runs that reused results left their files in. */
  readonly lent: Set<string>;
  /** Steps that can be undone, in the order they succeeded. */
  undoable: Step[];
  /** Steps to undo, next last. */
  undoQueue: Step[];
  /** How far the rollback has come: not begun, at work, or over. */
  rollback: "none" | "running" | "done";
  readonly decisions: DecisionNote[];
  readonly approvals: ApprovalNote[];
  reopened: number;
  readonly transient: Transient;
}

/** Whether a cancel or a budget has stopped the phase this task belongs to. */
export function isStopped(run: Run, phase: "main" | "finally"): boolean {
  return run.stopped.has(phase) || run.cancel?.force === true;
}

export interface DecisionNote {
  readonly action: "run.start" | "task.execute";
  readonly task: string | null;
  readonly decision: Decision;
}

export interface ApprovalNote {
  readonly task: string;
  readonly by: Actor;
  readonly verdict: "approve" | "deny";
  readonly reason: string;
  readonly planDigest: Digest;
  readonly at: number;
}

export type TaskStatus = "pending" | "active" | "succeeded" | "failed" | "skipped" | "cancelled";

export interface TaskState {
  readonly index: number;
  status: TaskStatus;
  /** Needs that have not settled: readiness is counted, never scanned. */
  waitingOn: number;
  failedNeeds: number;
  skippedNeeds: number;
  /** When the last need settled. */
  readyAt: number;
  items: readonly JsonValue[] | null;
  steps: Step[];
  /** Steps neither pending nor settled. */
  active: number;
  /** Attempts at work, undos included. */
  running: number;
  /** Steps not settled. */
  open: number;
  succeeded: number;
  failed: number;
  cancelled: number;
  error: TaskError | null;
  skipReason: SkipReason | null;
  startedAt: number | null;
  endedAt: number | null;
  approval: { readonly request: ApprovalRequested; readonly votes: ApprovalNote[]; expired: boolean } | null;
  approved: boolean;
  reusedFrom: string | null;
  /** Up to which item they have been taken up, and how many of those have not settled: at most `max`. */
  cursor: number;
  inFlight: number;
  /** Attempts that its items had before the task was spread anew. */
  earlier: readonly number[];
  /** The weakest that any attempt measured, and where they all ran. */
  isolation: Isolation | null;
  runners: readonly string[];
  /** Transient: `when` held, everything before this step has settled, and what expressions see of it. */
  cleared: boolean;
  firstOpen: number;
  prepared: Prepared | null;
}

/** What one step is doing. `judging`: an attempt has ended and advance has yet to say what follows. */
export type StepState =
  | "pending"
  | "running"
  | "judging"
  | "retrying"
  | "polling"
  | "waiting"
  | "child"
  | "succeeded"
  | "failed"
  | "cancelled"
  | "undoing"
  | "undo_judging"
  | "undo_retrying"
  | "undone"
  | "undo_failed";

export interface Step {
  readonly task: number;
  readonly item: number;
  status: StepState;
  /** Attempts started, ever. */
  attempt: number;
  /** Attempts that count against `retry.attempts` since the run was started or reopened. */
  tries: number;
  lost: number;
  round: number;
  startedAt: number | null;
  endedAt: number | null;
  /** When a retry, poll or wait is due. */
  dueAt: number | null;
  signal: string | null;
  child: string | null;
  childReceipt: Digest | null;
  output: JsonValue;
  artifacts: readonly Artifact[] | null;
  error: TaskError | null;
  cachedFrom: string | null;
  /** The gate allowed it. */
  allowed: boolean;
  denied: Decision | null;
  /** What its allowing decision depends on. */
  owed: Owed | "unclear" | null;
  /** Transient: what has been asked and not answered, and whether it sits in the runnable queue. */
  asked: "nothing" | "gate" | "cache";
  /** Transient: under which its result is kept; `none` where that cannot be said. */
  cacheKey: Digest | "none" | null;
  /** When an item was taken up, to count against `max` from then on. */
  takenAt: number | null;
  /** Transient: its queue timeout has been set. */
  considered: boolean;
  /** Transient: it is in the runnable queue. */
  queued: boolean;
}

export type Timer =
  | { readonly kind: "step"; readonly step: Step }
  | { readonly kind: "queue"; readonly step: Step; readonly attempt: number }
  | { readonly kind: "approval"; readonly task: TaskState; readonly id: string }
  | { readonly kind: "wall" };

/** What advance still has to look at. */
export type Todo =
  | { readonly kind: "task"; readonly task: TaskState }
  | { readonly kind: "step"; readonly step: Step }
  | { readonly kind: "phase" }
  | { readonly kind: "signals"; readonly name: string };

export interface Transient {
  readonly agenda: Queue<Todo>;
  /** Steps that may start as soon as there is a slot. */
  readonly runnable: Readonly<Record<SlotClass, Queue<Step>>>;
  readonly timers: Timers<Timer>;
  /** Steps that wait for a signal, by its name, in the order they began to. */
  readonly listening: Map<string, Queue<Step>>;
  inputs: Prepared | null;
  run: Prepared | null;
  runStatus: string;
}

export function newRun(program: Program, created: RunCreated, at: number): Run {
  return {
    id: created.run,
    created,
    createdAt: at,
    seq: 0,
    status: "queued",
    phase: "main",
    startedAt: null,
    endedAt: null,
    outputs: null,
    error: null,
    tasks: program.tasks.map((task) => newTaskState(task, at)),
    openMain: program.mainCount,
    openFinally: program.tasks.length - program.mainCount,
    failures: [],
    cancel: null,
    budgetError: null,
    stopped: new Set(),
    running: 0,
    children: 0,
    usedTasks: 0,
    usedUsdMicros: 0,
    wallFrom: at,
    signals: new Map(),
    lent: new Set(),
    undoable: [],
    undoQueue: [],
    rollback: "none",
    decisions: [],
    approvals: [],
    reopened: 0,
    transient: {
      agenda: new Queue(),
      runnable: { inline: new Queue(), process: new Queue(), resident: new Queue() },
      timers: new Timers(),
      listening: new Map(),
      inputs: null,
      run: null,
      runStatus: "",
    },
  };
}

/** A task that fans out gets its steps when its items are known, every other has its one from the start. */
export function newTaskState(task: ProgramTask, at: number): TaskState {
  const plain = task.items === undefined;
  return {
    index: task.index,
    status: "pending",
    waitingOn: task.needs.length,
    failedNeeds: 0,
    skippedNeeds: 0,
    readyAt: at,
    items: null,
    steps: plain ? [newStep(task.index, -1)] : [],
    active: 0,
    running: 0,
    open: plain ? 1 : 0,
    succeeded: 0,
    failed: 0,
    cancelled: 0,
    error: null,
    skipReason: null,
    startedAt: null,
    endedAt: null,
    approval: null,
    approved: false,
    reusedFrom: null,
    cursor: 0,
    inFlight: 0,
    earlier: [],
    isolation: null,
    runners: [],
    cleared: false,
    firstOpen: 0,
    prepared: null,
  };
}

export function newStep(task: number, item: number, attempt = 0): Step {
  return {
    task,
    item,
    status: "pending",
    attempt,
    tries: 0,
    lost: 0,
    round: 0,
    startedAt: null,
    endedAt: null,
    dueAt: null,
    signal: null,
    child: null,
    childReceipt: null,
    output: null,
    artifacts: null,
    error: null,
    cachedFrom: null,
    allowed: false,
    denied: null,
    owed: null,
    asked: "nothing",
    cacheKey: null,
    takenAt: null,
    considered: false,
    queued: false,
  };
}

/** The step a reference names. */
export function stepOf(
  program: Program,
  run: Run,
  ref: { readonly task: string; readonly item: number },
): Step | undefined {
  const index = program.index.get(ref.task);
  if (index === undefined) return undefined;
  const { steps } = run.tasks[index]!;
  return ref.item === -1 ? (program.tasks[index]!.items === undefined ? steps[0] : undefined) : steps[ref.item];
}

/** Order of timers that are due at the same time: the wall budget (0) first, then plan and item order. */
export function rankOf(task: number, item: number): number {
  return 1 + task * 200_000 + (item + 1);
}

export function isTerminal(status: RunStatus): boolean {
  return status === "succeeded" || status === "failed" || status === "cancelled" || status === "denied";
}

export function isSettled(status: StepState): boolean {
  switch (status) {
    case "pending":
    case "running":
    case "judging":
    case "retrying":
    case "polling":
    case "waiting":
    case "child":
      return false;
    case "succeeded":
    case "failed":
    case "cancelled":
    case "undoing":
    case "undo_judging":
    case "undo_retrying":
    case "undone":
    case "undo_failed":
      return true;
  }
}
