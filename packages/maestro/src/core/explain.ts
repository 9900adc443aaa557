import { formatDuration } from "./duration.ts";
import { isOpen } from "./obligation.ts";
import type { Program } from "./program.ts";
import type { Run, Step, TaskState } from "./run.ts";
import { isSettled, isStopped } from "./run.ts";

export interface Waiting {
  /** `need`, `approval`, `timer`, `signal`, `child`, `retry`, `poll`, `gate`, `cache`, `slot`, `max`, `key`, `phase`, `cancel`. */
  readonly kind: string;
  readonly text: string;
}

/** Why a task does not move, in one sentence; null when it works or has ended. */
export function explainTask(program: Program, run: Run, task: TaskState, now: number): Waiting | null {
  if (task.status !== "pending" && task.status !== "active") return null;
  const { plan, needs } = program.tasks[task.index]!;
  if (run.status === "queued") {
    const key = run.created.concurrencyKey;
    return {
      kind: "key",
      text: key === undefined ? "the run has not started" : `another run holds the concurrency key ${key}`,
    };
  }
  if (plan.phase !== run.phase && task.status === "pending")
    return { kind: "phase", text: `it runs in the ${plan.phase} phase; the run is in ${run.phase}` };
  if (task.waitingOn > 0) {
    const open = needs.filter((i) => run.tasks[i]!.endedAt === null).map((i) => program.tasks[i]!.plan.id);
    return { kind: "need", text: `waits for ${list(open)}` };
  }
  if (task.status === "pending" && isOpen(task)) return explainApproval(task, now);
  if (task.running > 0) return isStopped(run, plan.phase) ? { kind: "cancel", text: "is being stopped" } : null;
  const step = firstOpen(task);
  if (step === undefined) return { kind: "slot", text: "is about to start" };
  return step.owed !== null && isOpen(task) ? explainApproval(task, now) : explainStep(step, now);
}

function explainApproval({ approval }: TaskState, now: number): Waiting {
  const { request, votes } = approval!;
  const who = request.roles.length > 0 ? ` by ${list(request.roles)}` : "";
  return {
    kind: "approval",
    text: `${votes.length} of ${request.count} approvals${who}; expires in ${until(request.expiresAt, now)}`,
  };
}

/** Remembers how far it got: what has settled stays settled. */
function firstOpen(task: TaskState): Step | undefined {
  while (task.firstOpen < task.steps.length && isSettled(task.steps[task.firstOpen]!.status)) task.firstOpen += 1;
  return task.steps[task.firstOpen];
}

function explainStep(step: Step, now: number): Waiting | null {
  switch (step.status) {
    case "pending":
      if (step.asked === "gate") return { kind: "gate", text: "waits for the policy decision" };
      if (step.asked === "cache") return { kind: "cache", text: "looks for an earlier result" };
      if (step.queued) return { kind: "slot", text: "waits for a free slot of the engine" };
      return { kind: "max", text: "waits for its turn among the items" };
    case "retrying":
      if (step.queued) return { kind: "slot", text: "waits for a free slot to try again" };
      return {
        kind: "retry",
        text: `attempt ${step.attempt + 1} in ${until(step.dueAt ?? now, now)}; the last failed: ${step.error?.message ?? ""}`,
      };
    case "polling":
      return { kind: "poll", text: `looks again in ${until(step.dueAt ?? now, now)} (round ${step.round})` };
    case "waiting":
      if (step.signal === null) return { kind: "timer", text: `sleeps for ${until(step.dueAt ?? now, now)} more` };
      return {
        kind: "signal",
        text: `waits for the signal ${step.signal}${step.dueAt === null ? "" : `, at most ${until(step.dueAt, now)} more`}`,
      };
    case "child":
      return { kind: "child", text: `waits for its child run ${step.child ?? ""}` };
    default:
      return null;
  }
}

/** The run's own line in lists: the first reason of any task when nothing works, else null. */
export function explainRun(program: Program, run: Run, now: number): string | null {
  if (run.status === "queued") return "key";
  if (run.running > 0) return null;
  for (const task of run.tasks) {
    if (task.status !== "active" && !(task.status === "pending" && task.waitingOn === 0)) continue;
    const waiting = explainTask(program, run, task, now);
    if (waiting !== null && waiting.kind !== "phase") return waiting.kind;
  }
  return null;
}

function until(at: number, now: number): string {
  const ms = Math.max(0, at - now);
  // Whole seconds where there are seconds: people read this.
  return formatDuration(ms < 1000 ? ms : Math.ceil(ms / 1000) * 1000);
}

function list(names: readonly string[]): string {
  return names.length > 3 ? `${names.slice(0, 3).join(", ")} and ${names.length - 3} more` : names.join(", ");
}
