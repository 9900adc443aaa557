import type { AttemptFacts, EventBody, Isolation, RunCreated, RunEvent, TaskError } from "./event.ts";
import { MaestroError } from "./problem.ts";
import type { Program } from "./program.ts";
import type { Run, Step, StepState, TaskState } from "./run.ts";
import { newRun, newStep, rankOf, stepOf } from "./run.ts";
import { Queue } from "./queue.ts";
import { reopen } from "./reopen.ts";
import { settleStep, settleTask, stopPhase, takeItems } from "./settle.ts";
import { RUN_TRANSITIONS, STEP_TRANSITIONS } from "./transitions.ts";

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
  { kind: "run_created" | "run_started" | "run_ended" | "run_reopened" | "cancel_requested" | "budget_exceeded" | "rollback_started" | "finally_started" | "signal_received" }
>;

function applyToRun(program: Program, run: Run, event: RunKind): void {
  const { agenda, timers } = run.transient;
  switch (event.kind) {
    case "run_created":
      throw illegal(event, "the run exists");
    case "run_started":
      run.startedAt = event.at;
      run.wallFrom = event.at;
      if (program.plan.budget?.wallMs !== undefined) timers.push(event.at + program.plan.budget.wallMs, { kind: "wall" });
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
  { kind: "task_expanded" | "task_skipped" | "task_failed" | "task_reused" | "approval_requested" | "approval_given" | "approval_expired" }
>;

function applyToTask(program: Program, run: Run, task: TaskState, event: TaskKind): void {
  const { agenda, timers } = run.transient;
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
      if (task.status !== "pending" && task.status !== "active") throw illegal(event, `task ${event.task} is ${task.status}`);
      if (task.active > 0) throw illegal(event, `task ${event.task} has steps at work`);
      task.error = event.error;
      task.failed += 1;
      return settleTask(program, run, task, "failed", event.at);
    case "task_reused": {
      requirePending(task, event);
      task.reusedFrom = event.fromRun;
      const fanOut = program.tasks[task.index]!.items !== undefined;
      task.steps = event.results.map((result, i) => reusedStep(task, fanOut ? i : -1, result, event.fromRun, event.at));
      task.items = fanOut ? event.results.map(() => null) : null;
      task.open = 0;
      task.succeeded = event.results.length;
      task.startedAt = event.at;
      return settleTask(program, run, task, "succeeded", event.at);
    }
    case "approval_requested":
      if (task.approval !== null) throw illegal(event, `task ${event.task} has been asked for already`);
      requirePending(task, event);
      task.approval = { request: event, votes: [], expired: false };
      timers.push(event.expiresAt, { kind: "approval", task, id: event.approval }, rankOf(task.index, -1));
      return;
    case "approval_given": {
      if (task.approval?.request.approval !== event.approval || task.status !== "pending") throw illegal(event, "no such approval is open");
      const note = { task: event.task, by: event.by, verdict: event.verdict, reason: event.reason, planDigest: event.planDigest, at: event.at };
      task.approval.votes.push(note);
      run.approvals.push(note);
      task.readyAt = event.at;
      agenda.push({ kind: "task", task });
      return;
    }
    case "approval_expired":
      if (task.approval?.request.approval !== event.approval || task.status !== "pending") throw illegal(event, "no such approval is open");
      task.approval.expired = true;
      agenda.push({ kind: "task", task });
      return;
  }
}

function reusedStep(task: TaskState, item: number, result: { readonly output: Step["output"]; readonly artifacts?: NonNullable<Step["artifacts"]> }, fromRun: string, at: number): Step {
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
  if (event.decision.allow) step.allowed = true;
  else step.denied = event.decision;
  step.asked = "nothing";
  run.transient.agenda.push({ kind: "step", step });
}

type StepKind = Exclude<RunEvent, RunKind | TaskKind | { kind: "policy_decided" }>;

function applyToStep(program: Program, run: Run, event: StepKind): void {
  const step = requireStep(program, run, event, event);
  const next = transition(step, event);
  const task = run.tasks[step.task]!;
  const { agenda, timers } = run.transient;
  switch (event.kind) {
    case "attempt_started":
      if (event.attempt !== step.attempt + 1) throw illegal(event, `attempt ${step.attempt} was the last`);
      begin(task, step, event.at);
      step.status = next;
      step.attempt = event.attempt;
      step.tries += 1;
      step.dueAt = null;
      step.queued = false;
      task.running += 1;
      run.running += 1;
      run.usedTasks += 1;
      return;
    case "attempt_finished":
      return finishAttempt(program, run, step, event);
    case "retry_scheduled":
    case "poll_scheduled":
      if (event.kind === "poll_scheduled") {
        step.round = event.round;
        step.tries = 0;
        step.lost = 0;
      }
      step.status = next;
      step.dueAt = event.dueAt;
      timers.push(event.dueAt, { kind: "step", step }, rankOf(step.task, step.item));
      return;
    case "step_cached":
      step.cachedFrom = event.fromRun;
      step.asked = "nothing";
      begin(task, step, event.at);
      return succeed(program, run, step, event.result.output, event.result.artifacts ?? null, event.at);
    case "until_met":
      return succeed(program, run, step, step.output, step.artifacts, event.at);
    case "step_failed":
      step.error = event.error;
      step.denied = null;
      if (next === "undo_failed") return endUndo(run, step, next);
      begin(task, step, event.at);
      return settleStep(program, run, step, next, event.at);
    case "step_cancelled":
      return settleStep(program, run, step, next, event.at);
    case "wait_started":
      begin(task, step, event.at);
      step.status = next;
      step.signal = event.signal ?? null;
      step.dueAt = event.until ?? null;
      if (event.until !== undefined) timers.push(event.until, { kind: "step", step }, rankOf(step.task, step.item));
      if (event.signal !== undefined) listen(run, event.signal, step);
      return;
    case "wait_finished":
      begin(task, step, event.at);
      if (step.signal !== null) takeSignal(run, step.signal);
      return succeed(program, run, step, event.output, null, event.at);
    case "child_started":
      begin(task, step, event.at);
      step.status = next;
      step.attempt += 1;
      step.tries += 1;
      step.dueAt = null;
      step.child = event.childRun;
      run.children += 1;
      run.usedTasks += 1;
      return;
    case "child_finished":
      if (step.child !== event.childRun) throw illegal(event, `the child of this attempt is ${step.child ?? "none"}`);
      step.childReceipt = event.receipt ?? null;
      step.status = next;
      run.children -= 1;
      if (event.status === "succeeded") return judgeSuccess(program, run, step, event.output, null, event.at);
      step.error = event.error ?? { code: "CHILD", message: `child run ${event.childRun} ${event.status}` };
      agenda.push({ kind: "step", step });
      return;
  }
}

function finishAttempt(program: Program, run: Run, step: Step, event: Extract<RunEvent, { kind: "attempt_finished" }>): void {
  if (event.attempt !== step.attempt) throw illegal(event, `attempt ${step.attempt} is the one at work`);
  const { result } = event;
  if (result.usage?.usdMicros !== undefined) run.usedUsdMicros += result.usage.usdMicros;
  const task = run.tasks[step.task]!;
  task.running -= 1;
  run.running -= 1;
  measure(task, result);
  if (!result.ok && result.error.code === "LOST") {
    step.lost += 1;
    step.tries -= 1;
  }
  if (step.status === "undoing") {
    if (result.ok) return endUndo(run, step, "undone");
    step.status = "undo_judging";
    step.error = result.error;
    run.transient.agenda.push({ kind: "step", step });
    return;
  }
  step.status = "judging";
  if (result.ok) {
    judgeSuccess(program, run, step, result.output, result.artifacts ?? null, event.at);
    return;
  }
  step.error = result.error;
  step.output = result.output ?? null;
  step.artifacts = result.artifacts ?? null;
  run.transient.agenda.push({ kind: "step", step });
}

const STRENGTH: Readonly<Record<Isolation["measured"], number>> = { none: 0, partial: 1, strict: 2 };

/** A receipt tells the weakest isolation of all attempts, not that of the one that succeeded. */
function measure(task: TaskState, { isolation, runner }: AttemptFacts): void {
  if (isolation !== undefined && (task.isolation === null || STRENGTH[isolation.measured] < STRENGTH[task.isolation.measured])) task.isolation = isolation;
  if (runner !== undefined && !task.runners.includes(runner)) task.runners = [...task.runners, runner];
}

function endUndo(run: Run, step: Step, status: "undone" | "undo_failed"): void {
  step.status = status;
  // A stopped run has emptied the queue; the undo at work still comes to its end.
  if (run.undoQueue.at(-1) === step) run.undoQueue.pop();
  run.transient.agenda.push({ kind: "phase" });
}

/** A task with `until` is not done before its condition holds, which advance decides. */
function judgeSuccess(program: Program, run: Run, step: Step, output: Step["output"], artifacts: Step["artifacts"], at: number): void {
  if (program.tasks[step.task]!.until === undefined) {
    succeed(program, run, step, output, artifacts, at);
    return;
  }
  step.error = null;
  step.output = output;
  step.artifacts = artifacts;
  run.transient.agenda.push({ kind: "step", step });
}

function succeed(program: Program, run: Run, step: Step, output: Step["output"], artifacts: Step["artifacts"], at: number): void {
  step.output = output;
  step.artifacts = artifacts;
  step.error = null;
  if (program.tasks[step.task]!.undo !== undefined && step.cachedFrom === null) run.undoable.push(step);
  settleStep(program, run, step, "succeeded", at);
}

function begin(task: TaskState, step: Step, at: number): void {
  if (step.status !== "pending") return;
  task.active += 1;
  step.startedAt = at;
  if (task.status === "pending") {
    task.status = "active";
    task.startedAt = at;
  }
}

function listen(run: Run, signal: string, step: Step): void {
  const { listening, agenda } = run.transient;
  const queue = listening.get(signal) ?? new Queue();
  queue.push(step);
  listening.set(signal, queue);
  if (run.signals.has(signal)) agenda.push({ kind: "signals", name: signal });
}

function takeSignal(run: Run, name: string): void {
  const list = run.signals.get(name);
  if (list === undefined) return;
  list.shift();
  if (list.length === 0) run.signals.delete(name);
}

function taskOf(program: Program, run: Run, event: RunEvent & { readonly task: string }): TaskState {
  const index = program.index.get(event.task);
  if (index === undefined) throw illegal(event, `the plan has no task ${event.task}`);
  return run.tasks[index]!;
}

function requirePending(task: TaskState, event: RunEvent): void {
  if (task.status !== "pending") throw illegal(event, `the task is ${task.status}`);
}

function requireStep(program: Program, run: Run, ref: { readonly task: string; readonly item: number }, event: RunEvent): Step {
  const step = stepOf(program, run, ref);
  if (step === undefined) throw illegal(event, `there is no step ${ref.task}${ref.item === -1 ? "" : `[${ref.item}]`}`);
  return step;
}

function transition(step: Step, event: RunEvent): StepState {
  const next = STEP_TRANSITIONS[step.status][event.kind];
  if (next === undefined) throw illegal(event, `the step is ${step.status}`);
  return next;
}

function illegal(event: RunEvent, why: string): MaestroError {
  return new MaestroError("conflict", `event ${event.kind} (seq ${event.seq}) does not fit: ${why}`, { facts: { seq: event.seq, kind: event.kind } });
}

