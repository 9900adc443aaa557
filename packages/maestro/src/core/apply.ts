import { applyToStep, noteLent } from "./apply-step.ts";
import type { EventBody, RunCreated, RunEvent, TaskError } from "./event.ts";
import { illegal, requirePending, requireStep, taskOf, transition } from "./illegal.ts";
import type { Program } from "./program.ts";
import { owedBy } from "./obligation.ts";
import { reopen } from "./reopen.ts";
import type { Run, Step, TaskState } from "./run.ts";
import { newRun, newStep, rankOf } from "./run.ts";
import { settleTask, stopPhase, takeItems } from "./settle.ts";
import { RUN_TRANSITIONS } from "./transitions.ts";

/** The run that a history begins. */
export function createRun(program: Program, event: RunEvent & RunCreated): Run {
  if (event.seq !== 1) throw illegal(event, "a history begins with seq 1");
  const run = newRun(program, event, event.at);
  run.seq = 1;
  return run;
}

/**
 * Takes one event into the run. Total: an event that does not fit the present state throws and changes nothing.
 * Live turns and replay go through here alike, so a replayed run equals the live one.
 */
export function applyEvent(program: Program, run: Run, event: RunEvent): void {
  if (event.seq !== run.seq + 1) throw illegal(event, `the run is at seq ${run.seq}`);
  const next = RUN_TRANSITIONS[run.status][event.kind];
  if (next === undefined) throw illegal(event, `the run is ${run.status}`);
  applyKind(program, run, event);
  run.seq = event.seq;
  run.status = event.kind === "run_ended" ? event.status : next;
}

function applyKind(program: Program, run: Run, event: RunEvent): void {
  switch (event.kind) {
    case "run_created":
    case "run_started":
    case "run_ended":
    case "run_reopened":
    case "cancel_requested":
    case "budget_exceeded":
    case "rollback_started":
    case "finally_started":
    case "signal_received":
      return applyToRun(program, run, event);
    case "task_expanded":
    case "task_skipped":
    case "task_failed":
    case "task_reused":
    case "approval_requested":
    case "approval_given":
    case "approval_expired":
      return applyToTask(program, run, taskOf(program, run, event), event);
    case "policy_decided":
      return applyDecision(program, run, event);
    default:
      return applyToStep(program, run, event);
  }
}

type RunKind = Extract<
  RunEvent,
  {
    kind:
      | "run_created"
      | "run_started"
      | "run_ended"
      | "run_reopened"
      | "cancel_requested"
      | "budget_exceeded"
      | "rollback_started"
      | "finally_started"
      | "signal_received";
  }
>;

function applyToRun(program: Program, run: Run, event: RunKind): void {
  const { agenda, timers } = run.transient;
  switch (event.kind) {
    case "run_created":
      throw illegal(event, "the run exists");
    case "run_started":
      run.startedAt = event.at;
      run.wallFrom = event.at;
      if (program.plan.budget?.wallMs !== undefined)
        timers.push(event.at + program.plan.budget.wallMs, { kind: "wall" });
      for (const task of run.tasks) {
        if (task.waitingOn > 0 || task.status !== "pending" || task.index >= program.mainCount) continue;
        task.readyAt = event.at;
        agenda.push({ kind: "task", task });
      }
      if (run.openMain === 0) agenda.push({ kind: "phase" });
      return;
    case "run_ended":
      run.endedAt = event.at;
      run.outputs = event.outputs;
      run.error = event.error ?? null;
      return;
    case "run_reopened":
      return reopen(program, run, event.tasks, event.at);
    case "cancel_requested":
      run.cancel = { by: event.by, reason: event.reason, force: event.force, at: event.at };
      return stopPhase(program, run, event.at, event.force);
    case "budget_exceeded":
      run.budgetError = budgetError(event);
      return stopPhase(program, run, event.at, false);
    case "rollback_started":
      run.phase = "undo";
      run.rollback = "running";
      run.undoQueue = run.undoable;
      run.undoable = [];
      // An undo is an act of its own: the gate is asked again, and it has its own tries.
      for (const step of run.undoQueue) {
        step.allowed = false;
        step.owed = null;
        step.tries = 0;
        step.lost = 0;
      }
      agenda.push({ kind: "phase" });
      return;
    case "finally_started":
      if (run.phase === "undo") run.rollback = "done";
      run.phase = "finally";
      for (const task of run.tasks) {
        if (task.index < program.mainCount) continue;
        task.readyAt = event.at;
        if (task.waitingOn === 0) agenda.push({ kind: "task", task });
      }
      if (run.openFinally === 0) agenda.push({ kind: "phase" });
      return;
    case "signal_received": {
      const list = run.signals.get(event.name);
      if (list === undefined) run.signals.set(event.name, [event.payload]);
      else list.push(event.payload);
      agenda.push({ kind: "signals", name: event.name });
      return;
    }
  }
}

