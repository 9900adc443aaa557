import { mayAttempt } from "./budget.ts";
import type { Digest } from "./digest.ts";
import { digestOf } from "./digest.ts";
import type { JsonObject } from "./json.ts";
import type { ProgramTask, SlotClass } from "./program.ts";
import type { Step } from "./run.ts";
import { isStopped } from "./run.ts";
import { evaluateInput, toInputError, virtualDir } from "./step-input.ts";
import type { Command, Turn } from "./turn.ts";
import { emit, refOf } from "./turn.ts";

/**
 * Starts the next runnable step of that class: records the attempt and gives the command to execute it. Undefined when
 * nothing can start. The caller has a free slot; a step that fails here (a bad expression, a spent budget) takes none.
 */
export function startNext(turn: Turn, slot: SlotClass): Extract<Command, { kind: "execute" }> | undefined {
  const { run, program } = turn;
  const queue = run.transient.runnable[slot];
  for (let step = queue.shift(); step !== undefined; step = queue.shift()) {
    if (!step.queued) continue;
    step.queued = false;
    const linked = program.tasks[step.task]!;
    if (!mayStart(turn, step, linked)) continue;
    if (!mayAttempt(turn)) return undefined;
    const command = begin(turn, step, linked);
    if (command !== undefined) return command;
  }
  return undefined;
}

function mayStart(turn: Turn, step: Step, linked: ProgramTask): boolean {
  const { run } = turn;
  if (step.status === "succeeded" || step.status === "undo_retrying") return run.phase === "undo";
  if (step.status !== "pending" && step.status !== "retrying" && step.status !== "polling") return false;
  if (run.phase !== linked.plan.phase || isStopped(run, linked.plan.phase)) return false;
  return !(linked.needsStop && step.status === "pending" && run.tasks[step.task]!.failed > 0);
}

function begin(turn: Turn, step: Step, linked: ProgramTask): Extract<Command, { kind: "execute" }> | undefined {
  const { program, facts } = turn;
  const ref = refOf(program, step);
  const undo = turn.run.phase === "undo";
  const attempt = step.attempt + 1;
  let input: JsonObject;
  let digest: Digest | undefined;
  try {
    input = evaluateInput(turn, step, linked.plan.usesDir === true ? facts.dirOf(ref, attempt) : "");
    // A constant input is part of the plan, whose digest covers it.
    if (undo || linked.inputDigest === undefined)
      digest = digestOf(linked.plan.usesDir === true ? evaluateInput(turn, step, virtualDir(turn, step)) : input);
  } catch (error) {
    emit(turn, { kind: "step_failed", ...ref, error: toInputError(error) });
    return undefined;
  }
  emit(turn, {
    kind: "attempt_started",
    ...ref,
    attempt,
    ...(digest === undefined ? {} : { input: digest }),
    ...(undo ? { phase: "undo" } : {}),
  });
  return { kind: "execute", ...ref, attempt, undo, uses: undo ? linked.undo!.uses : linked.plan.uses, input };
}
