import { wakeAt } from "../core/advance.ts";
import type { Digest } from "../core/digest.ts";
import type { RunEvent } from "../core/event.ts";
import { explainRun } from "../core/explain.ts";
import type { JsonObject } from "../core/json.ts";
import type { Program, SlotClass } from "../core/program.ts";
import type { Run } from "../core/run.ts";
import { isTerminal } from "../core/run.ts";
import type { Pending } from "./pending.ts";
import type { RunRow } from "../store/store.ts";
import { ASLEEP_FOREVER } from "../store/store.ts";

/** A run in memory: its state, its row as last committed, and what this turn adds. */
export interface LiveRun {
  readonly run: Run;
  readonly program: Program;
  /** Null until the first commit. */
  row: RunRow | null;
  head: Digest | "";
  /** Events of this turn, not yet durable. */
  pending: RunEvent[];
  /** Attempts at work, and questions to gate, cache and store that are not answered. */
  inFlight: number;
  /** Approvals that have a row in the store. */
  readonly openApprovals: Set<string>;
  receipts: number;
  lastReceipt: { readonly ordinal: number; readonly digest: Digest } | null;
  /** When the last durable event happened. */
  lastAt: number;
  /** Inputs of child runs by id, known after a reload. */
  childInputs: ReadonlyMap<string, JsonObject>;
  readonly offered: Record<SlotClass, boolean>;
  readonly idempotencyKey: string | null;
  /** Dropped from memory (evicted, or its turn failed): whoever still holds it must load it anew. */
  gone: boolean;
  /** The engine's timer for it that counts; others are void. */
  timerAt: number | null;
  /** The turn that has changed it and is not durable yet. */
  turn: Pending | null;
  /** As this turn leaves it. */
  projection: Projection;
}

export function newLive(
  run: Run,
  program: Program,
  rest: {
    readonly row: RunRow | null;
    readonly head: Digest | "";
    readonly receipts: number;
    readonly idempotencyKey: string | null;
  },
): LiveRun {
  return {
    run,
    program,
    row: rest.row,
    head: rest.head,
    pending: [],
    inFlight: 0,
    openApprovals: new Set(),
    receipts: rest.receipts,
    lastReceipt: null,
    lastAt: 0,
    childInputs: new Map(),
    offered: { inline: false, process: false, resident: false },
    idempotencyKey: rest.idempotencyKey,
    gone: false,
    timerAt: null,
    turn: null,
    projection: AWAKE,
  };
}

/** Nothing of it is at work and nothing could start: only time or a message changes it. A parent stays with its children. */
function canSleep(live: LiveRun): boolean {
  const { run } = live;
  if (live.inFlight > 0 || isTerminal(run.status) || run.status === "queued") return false;
  const { runnable, agenda } = run.transient;
  if (runnable.inline.size > 0 || runnable.process.size > 0 || agenda.size > 0) return false;
  return run.running === 0 && run.children === 0;
}

/** What a list shows of a run beside its status: what it waits for, and until when it may leave memory. */
export interface Projection {
  readonly waiting: string | null;
  readonly wakeAt: number | null;
}

export function project(live: LiveRun, now: number, evictAfterMs: number): Projection {
  const { run, program } = live;
  if (run.status === "queued") return QUEUED;
  if (isTerminal(run.status) || !canSleep(live)) return AWAKE;
  const at = wakeAt(live) ?? ASLEEP_FOREVER;
  return { waiting: explainRun(program, run, now), wakeAt: at > now + evictAfterMs ? at : null };
}

const AWAKE: Projection = { waiting: null, wakeAt: null };
const QUEUED: Projection = { waiting: "key", wakeAt: null };

/** The row that lists and recovery see. */
export function projectRow(live: LiveRun, head: Digest): RunRow {
  const { run, program, projection } = live;
  const { created } = run;
  return {
    id: run.id,
    namespace: created.namespace,
    workflow: program.plan.workflow.name,
    version: program.plan.workflow.version,
    name: created.name,
    planDigest: program.digest,
    status: run.status,
    waiting: projection.waiting,
    initiator: created.initiator.id,
    purpose: created.purpose,
    labels: created.labels,
    priority: created.priority,
    createdAt: run.createdAt,
    startedAt: run.startedAt,
    endedAt: run.endedAt,
    wakeAt: projection.wakeAt,
    concurrencyKey: created.concurrencyKey ?? null,
    idempotencyKey: live.idempotencyKey,
    parentRun: created.parent?.run ?? null,
    tasksTotal: run.tasks.length,
    tasksDone: run.tasks.length - run.openMain - run.openFinally,
    error: run.error === null ? null : run.error.message.slice(0, 500).toWellFormed(),
    seq: run.seq,
    head,
  };
}

/** Whether a list would show another row than the one that is stored. */
export function rowChanged(old: RunRow, live: LiveRun): boolean {
  const { projection } = live;
  return (
    old.status !== live.run.status ||
    old.waiting !== projection.waiting ||
    old.wakeAt !== projection.wakeAt ||
    old.startedAt !== live.run.startedAt
  );
}
