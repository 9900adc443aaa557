import type { Program } from "./program.ts";
import type { Run, Step, StepState, TaskState } from "./run.ts";
import { isSettled } from "./run.ts";

/** A step that has begun comes to its end: counts it, and settles its task when it was the last. */
export function settleStep(program: Program, run: Run, step: Step, status: StepState, at: number): void {
  const task = run.tasks[step.task]!;
  close(run, task, step, status, at);
  if (status === "failed" && task.error === null) task.error = step.error;
  task.active -= 1;
  const stopped = task.failed > 0 && program.tasks[task.index]!.needsStop;
  if (task.open === 0 || (stopped && task.active === 0)) settleTask(program, run, task, endOf(task), at);
  else if (!stopped) takeItems(program, run, task, at);
}

/** Takes up as many further items of a fan-out as `max` allows. */
export function takeItems(program: Program, run: Run, task: TaskState, at: number): void {
  const max = program.tasks[task.index]!.plan.forEach?.max ?? 0;
  while (task.inFlight < max && task.cursor < task.steps.length) {
    const step = task.steps[task.cursor++]!;
    if (step.status !== "pending") continue;
    step.takenAt = at;
    task.inFlight += 1;
    run.transient.agenda.push({ kind: "step", step });
  }
}

/** Gives a task its end, closes what it never started, and counts its dependents down. */
export function settleTask(
  program: Program,
  run: Run,
  task: TaskState,
  status: "succeeded" | "failed" | "skipped" | "cancelled",
  at: number,
): void {
  if (task.open > 0)
    for (const step of task.steps) if (!isSettled(step.status)) close(run, task, step, "cancelled", at);
  task.active = 0;
  task.status = status;
  task.endedAt = at;
  task.prepared = null;
  const linked = program.tasks[task.index]!;
  const tolerated = linked.plan.continueOnError === true;
  if (status === "failed" && !tolerated) run.failures.push(task.index);
  const blocks = (status === "failed" && !tolerated) || status === "cancelled";
  for (const index of linked.dependents) {
    const dependent = run.tasks[index]!;
    if (blocks) dependent.failedNeeds += 1;
    if (status === "skipped") dependent.skippedNeeds += 1;
    dependent.waitingOn -= 1;
    if (dependent.waitingOn > 0) continue;
    dependent.readyAt = at;
    run.transient.agenda.push({ kind: "task", task: dependent });
  }
  if (linked.plan.phase === "main") run.openMain -= 1;
  else run.openFinally -= 1;
  if ((linked.plan.phase === "main" ? run.openMain : run.openFinally) === 0)
    run.transient.agenda.push({ kind: "phase" });
}

/**
 * Stops the present phase: what has not begun or only waits is cancelled at once; attempts and children at work are left
 * to end (advance tells them to), unless `force`, after which their late results count for nothing.
 */
export function stopPhase(program: Program, run: Run, at: number, force: boolean): void {
  for (const queue of Object.values(run.transient.runnable)) queue.clear();
  run.stopped.add(run.phase);
  if (run.phase === "undo") {
    run.undoQueue = [];
    run.rollback = "done";
  }
  for (const task of run.tasks) {
    const phase = program.tasks[task.index]!.plan.phase;
    // What never started has nothing to clean up.
    if (!force && run.phase !== "finally" && phase === "finally" && run.startedAt !== null) continue;
    if (task.status === "pending") {
      settleTask(program, run, task, "cancelled", at);
      continue;
    }
    if (task.status !== "active") continue;
    for (const step of task.steps) {
      if (isSettled(step.status)) continue;
      if (!force && (step.status === "running" || step.status === "child")) continue;
      if (step.status !== "pending") task.active -= 1;
      close(run, task, step, "cancelled", at);
    }
    if (task.open === 0) settleTask(program, run, task, endOf(task), at);
  }
  run.transient.agenda.push({ kind: "phase" });
}

function close(run: Run, task: TaskState, step: Step, status: StepState, at: number): void {
  if (step.status === "running") {
    task.running -= 1;
    run.running -= 1;
  } else if (step.status === "child") run.children -= 1;
  step.status = status;
  step.endedAt = at;
  step.asked = "nothing";
  step.dueAt = null;
  task.open -= 1;
  if (step.takenAt !== null) {
    step.takenAt = null;
    task.inFlight -= 1;
  }
  if (status === "succeeded") task.succeeded += 1;
  else if (status === "failed") task.failed += 1;
  else task.cancelled += 1;
}

function endOf(task: TaskState): "succeeded" | "failed" | "cancelled" {
  if (task.failed > 0) return "failed";
  return task.cancelled > 0 ? "cancelled" : "succeeded";
}
