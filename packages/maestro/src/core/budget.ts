import type { Turn } from "./turn.ts";
import { atWork, emit, stopCommands } from "./turn.ts";

/** Whether the budget has an attempt left; where not, that is what the run is told. */
export function mayAttempt(turn: Turn): boolean {
  const { run, program } = turn;
  const limit = program.plan.budget?.tasks;
  if (run.phase !== "main" || limit === undefined || run.usedTasks < limit) return true;
  exceedBudget(turn, "tasks", limit, run.usedTasks + 1);
  return false;
}

/** A budget is used up: nothing more starts, and what is at work is told to stop. */
export function exceedBudget(turn: Turn, dimension: "wall" | "tasks" | "usd", limit: number, used: number): void {
  const steps = atWork(turn.run);
  emit(turn, { kind: "budget_exceeded", dimension, limit, used });
  stopCommands(turn, steps, turn.run.budgetError!, false);
}
