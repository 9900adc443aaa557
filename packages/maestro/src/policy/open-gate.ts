import type { Digest } from "../core/digest.ts";
import { digestOf } from "../core/digest.ts";
import type { Decision } from "../core/event.ts";
import { messageOf } from "../core/problem.ts";
import type { Evaluator, Verdict } from "./evaluator.ts";
import type { Gate } from "./gate.ts";

export interface GateParts {
  readonly evaluator: Evaluator;
  /** A new decision's id. */
  readonly newId: () => string;
}

/** Answers remembered; the oldest go first. */
const REMEMBERED = 10_000;

interface Answer {
  readonly requestDigest: Digest;
  readonly policyDigest: Digest;
  readonly verdict: Verdict;
}

/** The gate over an evaluator: every way in which no clean yes comes is a no. */
export function openGate({ evaluator, newId }: GateParts): Gate {
  const remembered = new Map<string, Answer>();
  const decision = ({ verdict, policyDigest, requestDigest }: Answer): Decision => ({
    id: newId(),
    allow: verdict.allow,
    reasons: verdict.reasons,
    rules: verdict.rules,
    policyDigest,
    requestDigest,
    engine: evaluator.engine,
    ...(verdict.obligations === undefined || verdict.obligations.length === 0
      ? {}
      : { obligations: verdict.obligations }),
  });
  return {
    decide(request, occasion) {
      // Its members come in the order of whoever asks, always the same: sorting them would cost more than what is saved.
      const text = JSON.stringify(request);
      const { policyDigest } = evaluator;
      const known = remembered.get(text);
      if (known?.policyDigest === policyDigest) return decision(known);
      const requestDigest = digestOf(request);
      const failed = (error: unknown): Decision => decision({ requestDigest, policyDigest, verdict: failure(error) });
      const settle = (verdict: Verdict): Decision => {
        const answer = { requestDigest, policyDigest: verdict.policyDigest ?? policyDigest, verdict: checked(verdict) };
        if (evaluator.repeatable) remember(remembered, text, answer);
        return decision(answer);
      };
      try {
        const verdict = evaluator.evaluate(request, occasion);
        return verdict instanceof Promise ? verdict.then(settle).catch(failed) : settle(verdict);
      } catch (error) {
        return failed(error);
      }
    },
  };
}

function remember(remembered: Map<string, Answer>, text: string, answer: Answer): void {
  remembered.delete(text);
  remembered.set(text, answer);
  if (remembered.size <= REMEMBERED) return;
  for (const [oldest] of remembered) {
    remembered.delete(oldest);
    break;
  }
}

/** Only a boolean true is a yes. */
function checked(verdict: Verdict): Verdict {
  // oxlint-disable-next-line typescript/no-unnecessary-boolean-literal-compare
  return verdict.allow === true ? verdict : { ...verdict, allow: false };
}

function failure(error: unknown): Verdict {
  return { allow: false, rules: [], reasons: [`the policy decision point failed: ${messageOf(error)}`] };
}
