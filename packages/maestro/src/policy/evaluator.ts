import type { Obligation } from "../core/event.ts";
import type { Digest } from "../core/digest.ts";
import type { JsonValue } from "../core/json.ts";
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
  /** By id, where the policy lies here and consists of rules that can be told apart. */
  readonly rules?: ReadonlyMap<string, PolicyRule>;
  /** The same policy with the rules that are on trial (`@shadow`) in force; absent where there are none. */
  readonly trial?: Evaluator;
  /** What the policy is made of, where it lies here. */
  sources?(): readonly PolicySource[];
  /** Lets go of connections. */
  close?(): Promise<void>;
}

/** A rule as people look at it. */
export interface PolicyRule {
  readonly id: string;
  readonly effect: "permit" | "forbid";
  readonly why?: string;
  /** What to do when it says no. */
  readonly fix?: string;
  /** The file it stands in; absent: none. */
  readonly file?: string;
  readonly text?: string;
  /** It decides nothing yet. */
  readonly shadow?: true;
}

/** What somebody else needs to make a policy's digest again. */
export interface PolicySource {
  /** The policy's digest is `digestOf` this; of a policy that is made of files it has `files`, each with its name and digest. */
  readonly document: JsonValue;
  /** The files themselves. */
  readonly files: readonly Uint8Array[];
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

/** Only a boolean true is a yes: what comes from an engine is not always what its type says. */
export function isYes(allow: unknown): allow is true {
  return allow === true;
}
