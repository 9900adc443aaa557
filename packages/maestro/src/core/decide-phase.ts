import { askGate, makeRunnable } from "./decide-step.ts";
import { discharge } from "./discharge.ts";
import { endRun } from "./outcome.ts";
import type { Turn } from "./turn.ts";
import { emit } from "./turn.ts";

/** Decides whether a phase is over and what follows: main, then undo where it is called for, then finally, then the end. */
export function considerPhase(turn: Turn): void {
  const { run } = turn;
  if (run.status === "queued") return considerStart(turn);
  if (run.cancel?.force === true) return endRun(turn);
  switch (run.phase) {
    case "main":
      if (run.openMain > 0) return;
      if (mustRollBack(turn)) return emit(turn, { kind: "rollback_started" });
      return afterMain(turn);
    case "undo":
      return considerUndo(turn);
    case "finally":
      if (run.openFinally === 0) endRun(turn);
      return;
  }
}

function considerStart(turn: Turn): void {
  const decision = turn.run.decisions.at(-1)?.decision;
  if (decision !== undefined && !decision.allow) endRun(turn);
}

function mustRollBack({ run, program }: Turn): boolean {
  return (
    program.plan.onFailure === "rollback" &&
    run.undoable.length > 0 &&
    run.cancel === null &&
    (run.failures.length > 0 || run.budgetError !== null)
  );
}

function afterMain(turn: Turn): void {
  if (turn.run.openFinally > 0) emit(turn, { kind: "finally_started" });
  else endRun(turn);
}

/** One undo at a time, the latest work first. */
function considerUndo(turn: Turn): void {
  const { run, program } = turn;
  const step = run.undoQueue.at(-1);
  if (step === undefined) {
    // A stop empties the queue, but the undo at work is left to end.
    if (run.running === 0) afterMain(turn);
    return;
  }
  if (step.status !== "succeeded" || step.queued) return;
  if (askGate(turn, step, program.tasks[step.task]!.undo!.asks) && discharge(turn, step)) makeRunnable(turn, step);
}
