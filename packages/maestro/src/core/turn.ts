import type { Digest } from "./digest.ts";
import type { EventBody, RunEvent, StepRef, TaskError } from "./event.ts";
import type { JsonObject, JsonValue } from "./json.ts";
import type { TaskUse } from "./plan.ts";
import type { Program } from "./program.ts";
import type { Run, Step } from "./run.ts";
import { applyEvent } from "./apply.ts";

/** What a decision may use besides the run: everything that core must not find out for itself. */
export interface Facts {
  /** Epoch ms. */
  readonly now: number;
  /** In [0, 1), for jitter. */
  random(): number;
  /** A new id, for approvals and child runs. */
  id(prefix: "r" | "a"): string;
  /** The attempt's folder, for inputs that read `task.dir`. */
  dirOf(step: StepRef, attempt: number): string;
}

/** What the engine is to do once the events are durable. Lost in a crash, they are given again. */
export type Command =
  | ({
      readonly kind: "execute";
      readonly attempt: number;
      readonly undo: boolean;
      readonly uses: TaskUse;
      readonly input: JsonObject;
    } & StepRef)
  | ({ readonly kind: "decide" } & StepRef)
  | ({ readonly kind: "lookup"; readonly material: JsonValue; readonly files: readonly string[] } & StepRef)
  | ({ readonly kind: "stop"; readonly attempt: number; readonly error: TaskError } & StepRef)
  | ({
      readonly kind: "start_child";
      readonly childRun: string;
      readonly input: JsonObject;
      readonly planDigest: Digest;
    } & StepRef)
  | { readonly kind: "cancel_child"; readonly childRun: string; readonly reason: string; readonly force: boolean };

/** One pass over one run: events are applied as they are decided, so later decisions see earlier ones. */
export interface Turn {
  readonly program: Program;
  readonly run: Run;
  readonly facts: Facts;
  readonly events: RunEvent[];
  readonly commands: Command[];
}

export function beginTurn(program: Program, run: Run, facts: Facts): Turn {
  return { program, run, facts, events: [], commands: [] };
}

export function emit(turn: Turn, body: EventBody): void {
  const event: RunEvent = { seq: turn.run.seq + 1, at: turn.facts.now, ...body };
  applyEvent(turn.program, turn.run, event);
  turn.events.push(event);
}

export function refOf(program: Program, step: Step): StepRef {
  return { task: program.tasks[step.task]!.plan.id, item: step.item };
}

/** Steps whose attempt or child run is at work. */
export function atWork(run: Run): readonly Step[] {
  if (run.running + run.children === 0) return [];
  return run.tasks.flatMap((task) =>
    task.active + task.running === 0
      ? []
      : task.steps.filter(({ status }) => status === "running" || status === "undoing" || status === "child"),
  );
}

/** Tells steps that were at work to stop: attempts get the error as the reason of their abort. */
export function stopCommands(turn: Turn, steps: readonly Step[], error: TaskError, force: boolean): void {
  for (const step of steps) {
    // A step that a forced stop has closed is told as well.
    const child =
      step.status === "child" || (step.status === "cancelled" && turn.program.tasks[step.task]!.mode === "child")
        ? step.child
        : null;
    if (child === null)
      turn.commands.push({ kind: "stop", attempt: step.attempt, error, ...refOf(turn.program, step) });
    else turn.commands.push({ kind: "cancel_child", childRun: child, reason: error.message, force });
  }
}
