import type { RunEvent, TerminalStatus } from "../core/event.ts";
import type { TaskUse } from "../core/plan.ts";
import type { Program } from "../core/program.ts";
import { stepOf } from "../core/run.ts";
import { Histogram } from "./histogram.ts";
import type { LiveRun } from "./live.ts";
import type { Pending } from "./pending.ts";

/** Runs of one workflow since this engine started. */
export interface WorkflowCounts {
  readonly namespace: string;
  readonly workflow: string;
  created: number;
  readonly ended: Record<TerminalStatus, number>;
}

export type AttemptOutcome = "succeeded" | "failed" | "timeout" | "lost" | "cancelled";

/** Attempts of one task type since this engine started. */
export interface TypeCounts {
  /** `name@version`, or `runbook` for child runs. */
  readonly type: string;
  readonly outcomes: Record<AttemptOutcome, number>;
  retries: number;
}

/** Names beyond these count together as `other`: how many there are is not ours to choose, and every name costs. */
export const MAX_WORKFLOWS = 200;
export const MAX_TYPES = 100;
export const OTHER = "other";

const TURN_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
const COMMIT_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];
/** From a step that waits for nothing but a slot to its start: from the next turn to hours behind a full queue. */
const DISPATCH_SECONDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 15, 60, 300, 1800];

/**
 * What an engine has done since it started, as plain numbers that somebody may read now and then. Counting happens after
 * the commit, so what a turn lost is not in it.
 */
export class EngineStats {
  readonly turnSeconds = new Histogram(TURN_SECONDS);
  readonly commitSeconds = new Histogram(COMMIT_SECONDS);
  readonly dispatchSeconds = new Histogram(DISPATCH_SECONDS);
  readonly decisions = { "run.start": { allow: 0, deny: 0 }, "task.execute": { allow: 0, deny: 0 } };
  readonly approvals = { requested: 0, approve: 0, deny: 0, expired: 0 };
  events = 0;
  receipts = 0;
  cached = 0;
  failedTurns = 0;
  /** Epoch milliseconds of the last turn that changed something; 0: none yet. */
  lastTurnAt = 0;
  readonly workflows = new Map<string, WorkflowCounts>();
  readonly types = new Map<string, TypeCounts>();
  /** Programs and uses are shared by all runs of a plan, so that no name is put together per event. */
  private readonly ofProgram = new WeakMap<Program, WorkflowCounts>();
  private readonly ofUse = new WeakMap<TaskUse, TypeCounts>();

  /** From its first decision to its last effect. Turns that found nothing to do are not counted. */
  turnEnded({ touched, began, now }: Pending): void {
    if (touched.length === 0) return;
    this.turnSeconds.add((performance.now() - began) / 1000);
    this.lastTurnAt = now;
  }

  async timeCommit<T>(commit: () => Promise<T>): Promise<T> {
    const began = performance.now();
    const committed = await commit();
    this.commitSeconds.add((performance.now() - began) / 1000);
    return committed;
  }

  /** What a commit added to a run; its state is the one after. */
  count(live: LiveRun, events: readonly RunEvent[]): void {
    this.events += events.length;
    for (const event of events) {
      switch (event.kind) {
        case "run_created":
          this.workflow(live.program).created += 1;
          break;
        case "run_ended":
          this.workflow(live.program).ended[event.status] += 1;
          if (live.lastReceipt !== null) this.receipts += 1;
          break;
        case "attempt_started":
          if (event.attempt === 1) this.countDispatch(live, event);
          break;
        case "attempt_finished":
          this.type(live, event.task).outcomes[event.result.ok ? "succeeded" : outcomeOf(event.result.error.code)] += 1;
          break;
        case "child_finished":
          this.type(live, event.task).outcomes[
            event.status === "succeeded" || event.status === "cancelled" ? event.status : "failed"
          ] += 1;
          break;
        case "retry_scheduled":
          this.type(live, event.task).retries += 1;
          break;
        case "step_cached":
          this.cached += 1;
          break;
        case "policy_decided":
          this.decisions[event.action][event.decision.allow ? "allow" : "deny"] += 1;
          break;
        case "approval_requested":
          this.approvals.requested += 1;
          break;
        case "approval_given":
          this.approvals[event.verdict] += 1;
          break;
        case "approval_expired":
          this.approvals.expired += 1;
          break;
        default:
          break;
      }
    }
  }

  private countDispatch({ program, run }: LiveRun, event: Extract<RunEvent, { kind: "attempt_started" }>): void {
    if (event.phase === "undo") return;
    const step = stepOf(program, run, event);
    // An item that has ended in the same commit does not know any more when its turn had come.
    if (step === undefined || (step.item !== -1 && step.takenAt === null)) return;
    const since = step.takenAt ?? Math.max(run.tasks[step.task]!.readyAt, run.wallFrom);
    this.dispatchSeconds.add(Math.max(0, event.at - since) / 1000);
  }

  private workflow(program: Program): WorkflowCounts {
    let counts = this.ofProgram.get(program);
    if (counts === undefined) {
      const { namespace, name } = program.plan.workflow;
      const full = this.workflows.size >= MAX_WORKFLOWS && !this.workflows.has(`${namespace}/${name}`);
      counts = full ? this.named(OTHER, OTHER) : this.named(namespace, name);
      this.ofProgram.set(program, counts);
    }
    return counts;
  }

  private named(namespace: string, workflow: string): WorkflowCounts {
    const key = `${namespace}/${workflow}`;
    let counts = this.workflows.get(key);
    if (counts === undefined) {
      counts = { namespace, workflow, created: 0, ended: { succeeded: 0, failed: 0, cancelled: 0, denied: 0 } };
      this.workflows.set(key, counts);
    }
    return counts;
  }

  private type({ program, run }: LiveRun, task: string): TypeCounts {
    const linked = program.tasks[program.index.get(task)!]!;
    const use = run.phase === "undo" && linked.undo !== undefined ? linked.undo.uses : linked.plan.uses;
    let counts = this.ofUse.get(use);
    if (counts === undefined) {
      const name = use.kind === "type" ? `${use.name}@${use.version}` : "runbook";
      const type = this.types.size >= MAX_TYPES && !this.types.has(name) ? OTHER : name;
      counts = this.types.get(type) ?? newTypeCounts(type);
      this.types.set(type, counts);
      this.ofUse.set(use, counts);
    }
    return counts;
  }
}

function newTypeCounts(type: string): TypeCounts {
  return { type, outcomes: { succeeded: 0, failed: 0, timeout: 0, lost: 0, cancelled: 0 }, retries: 0 };
}

function outcomeOf(code: string): AttemptOutcome {
  switch (code) {
    case "LOST":
      return "lost";
    case "CANCELLED":
      return "cancelled";
    case "TIMEOUT":
    case "HEARTBEAT":
      return "timeout";
    default:
      return "failed";
  }
}
