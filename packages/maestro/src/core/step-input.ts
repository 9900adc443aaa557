import type { TaskError } from "./event.ts";
import { ExpressionError } from "./expression.ts";
import type { JsonObject } from "./json.ts";
import { isJsonObject } from "./json.ts";
import { MaestroError } from "./problem.ts";
import { stepScope } from "./run-scope.ts";
import type { Step } from "./run.ts";
import type { Turn } from "./turn.ts";
import { refOf } from "./turn.ts";

/** The value of `with` for this step. Throws ExpressionError. */
export function evaluateInput(turn: Turn, step: Step, dir: string): JsonObject {
  const linked = turn.program.tasks[step.task]!;
  const undoing = step.status === "succeeded" || step.status === "undo_retrying";
  const template = undoing ? linked.undo!.input : linked.input;
  const value = template.evaluate(
    template.constant ? NO_NAMES : stepScope(turn.program, turn.run, step, turn.facts.now, dir),
  );
  if (!isJsonObject(value)) throw new MaestroError("invalid_input", "`with` must be a mapping");
  return value;
}

const NO_NAMES = {};

/** Stands for `task.dir` where an input is hashed, so that its digest is the same on every machine. */
export function virtualDir(turn: Turn, step: Step): string {
  const { task, item } = refOf(turn.program, step);
  return `task:${task}${item === -1 ? "" : `[${item}]`}`;
}

export function toExpressionError(where: string, thrown: unknown): TaskError {
  if (thrown instanceof MaestroError) return toInputError(thrown);
  if (!(thrown instanceof ExpressionError)) throw thrown;
  return expressionError(where, thrown.message);
}

export function expressionError(where: string, message: string): TaskError {
  return { code: "EXPRESSION", message: `${where}: ${message}`, final: true };
}

export function toInputError(thrown: unknown): TaskError {
  if (thrown instanceof ExpressionError) return expressionError("with", thrown.message);
  if (thrown instanceof MaestroError) return { code: "INPUT_INVALID", message: thrown.message, final: true };
  throw thrown;
}
