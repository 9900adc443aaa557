import type { Obligation, ShadowVerdict } from "../core/event.ts";
import type { JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import { nextOf } from "./advice.ts";
import type { PolicyRule } from "./evaluator.ts";
import type { GateRequest } from "./gate.ts";
import type { MadeDecision } from "./recent.ts";

/** A decision in words, for whoever it met and for whoever asks a year later. */
export interface Explanation {
  readonly decision: string;
  readonly at: number;
  readonly run?: string;
  readonly task?: string;
  readonly allow: boolean;
  readonly mode: "enforced" | "break-glass";
  /** Who, what, and why or why not. */
  readonly sentence: string;
  /** What the policy looked at. */
  readonly facts: readonly { readonly name: string; readonly value: JsonValue }[];
  /** The rules that decided; without words where the policy of then is not the one of now. */
  readonly rules: readonly ExplainedRule[];
  readonly reasons: readonly string[];
  readonly obligations: readonly Obligation[];
  readonly shadow: readonly ShadowVerdict[];
  /** What to do next; of a deny. */
  readonly advice?: string;
  readonly engine: string;
  readonly policyDigest: string;
  /** Whether the policy is the same still. */
  readonly isCurrent: boolean;
}

export interface ExplainedRule {
  readonly id: string;
  readonly effect?: string;
  readonly why?: string;
  readonly fix?: string;
  readonly file?: string;
}

export interface CurrentPolicy {
  readonly policyDigest: string;
  readonly rules?: ReadonlyMap<string, PolicyRule>;
}

const MAX_FACTS = 30;

export function explain(made: MadeDecision, current: CurrentPolicy): Explanation {
  const { decision, request, at, run, task } = made;
  const isCurrent = current.policyDigest === decision.policyDigest;
  const known = decision.rules.flatMap((id) => (isCurrent ? (current.rules?.get(id) ?? []) : []));
  return {
    decision: decision.id,
    at,
    ...(run === undefined ? {} : { run }),
    ...(task === undefined ? {} : { task }),
    allow: decision.allow,
    mode: decision.mode ?? "enforced",
    sentence: sentenceOf(made),
    facts: factsOf(request, known),
    rules: decision.rules.map((id) => {
      const rule = known.find((one) => one.id === id);
      if (rule === undefined) return { id };
      const { effect, why, fix, file } = rule;
      return {
        id,
        effect,
        ...(why === undefined ? {} : { why }),
        ...(fix === undefined ? {} : { fix }),
        ...(file === undefined ? {} : { file }),
      };
    }),
    reasons: decision.reasons,
    obligations: decision.obligations ?? [],
    shadow: decision.shadow ?? [],
    ...(decision.allow
      ? {}
      : {
          advice: nextOf(
            decision,
            request,
            known.flatMap(({ fix }) => fix ?? []),
          ),
        }),
    engine: decision.engine,
    policyDigest: decision.policyDigest,
    isCurrent,
  };
}

function sentenceOf({ decision, request }: MadeDecision): string {
  const { subject, action, resource } = request;
  const { rules, allow, mode, reasons } = decision;
  const what = `${action.name} on ${resource.type} ${resource.id}`;
  const who = `${subject.type} ${subject.id}`;
  const named = `${rules.length === 1 ? "rule" : "rules"} ${rules.join(", ")}`;
  if (mode === "break-glass") return `${who} went past the policy to do ${what}: ${reasons[0] ?? ""}.`;
  if (allow) return `${who} may do ${what}${rules.length === 0 ? "" : `, by ${named}`}: ${said(reasons)}.`;
  return `${who} may not do ${what}${rules.length === 0 ? ", since no rule says that they may" : `, by ${named}`}: ${said(reasons)}.`;
}

function said(reasons: readonly string[]): string {
  return reasons.join("; ").replace(/\.$/, "");
}

/** Of rules whose text is at hand what they name; else all that there is. */
function factsOf(request: GateRequest, rules: readonly PolicyRule[]): Explanation["facts"] {
  const { subject, action, resource, context } = request;
  const all = [
    { name: "subject", value: `${subject.type}:${subject.id}` },
    { name: "subject.roles", value: subject.properties.roles },
    { name: "action", value: action.name },
    { name: "resource", value: `${resource.type}:${resource.id}` },
    ...leaves("subject", subject.properties, ["roles"]),
    ...leaves("action", action.properties ?? {}, []),
    ...leaves("resource", resource.properties, []),
    ...leaves("context", context, []),
  ];
  const texts = rules.flatMap(({ text }) => text ?? []);
  const reads = texts.length === 0 ? undefined : namesIn(texts.join("\n"));
  return all
    .filter(({ name }, i) => i < 4 || (reads?.has(name) ?? true))
    .filter(({ value }) => value !== "" && value !== null)
    .slice(0, MAX_FACTS);
}

function leaves(
  where: string,
  value: Readonly<Record<string, JsonValue>>,
  besides: readonly string[],
): { readonly name: string; readonly value: JsonValue }[] {
  return Object.entries(value).flatMap(([name, one]) =>
    besides.includes(name) || (isJsonObject(one) && Object.keys(one).length === 0)
      ? []
      : [{ name: `${where}.${name}`, value: one }],
  );
}

/** `principal.org`, `context has time`: the attributes that Cedar's text speaks of. */
function namesIn(text: string): ReadonlySet<string> {
  const names = text.matchAll(/\b(principal|resource|context)(?:\s+has\s+|\.)([A-Za-z_]\w*)/g);
  return new Set(Array.from(names, ([, where, name]) => `${where === "principal" ? "subject" : where}.${name}`));
}
