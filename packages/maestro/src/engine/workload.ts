import type { StepRef } from "../core/event.ts";
import type { Workload } from "../identity/workload.ts";
import type { LiveRun } from "./live.ts";
import { tokenQuestion } from "./questions.ts";

/** What the attempts of a step may get tokens for; undefined: nothing. */
export function workloadOf({ run, program }: LiveRun, { task }: StepRef, environment: string): Workload | undefined {
  const index = program.index.get(task)!;
  const { identity } = program.tasks[index]!.plan;
  if (identity === undefined) return undefined;
  const { created } = run;
  return {
    audiences: identity.audiences,
    workflow: program.plan.workflow,
    planDigest: program.digest,
    environment,
    purpose: created.purpose,
    actor: created.initiator,
    origin: created.origin,
    question: (audience) => tokenQuestion(program, run, index, { environment, audience }),
  };
}
