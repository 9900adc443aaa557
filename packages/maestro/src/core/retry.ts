import type { TaskError } from "./event.ts";
import type { RetryPolicy } from "./plan.ts";

/** An attempt may be lost with its engine or worker this often before the step fails: a task that kills its host must not do so for ever. */
export const MAX_LOST = 5;

const ONCE: RetryPolicy = { attempts: 1, initialMs: 1000, factor: 2, maxMs: 60_000, jitter: "none", onLost: "retry" };

/**
 * Whether a failed attempt is followed by another. `tries` counts attempts so far that were not lost, `lost` those that were;
 * `matches` evaluates `retry.on` and is asked only where it matters.
 */
export function shouldRetry(
  policy: RetryPolicy = ONCE,
  attempt: { readonly error: TaskError; readonly tries: number; readonly lost: number },
  matches: (error: TaskError) => boolean,
): boolean {
  if (attempt.error.code === "LOST") return policy.onLost === "retry" && attempt.lost <= MAX_LOST;
  if (attempt.error.final === true || attempt.tries >= policy.attempts) return false;
  return matches(attempt.error);
}

/** Delay before the next attempt, in ms. `random` in [0, 1) is an argument, and recorded. A lost attempt starts again at once. */
export function retryDelayMs(
  policy: RetryPolicy = ONCE,
  attempt: { readonly error: TaskError; readonly tries: number },
  random: number,
): number {
  if (attempt.error.code === "LOST") return 0;
  const full = Math.min(policy.maxMs, policy.initialMs * policy.factor ** Math.max(0, attempt.tries - 1));
  switch (policy.jitter) {
    case "none":
      return Math.round(full);
    case "full":
      return Math.round(full * random);
    case "equal":
      return Math.round(full / 2 + (full / 2) * random);
  }
}
