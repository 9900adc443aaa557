import type { Program, ProgramTask } from "./program.ts";
import type { Run, TaskState } from "./run.ts";
import { newStep, newTaskState } from "./run.ts";
import { takeItems } from "./settle.ts";

/**
 * Tasks that `retry` would run again: the named ones (or every failed or cancelled one) and whatever lies downstream of
 * them. Succeeded items of a fan-out keep their results unless what it was spread over is made anew.
 */
export function reopenable(program: Program, run: Run, named: readonly string[] | undefined): readonly string[] {
  const chosen = new Set<number>();
  for (const task of run.tasks) {
    const { plan } = program.tasks[task.index]!;
    // Finally tasks run again whatever is chosen.
    if (plan.phase !== "main") continue;
    const wanted =
      named === undefined ? task.status === "failed" || task.status === "cancelled" : named.includes(plan.id);
    // Plan order is topological, so one pass finds everything downstream.
    if (wanted || program.tasks[task.index]!.needs.some((need) => chosen.has(need))) chosen.add(task.index);
  }
  return [...chosen].map((index) => program.tasks[index]!.plan.id);
}

/** Puts the tasks back to their beginning; everything else about the run stays as it is. */
export function reopen(program: Program, run: Run, tasks: readonly string[], at: number): void {
  const anew = new Set(tasks.map((id) => program.index.get(id)!));
  for (const index of anew) {
    const task = program.tasks[index]!;
    run.tasks[index] = task.needs.some((need) => anew.has(need))
      ? afresh(task, run.tasks[index]!, at)
      : goOn(task, run.tasks[index]!, at);
  }
  for (let i = program.mainCount; i < run.tasks.length; i++)
    run.tasks[i] = afresh(program.tasks[i]!, run.tasks[i]!, at);
  for (const task of run.tasks) recount(program, run, task);
  run.openMain = run.tasks.filter((task) => task.index < program.mainCount && !isOver(task)).length;
  run.openFinally = run.tasks.length - program.mainCount;
  run.failures = run.tasks
    .filter((task) => task.status === "failed" && program.tasks[task.index]!.plan.continueOnError !== true)
    .map((task) => task.index);
  run.undoable = run.undoable.filter((step) => run.tasks[step.task]!.steps[Math.max(0, step.item)] === step);
  run.phase = "main";
  run.cancel = null;
  run.stopped.clear();
  run.budgetError = null;
  run.error = null;
  run.outputs = null;
  run.endedAt = null;
  run.startedAt ??= at;
  run.wallFrom = at;
  run.usedTasks = 0;
  run.usedUsdMicros = 0;
  run.reopened += 1;
  const { agenda, runnable, timers, listening } = run.transient;
  agenda.clear();
  listening.clear();
  for (const queue of Object.values(runnable)) queue.clear();
  timers.clear();
  if (program.plan.budget?.wallMs !== undefined) timers.push(at + program.plan.budget.wallMs, { kind: "wall" });
  for (const task of run.tasks) {
    if (task.index >= program.mainCount || isOver(task) || task.waitingOn > 0) continue;
    if (task.status === "active") takeItems(program, run, task, at);
    else agenda.push({ kind: "task", task });
  }
  agenda.push({ kind: "phase" });
}

/** A task at its beginning. Attempt numbers go on counting: an attempt's name (run, task, item, attempt) is never used twice. */
function afresh(task: ProgramTask, old: TaskState, at: number): TaskState {
  const fresh = newTaskState(task, at);
  fresh.isolation = old.isolation;
  fresh.runners = old.runners;
  if (task.items === undefined) fresh.steps[0]!.attempt = old.steps[0]!.attempt;
  else
    fresh.earlier = Array.from({ length: Math.max(old.steps.length, old.earlier.length) }, (_, i) =>
      Math.max(old.steps[i]?.attempt ?? 0, old.earlier[i] ?? 0),
    );
  return fresh;
}

/** A fan-out that came to a bad end keeps what succeeded; anything else begins afresh. */
function goOn(task: ProgramTask, old: TaskState, at: number): TaskState {
  const fresh = afresh(task, old, at);
  if (old.items === null) return fresh;
  if (old.status !== "failed" && old.status !== "cancelled") return fresh;
  fresh.items = old.items;
  fresh.status = "active";
  fresh.approved = old.approved;
  fresh.startedAt = old.startedAt;
  fresh.cleared = true;
  fresh.steps = old.steps.map((step) =>
    step.status === "succeeded" ? step : newStep(step.task, step.item, step.attempt),
  );
  fresh.succeeded = fresh.steps.filter((step) => step.status === "succeeded").length;
  fresh.open = fresh.steps.length - fresh.succeeded;
  return fresh;
}

function recount(program: Program, run: Run, task: TaskState): void {
  if (isOver(task)) return;
  task.waitingOn = 0;
  task.failedNeeds = 0;
  task.skippedNeeds = 0;
  for (const index of program.tasks[task.index]!.needs) {
    const need = run.tasks[index]!;
    if (!isOver(need)) task.waitingOn += 1;
    else if (need.status === "skipped") task.skippedNeeds += 1;
    else if (
      need.status === "cancelled" ||
      (need.status === "failed" && program.tasks[index]!.plan.continueOnError !== true)
    )
      task.failedNeeds += 1;
  }
}

export function isOver(task: TaskState): boolean {
  return task.status !== "pending" && task.status !== "active";
}
