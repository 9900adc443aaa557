import { advance } from "./advance.ts";
import { applyEvent, createRun } from "./apply.ts";
import { canonical } from "./canonical.ts";
import { digestOf } from "./digest.ts";
import type { RunEvent } from "./event.ts";
import type { JsonValue } from "./json.ts";
import { MaestroError, messageOf } from "./problem.ts";
import type { Program } from "./program.ts";
import type { Run } from "./run.ts";
import { stepOf } from "./run.ts";
import { evaluateInput, virtualDir } from "./step-input.ts";
import type { Facts } from "./turn.ts";
import { beginTurn } from "./turn.ts";

/** The run that a history describes. Throws `store_corrupt` where the events do not fit the plan or one another. */
export function replay(program: Program, events: Iterable<RunEvent>): Run {
  let run: Run | undefined;
  for (const event of events) {
    try {
      if (run === undefined) {
        if (event.kind !== "run_created")
          throw new MaestroError("conflict", `a history begins with run_created, not ${event.kind}`);
        run = createRun(program, event);
      } else {
        applyEvent(program, run, event);
      }
    } catch (cause) {
      throw new MaestroError(
        "store_corrupt",
        `the history breaks at event ${event.seq} (${event.kind}): ${messageOf(cause)}`,
        { cause, facts: { seq: event.seq } },
      );
    }
  }
  if (run === undefined) throw new MaestroError("store_corrupt", "the history is empty");
  return run;
}

export type Redecision =
  | { readonly agrees: true; readonly run: Run; readonly decided: number }
  | { readonly agrees: false; readonly seq: number; readonly recorded: JsonValue; readonly decided: JsonValue };

/**
 * Decides a recorded history again: what came from outside is taken from the record, everything that follows must be
 * decided the same way, event by event. Names the first difference; `same` says what is one.
 */
export function redecide(
  program: Program,
  events: readonly RunEvent[],
  same: (recorded: RunEvent, decided: RunEvent) => boolean = isEqual,
): Redecision {
  const first = events[0];
  if (first?.kind !== "run_created")
    throw new MaestroError("store_corrupt", "the history does not begin with run_created");
  const run = createRun(program, first);
  let decided = 0;
  let at = 1;
  while (at < events.length) {
    const event = events[at]!;
    const outside = isFromOutside(event);
    if (outside) {
      const wrong = checkStart(program, run, event);
      if (wrong !== null) return { agrees: false, seq: event.seq, recorded: asJson(event), decided: wrong };
      applyEvent(program, run, event);
      at += 1;
    }
    const turn = beginTurn(
      program,
      run,
      recordedFacts(events, at, event.at, () => turn.events.length),
    );
    advance(turn);
    for (const again of turn.events) {
      const recorded = events[at];
      if (recorded === undefined || !same(recorded, again)) {
        return {
          agrees: false,
          seq: again.seq,
          recorded: recorded === undefined ? null : asJson(recorded),
          decided: asJson(again),
        };
      }
      at += 1;
      decided += 1;
    }
    if (!outside && turn.events.length === 0)
      return { agrees: false, seq: event.seq, recorded: asJson(event), decided: null };
  }
  return { agrees: true, run, decided };
}

function isEqual(recorded: RunEvent, decided: RunEvent): boolean {
  return canonical(asJson(recorded)) === canonical(asJson(decided));
}

/** What people, runners, the gate, the cache and the engine's slots contribute; the rest is decided. */
function isFromOutside(event: RunEvent): boolean {
  switch (event.kind) {
    case "policy_decided":
    case "run_started":
    case "task_reused":
    case "attempt_started":
    case "attempt_finished":
    case "step_cached":
    case "signal_received":
    case "approval_given":
    case "child_finished":
    case "cancel_requested":
    case "run_reopened":
      return true;
    case "budget_exceeded":
      // Attempts and money are counted where a slot is given or a result comes in; wall time is a timer.
      return event.dimension !== "wall";
    case "step_failed":
      // An input that cannot be evaluated shows itself when the slot is given.
      return (
        event.error.code === "INPUT_INVALID" ||
        (event.error.code === "EXPRESSION" && event.error.message.startsWith("with:"))
      );
    default:
      return false;
  }
}

/** An attempt must have been startable, with the input its digest names. Null when it was. */
function checkStart(program: Program, run: Run, event: RunEvent): JsonValue {
  if (event.kind !== "attempt_started" || event.input === undefined) return null;
  const step = stepOf(program, run, event);
  if (step === undefined) return null;
  const turn = beginTurn(
    program,
    run,
    recordedFacts([], 0, event.at, () => 0),
  );
  const usesDir = program.tasks[step.task]!.plan.usesDir === true;
  const input = digestOf(evaluateInput(turn, step, usesDir ? virtualDir(turn, step) : ""));
  return input === event.input ? null : { ...(asJson(event) as Record<string, JsonValue>), input };
}

/** Random numbers and ids as they were recorded at the place where they are asked for. */
function recordedFacts(events: readonly RunEvent[], from: number, now: number, emitted: () => number): Facts {
  const here = (): RunEvent | undefined => events[from + emitted()];
  return {
    now,
    random: () => {
      const event = here();
      return event?.kind === "retry_scheduled" ? event.random : 0;
    },
    id: () => {
      const event = here();
      if (event?.kind === "approval_requested") return event.approval;
      return event?.kind === "child_started" ? event.childRun : "";
    },
    dirOf: () => "",
  };
}

function asJson(event: RunEvent): JsonValue {
  // Every event was JSON once and holds nothing else.
  return event as unknown as JsonValue;
}
