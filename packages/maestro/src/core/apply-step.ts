import type { AttemptFacts, Isolation, RunEvent } from "./event.ts";
import { illegal, requireStep, transition } from "./illegal.ts";
import type { Program } from "./program.ts";
import { Queue } from "./queue.ts";
import type { Run, Step, TaskState } from "./run.ts";
import { rankOf } from "./run.ts";
import { settleStep } from "./settle.ts";

/** Events that name a step and are nothing else. */
export type StepKind = Extract<
  RunEvent,
  {
    kind:
      | "attempt_started"
      | "attempt_finished"
      | "retry_scheduled"
      | "poll_scheduled"
      | "step_cached"
      | "until_met"
      | "step_failed"
      | "step_cancelled"
      | "wait_started"
      | "wait_finished"
      | "child_started"
      | "child_finished";
  }
>;

/** Takes an event of one step into the run. */
export function applyToStep(program: Program, run: Run, event: StepKind): void {
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
      noteLent(run, event.result.artifacts);
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

function finishAttempt(
  program: Program,
  run: Run,
  step: Step,
  event: Extract<RunEvent, { kind: "attempt_finished" }>,
): void {
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
  if (
    isolation !== undefined &&
    (task.isolation === null || STRENGTH[isolation.measured] < STRENGTH[task.isolation.measured])
  )
    task.isolation = isolation;
  if (runner !== undefined && !task.runners.includes(runner)) task.runners = [...task.runners, runner];
}

function endUndo(run: Run, step: Step, status: "undone" | "undo_failed"): void {
  step.status = status;
  // A stopped run has emptied the queue; the undo at work still comes to its end.
  if (run.undoQueue.at(-1) === step) run.undoQueue.pop();
  run.transient.agenda.push({ kind: "phase" });
}

/** A task with `until` is not done before its condition holds, which advance decides. */
function judgeSuccess(
  program: Program,
  run: Run,
  step: Step,
  output: Step["output"],
  artifacts: Step["artifacts"],
  at: number,
): void {
  if (program.tasks[step.task]!.until === undefined) {
    succeed(program, run, step, output, artifacts, at);
    return;
  }
  step.error = null;
  step.output = output;
  step.artifacts = artifacts;
  run.transient.agenda.push({ kind: "step", step });
}

function succeed(
  program: Program,
  run: Run,
  step: Step,
  output: Step["output"],
  artifacts: Step["artifacts"],
  at: number,
): void {
  step.output = output;
  step.artifacts = artifacts;
  step.error = null;
  if (program.tasks[step.task]!.undo !== undefined && step.cachedFrom === null) run.undoable.push(step);
  settleStep(program, run, step, "succeeded", at);
}

/** An attempt's files lie in its folder, and that in its run's. */
export function noteLent(run: Run, artifacts: Step["artifacts"] | undefined): void {
  for (const { name, path } of artifacts ?? []) {
    const attempt = path.slice(0, -(name.length + 1));
    run.lent.add(attempt.slice(0, attempt.lastIndexOf("/")));
  }
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
