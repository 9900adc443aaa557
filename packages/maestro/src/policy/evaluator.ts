import type { Obligation } from "../core/event.ts";
import type { Digest } from "../core/digest.ts";
import type { GateRequest, Occasion } from "./gate.ts";

/**
 * One engine with one policy: the built-in one, Cedar, Rego, or a decision point elsewhere. It may throw or reject: the gate
 * makes a deny of that, as of an answer that is none.
 */
export interface Evaluator {
  /** Name and version, as decisions record it: `builtin@1`, `cedar@4.13.0`, `opa@https://pdp.example`. */
  readonly engine: string;
  /** Of the policy as it is evaluated now. */
  readonly policyDigest: Digest;
  /** Whether the answer follows from the request alone, so that it may be remembered until the policy is another one. */
  readonly repeatable: boolean;
  evaluate(request: GateRequest, occasion: Occasion): Verdict | Promise<Verdict>;
  /** Lets go of connections. */
  close?(): Promise<void>;
}

/** What stands for the digest of a policy elsewhere that does not say which one it is. */
export const UNKNOWN_POLICY: Digest = `sha256:${"0".repeat(64)}`;

export interface Verdict {
  readonly allow: boolean;
  /** Ids of the rules that decided; of a deny by default none. */
  readonly rules: readonly string[];
  /** Sentences for whoever asked: each says why, and what to do where the rule knows it. */
  readonly reasons: readonly string[];
  readonly obligations?: readonly Obligation[];
  /** Where only the answer says by which policy it was given; of an evaluator that is not `repeatable`. */
  readonly policyDigest?: Digest;
}
