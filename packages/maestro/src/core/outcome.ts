import type { TaskError, TerminalStatus } from "./event.ts";
import { ExpressionError } from "./expression.ts";
import type { JsonObject } from "./json.ts";
import { isJsonObject } from "./json.ts";
import { taskScope } from "./run-scope.ts";
import type { Turn } from "./turn.ts";
import { emit } from "./turn.ts";

const REFUSALS = new Set(["DENIED", "APPROVAL_DENIED", "APPROVAL_EXPIRED"]);

/** Every phase is over: says how the run ended. */
export function endRun(turn: Turn): void {
  const { status, error } = outcome(turn);
  if (status !== "succeeded") {
    emit(turn, { kind: "run_ended", status, outputs: {}, ...(error === undefined ? {} : { error }) });
    return;
  }
  try {
    emit(turn, { kind: "run_ended", status, outputs: outputsOf(turn) });
  } catch (thrown) {
    if (!(thrown instanceof ExpressionError)) throw thrown;
    emit(turn, {
      kind: "run_ended",
      status: "failed",
      outputs: {},
      error: { code: "EXPRESSION", message: `outputs: ${thrown.message}`, final: true },
    });
  }
}

function outputsOf({ program, run, facts }: Turn): JsonObject {
  const value = program.outputs.evaluate(program.outputs.constant ? {} : taskScope(program, run, facts.now));
  if (!isJsonObject(value)) throw new TypeError("a template of a mapping gives a mapping");
  return value;
}

function outcome({ program, run }: Turn): { readonly status: TerminalStatus; readonly error?: TaskError } {
  if (run.status === "queued") {
    const decision = run.decisions.at(-1)?.decision;
    return {
      status: "denied",
      error: {
        code: "DENIED",
        message: `policy denied the run: ${decision?.reasons.join("; ") ?? "no decision"}`,
        final: true,
      },
    };
  }
  if (run.cancel !== null) {
    return {
      status: "cancelled",
      error: { code: "CANCELLED", message: `cancelled by ${run.cancel.by.id}: ${run.cancel.reason}`, final: true },
    };
  }
  if (run.budgetError !== null) return { status: "failed", error: run.budgetError };
  if (run.failures.length === 0) return { status: "succeeded" };
  const causes = run.failures.map((index) => ({ id: program.tasks[index]!.plan.id, error: run.tasks[index]!.error }));
  const first = causes[0]!;
  const error = {
    ...(first.error ?? { code: "INTERNAL", message: "no error was recorded" }),
    message: `${first.id}: ${first.error?.message ?? "failed"}`,
  };
  const refused = causes.every((cause) => cause.error !== null && REFUSALS.has(cause.error.code));
  return { status: refused ? "denied" : "failed", error };
}
