import { exceedBudget } from "./budget.ts";
import { considerPhase } from "./decide-phase.ts";
import { considerStep, deliverSignals, stepDue } from "./decide-step.ts";
import { considerTask } from "./decide-task.ts";
import { isOpen } from "./obligation.ts";
import type { Timer, Todo } from "./run.ts";
import { isTerminal } from "./run.ts";
import type { Turn } from "./turn.ts";
import { emit, refOf } from "./turn.ts";

/**
 * The scheduler's brain: decides everything that follows from the run's state and the time, until nothing more does.
 * What may start waits in `run.transient.runnable` for `startNext`, because slots are the engine's to give.
 * Looks only at what changed (the agenda) and at what is due (the timers), so one completion costs O(its dependents).
 */
export function advance(turn: Turn): void {
  const { run, facts } = turn;
  const { agenda, timers } = run.transient;
  for (;;) {
    const todo = agenda.shift();
    if (todo !== undefined) {
      if (!isTerminal(run.status)) look(turn, todo);
      continue;
    }
    const due = timers.popDue(facts.now);
    if (due === undefined) return;
    if (!isTerminal(run.status)) fire(turn, due);
  }
}

/** When advance should be called next if nothing happens before; undefined when only a message can change anything. */
export function wakeAt(turn: Pick<Turn, "run" | "program">): number | undefined {
  return turn.run.transient.timers.nextAt((timer, at) => isLive(turn, timer, at));
}

function isLive(turn: Pick<Turn, "run" | "program">, timer: Timer, at: number): boolean {
  switch (timer.kind) {
    case "wall":
      return (
        turn.run.phase === "main" &&
        turn.run.budgetError === null &&
        turn.run.cancel === null &&
        turn.run.wallFrom + (turn.program.plan.budget?.wallMs ?? 0) === at
      );
    case "step":
      return timer.step.dueAt === at;
    case "queue":
      return timer.step.status === "pending" && timer.step.attempt === timer.attempt;
    case "approval":
      return timer.task.approval?.request.approval === timer.id && isOpen(timer.task);
  }
}

function look(turn: Turn, todo: Todo): void {
  switch (todo.kind) {
    case "task":
      return considerTask(turn, todo.task);
    case "step":
      if (turn.run.phase === "undo" && todo.step.status === "succeeded") return considerPhase(turn);
      return considerStep(turn, todo.step);
    case "signals":
      return deliverSignals(turn, todo.name);
    case "phase":
      return considerPhase(turn);
  }
}

function fire(turn: Turn, timer: Timer): void {
  const { run, facts } = turn;
  switch (timer.kind) {
    case "wall": {
      const limit = turn.program.plan.budget?.wallMs;
      // What has begun to be undone is undone to its end.
      if (limit === undefined || run.phase !== "main" || run.budgetError !== null || run.cancel !== null) return;
      // Reopened meanwhile: the clock was set anew and has a timer of its own.
      if (facts.now < run.wallFrom + limit) return;
      return exceedBudget(turn, "wall", limit, facts.now - run.wallFrom);
    }
    case "step":
      if (timer.step.dueAt === null || timer.step.dueAt > facts.now) return;
      return stepDue(turn, timer.step);
    case "queue":
      if (timer.step.status !== "pending" || timer.step.attempt !== timer.attempt) return;
      return emit(turn, {
        kind: "step_failed",
        ...refOf(turn.program, timer.step),
        error: {
          code: "QUEUE_TIMEOUT",
          message: "no slot was free within timeout.queue; raise it or the limits of the engine",
          final: true,
        },
      });
    case "approval":
      if (timer.task.approval?.request.approval !== timer.id || !isOpen(timer.task)) return;
      return emit(turn, {
        kind: "approval_expired",
        task: turn.program.tasks[timer.task.index]!.plan.id,
        approval: timer.id,
      });
  }
}