function budgetError(event: Extract<EventBody, { kind: "budget_exceeded" }>): TaskError {
  const unit = { wall: "ms of wall time", tasks: "attempts", usd: "millionths of a US dollar" }[event.dimension];
  return {
    code: "BUDGET",
    message: `the budget of ${event.limit} ${unit} is used up (${event.used}); raise spec.budget or make the runbook smaller`,
    final: true,
  };
}

type TaskKind = Extract<
  RunEvent,
  {
    kind:
      | "task_expanded"
      | "task_skipped"
      | "task_failed"
      | "task_reused"
      | "approval_requested"
      | "approval_given"
      | "approval_expired";
  }
>;

function applyToTask(program: Program, run: Run, task: TaskState, event: TaskKind): void {
  const { timers } = run.transient;
  switch (event.kind) {
    case "task_expanded":
      requirePending(task, event);
      task.items = event.items;
      task.status = "active";
      task.startedAt = event.at;
      task.open = event.items.length;
      task.steps = event.items.map((_, item) => newStep(task.index, item, task.earlier[item]));
      if (task.open === 0) settleTask(program, run, task, "succeeded", event.at);
      else takeItems(program, run, task, event.at);
      return;
    case "task_skipped":
      requirePending(task, event);
      task.skipReason = event.reason;
      return settleTask(program, run, task, "skipped", event.at);
    case "task_failed":
      if (task.status !== "pending" && task.status !== "active")
        throw illegal(event, `task ${event.task} is ${task.status}`);
      if (task.active > 0) throw illegal(event, `task ${event.task} has steps at work`);
      task.error = event.error;
      task.failed += 1;
      return settleTask(program, run, task, "failed", event.at);
    case "task_reused": {
      requirePending(task, event);
      task.reusedFrom = event.fromRun;
      const fanOut = program.tasks[task.index]!.items !== undefined;
      task.steps = event.results.map((result, i) => reusedStep(task, fanOut ? i : -1, result, event.fromRun, event.at));
      for (const { artifacts } of event.results) noteLent(run, artifacts);
      task.items = fanOut ? event.results.map(() => null) : null;
      task.open = 0;
      task.succeeded = event.results.length;
      task.startedAt = event.at;
      return settleTask(program, run, task, "succeeded", event.at);
    }
    case "approval_requested":
      if (task.approval !== null) throw illegal(event, `task ${event.task} has been asked for already`);
      // A policy may want people to agree when items of a fan-out are at work already.
      if (task.status !== "active") requirePending(task, event);
      task.approval = { request: event, votes: [], expired: false };
      timers.push(event.expiresAt, { kind: "approval", task, id: event.approval }, rankOf(task.index, -1));
      return;
    case "approval_given": {
      if (task.approval?.request.approval !== event.approval || !isUnsettled(task))
        throw illegal(event, "no such approval is open");
      const note = {
        task: event.task,
        by: event.by,
        verdict: event.verdict,
        reason: event.reason,
        planDigest: event.planDigest,
        at: event.at,
      };
      task.approval.votes.push(note);
      run.approvals.push(note);
      if (task.status === "pending") task.readyAt = event.at;
      return wakeAsking(run, task);
    }
    case "approval_expired":
      if (task.approval?.request.approval !== event.approval || !isUnsettled(task))
        throw illegal(event, "no such approval is open");
      task.approval.expired = true;
      return wakeAsking(run, task);
  }
}

/** More lenient than `isOpen`: of two votes in one turn the first may be enough. */
function isUnsettled({ status }: TaskState): boolean {
  return status === "pending" || status === "active";
}

/** Who waited for people looks again. */
function wakeAsking(run: Run, task: TaskState): void {
  const { agenda } = run.transient;
  if (task.status === "pending") agenda.push({ kind: "task", task });
  else
    for (const step of task.steps)
      if (step.status === "pending" && step.owed !== null) agenda.push({ kind: "step", step });
}

function reusedStep(
  task: TaskState,
  item: number,
  result: { readonly output: Step["output"]; readonly artifacts?: NonNullable<Step["artifacts"]> },
  fromRun: string,
  at: number,
): Step {
  const step = newStep(task.index, item);
  step.status = "succeeded";
  step.output = result.output;
  step.artifacts = result.artifacts ?? null;
  step.cachedFrom = fromRun;
  step.startedAt = at;
  step.endedAt = at;
  return step;
}

function applyDecision(program: Program, run: Run, event: Extract<RunEvent, { kind: "policy_decided" }>): void {
  run.decisions.push({ action: event.action, task: event.task ?? null, decision: event.decision });
  if (event.task === undefined) {
    run.transient.agenda.push({ kind: "phase" });
    return;
  }
  const step = requireStep(program, run, { task: event.task, item: event.item ?? -1 }, event);
  transition(step, event);
  if (event.decision.allow) {
    step.allowed = true;
    step.owed = owedBy(event.decision);
  } else step.denied = event.decision;
  step.asked = "nothing";
  run.transient.agenda.push({ kind: "step", step });
}
