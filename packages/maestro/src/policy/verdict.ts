import type { Obligation } from "../core/event.ts";
import type { JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import type { Verdict } from "./evaluator.ts";

/** Of one answer. What has more is no answer: a gate that cut it would record something else than was said. */
export const VERDICT_LIMITS = {
  reasons: 50,
  reasonCharacters: 2_000,
  rules: 200,
  ruleCharacters: 200,
  obligations: 20,
} as const;

/**
 * What a Rego policy answers with: a boolean, or `{ allow, reasons?, rules?, obligations? }`. Throws where it is anything
 * else; members that have no meaning here are left alone.
 */
export function readVerdict(value: JsonValue | undefined): Verdict {
  if (value === undefined) throw new Error("the policy is undefined for this request");
  if (typeof value === "boolean") return { allow: value, rules: [], reasons: [] };
  if (!isJsonObject(value)) throw new Error("the answer is neither a boolean nor an object with `allow`");
  const { allow } = value;
  if (typeof allow !== "boolean") throw new Error("the answer has no boolean `allow`");
  const { reasons, reasonCharacters, rules, ruleCharacters } = VERDICT_LIMITS;
  const obligations = readObligations(value["obligations"]);
  return {
    allow,
    rules: texts(value["rules"], "rules", rules, ruleCharacters),
    reasons: texts(value["reasons"], "reasons", reasons, reasonCharacters),
    ...(obligations.length === 0 ? {} : { obligations }),
  };
}

/** AuthZEN obligations, `[{ id?, type, properties? }]`. Throws where they are anything else: what is not understood cannot be carried out. */
export function readObligations(value: JsonValue | undefined): readonly Obligation[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw new Error("`obligations` is not a list");
  const list = value as readonly JsonValue[];
  if (list.length > VERDICT_LIMITS.obligations)
    throw new Error(`there are more than ${VERDICT_LIMITS.obligations} obligations`);
  return list.map((one) => {
    if (!isJsonObject(one)) throw new Error("an obligation is not an object");
    const { id = "", type, properties = {} } = one;
    if (typeof id !== "string" || id.length > VERDICT_LIMITS.ruleCharacters)
      throw new Error("the `id` of an obligation is not a short text");
    if (typeof type !== "string" || type === "" || type.length > VERDICT_LIMITS.ruleCharacters)
      throw new Error("an obligation has no `type`");
    if (!isJsonObject(properties)) throw new Error(`the properties of the obligation ${type} are not an object`);
    return { id, type, properties };
  });
}

/** As `readVerdict`, of a list that may be written as one text. */
export function texts(value: JsonValue | undefined, name: string, most: number, longest: number): readonly string[] {
  if (value === undefined) return [];
  const list = Array.isArray(value) ? (value as readonly JsonValue[]) : [value];
  if (list.length > most) throw new Error(`the answer has more than ${most} ${name}`);
  return list.map((one) => {
    if (typeof one !== "string") throw new Error(`\`${name}\` is not a list of texts`);
    if (one.length > longest) throw new Error(`one of the ${name} has more than ${longest} characters`);
    return one;
  });
}

/** Of a deny that names no reason, since nobody should be left with a bare no. */
export function denialOf(action: string, reasons: readonly string[]): readonly string[] {
  return reasons.length > 0 ? reasons : [`the policy does not allow ${action}`];
}
