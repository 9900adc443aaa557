import type { Actor, AttemptResult, Decision, RunStatus, StepRef, StepResult, TaskError } from "./event.ts";
import type { Digest } from "./digest.ts";
import type { JsonValue } from "./json.ts";

/** What can reach a run from outside: messages of people, answers of runners, gate, cache and children, and time. */
export type RunInput =
  | { readonly kind: "timer" }
  | { readonly kind: "admitted" }
  | ({ readonly kind: "attempt_finished"; readonly attempt: number; readonly result: AttemptResult } & StepRef)
  | ({ readonly kind: "decided"; readonly decision: Decision } & StepRef)
  | ({
      readonly kind: "cache_answered";
      readonly key: Digest | null;
      readonly hit: { readonly fromRun: string; readonly result: StepResult } | null;
    } & StepRef)
  | ({
      readonly kind: "child_finished";
      readonly childRun: string;
      readonly status: RunStatus;
      readonly output: JsonValue;
      readonly receipt?: Digest;
      readonly error?: TaskError;
    } & StepRef)
  | { readonly kind: "signal"; readonly name: string; readonly payload: JsonValue; readonly by: Actor }
  | {
      readonly kind: "approve";
      readonly approval: string;
      readonly verdict: "approve" | "deny";
      readonly by: Actor;
      readonly planDigest: Digest;
      readonly reason: string;
    }
  | { readonly kind: "cancel"; readonly by: Actor; readonly reason: string; readonly force: boolean }
  /** Failed, denied or cancelled tasks (all, or those named) and what depended on them run again, in the same run. */
  | { readonly kind: "retry"; readonly by: Actor; readonly tasks?: readonly string[] };
