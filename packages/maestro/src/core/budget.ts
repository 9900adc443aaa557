import type { Turn } from "./turn.ts";
import { emit, stopCommands } from "./turn.ts";

/** A budget is used up: nothing more starts, and what is at work is told to stop. */
export function exceedBudget(turn: Turn, dimension: "wall" | "tasks" | "usd", limit: number, used: number): void {
  emit(turn, { kind: "budget_exceeded", dimension, limit, used });
  stopCommands(turn, turn.run.budgetError!, false);
}
