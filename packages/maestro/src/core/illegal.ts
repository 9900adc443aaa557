import type { RunEvent } from "./event.ts";
import { MaestroError } from "./problem.ts";
import type { Program } from "./program.ts";
import type { Run, Step, StepState, TaskState } from "./run.ts";
import { stepOf } from "./run.ts";
import { STEP_TRANSITIONS } from "./transitions.ts";

/** An event that does not fit. Whoever replays learns where the history breaks. */
export function illegal(event: RunEvent, why: string): MaestroError {
  return new MaestroError("conflict", `event ${event.kind} (seq ${event.seq}) does not fit: ${why}`, {
    facts: { seq: event.seq, kind: event.kind },
  });
}

export function taskOf(program: Program, run: Run, event: RunEvent & { readonly task: string }): TaskState {
  const index = program.index.get(event.task);
  if (index === undefined) throw illegal(event, `the plan has no task ${event.task}`);
  return run.tasks[index]!;
}

export function requirePending(task: TaskState, event: RunEvent): void {
  if (task.status !== "pending") throw illegal(event, `the task is ${task.status}`);
}

export function requireStep(
  program: Program,
  run: Run,
  ref: { readonly task: string; readonly item: number },
  event: RunEvent,
): Step {
  const step = stepOf(program, run, ref);
  if (step === undefined) throw illegal(event, `there is no step ${ref.task}${ref.item === -1 ? "" : `[${ref.item}]`}`);
  return step;
}

/** The step's state after the event, by the table. */
export function transition(step: Step, event: RunEvent): StepState {
  const next = STEP_TRANSITIONS[step.status][event.kind];
  if (next === undefined) throw illegal(event, `the step is ${step.status}`);
  return next;
}
