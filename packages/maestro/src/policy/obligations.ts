import type { Obligation } from "../core/event.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { messageOf } from "../core/problem.ts";
import { owedBy } from "../core/obligation.ts";
import type { GateRequest } from "./gate.ts";
import { OBLIGATION_TYPES } from "./obligation-types.ts";
import type { Pattern } from "./redact.ts";
import { readPattern } from "./redact.ts";

/** What can be carried out where a question arises, beside what the gate does itself. */
export interface Ability {
  /** Names of the channels that notices can go to. */
  readonly channels: ReadonlySet<string>;
  /** Whoever asks answers with JSON, and takes out of it what is to be hidden. */
  readonly redacts: boolean;
}

/** A notice that a policy wants sent. */
export interface Notice {
  readonly to: readonly string[];
  readonly body: string;
  /** The rule that wants it. */
  readonly rule: string;
}

/** What an answer depends on, in the order it came, and why it cannot be had; no sentence: all of it can. */
export interface Examined {
  readonly unmet: readonly string[];
  readonly notices: readonly Notice[];
}

export const OBLIGATION_LIMITS = { paths: 50, channels: 10, values: 20, textCharacters: 2_000 } as const;

/** Whether all that an answer depends on can be carried out. Whoever cannot carry one out, or does not understand it, must deny. */
export function examine(obligations: readonly Obligation[], request: GateRequest, ability: Ability): Examined {
  const unmet: string[] = [];
  const notices: Notice[] = [];
  for (const one of obligations) {
    const problem = problemOf(one, request, ability);
    if (problem !== undefined) unmet.push(`rule ${one.id} wants ${one.type}: ${problem}`);
    else if (one.type === "notify") notices.push(noticeOf(one));
  }
  return { unmet, notices };
}

function problemOf(one: Obligation, request: GateRequest, ability: Ability): string | undefined {
  switch (one.type) {
    case "approval":
      if (request.action.name !== "task.execute")
        return `people can be asked before a task of a run, not before ${request.action.name}`;
      return owedBy(bare(one)) === "unclear" ? "neither its count nor its roles can be understood" : undefined;
    case "step-up": {
      const wanted = readStepUp(one.properties);
      if (wanted === undefined) return "it names neither `acr_values` nor `amr_values`";
      return isMet(wanted, request) ? undefined : `log in again with ${stepUpText(wanted)}`;
    }
    case "redact": {
      const paths = redactionOf(one);
      if (typeof paths === "string") return paths;
      return ability.redacts ? undefined : `nothing can be taken out of what ${request.action.name} gives`;
    }
    case "notify": {
      const { to } = one.properties;
      const names = textsOf(to, OBLIGATION_LIMITS.channels);
      if (names === undefined) return "it does not say `to` whom";
      const missing = names.find((name) => !ability.channels.has(name));
      return missing === undefined ? undefined : `there is no channel ${missing} in \`notify\` of policy.yaml`;
    }
    default:
      return `it is none of ${OBLIGATION_TYPES.join(", ")}`;
  }
}

/** How strongly somebody has to have logged in (RFC 9470): one of the classes, and by all of the methods. */
export interface StepUp {
  readonly acr: readonly string[];
  readonly amr: readonly string[];
}

/** What is still to be proved, of all that an answer depends on; undefined where nothing is. */
export function missingStepUp(obligations: readonly Obligation[], request: GateRequest): StepUp | undefined {
  const wanted = obligations.flatMap((one) => (one.type === "step-up" ? (readStepUp(one.properties) ?? []) : []));
  return wanted.find((one) => !isMet(one, request));
}

export function stepUpText({ acr, amr }: StepUp): string {
  return [
    ...(acr.length === 0 ? [] : [`acr ${acr.join(" or ")}`]),
    ...(amr.length === 0 ? [] : [`amr ${amr.join(" and ")}`]),
  ].join(", ");
}

function readStepUp(properties: JsonObject): StepUp | undefined {
  const acr = textsOf(properties["acr_values"] ?? properties["acr_value"] ?? [], OBLIGATION_LIMITS.values);
  const amr = textsOf(properties["amr_values"] ?? [], OBLIGATION_LIMITS.values);
  return acr === undefined || amr === undefined || acr.length + amr.length === 0 ? undefined : { acr, amr };
}

function isMet({ acr, amr }: StepUp, { subject }: GateRequest): boolean {
  const { acr: reached, amr: used } = subject.properties;
  const methods = Array.isArray(used) ? (used as readonly JsonValue[]) : [];
  return (
    (acr.length === 0 || (typeof reached === "string" && acr.includes(reached))) &&
    amr.every((method) => methods.includes(method))
  );
}

/** The places that are to be hidden, or why they cannot be understood. */
export function redactionOf({ properties }: Obligation): readonly Pattern[] | string {
  const paths = textsOf(properties["paths"], OBLIGATION_LIMITS.paths);
  if (paths === undefined || paths.length === 0) return "it names no `paths`";
  try {
    return paths.map(readPattern);
  } catch (error) {
    return messageOf(error);
  }
}

function noticeOf({ id, properties: { to, body } }: Obligation): Notice {
  return {
    to: textsOf(to, OBLIGATION_LIMITS.channels) ?? [],
    body: typeof body === "string" ? body.slice(0, OBLIGATION_LIMITS.textCharacters) : "",
    rule: id,
  };
}

/** One text, or a list of some; undefined for anything else. */
function textsOf(value: JsonValue | undefined, most: number): readonly string[] | undefined {
  const list = Array.isArray(value) ? (value as readonly JsonValue[]) : [value];
  if (list.length > most) return undefined;
  const texts = list.filter((one): one is string => typeof one === "string" && one !== "");
  return texts.length === list.length ? texts : undefined;
}

function bare(one: Obligation): Parameters<typeof owedBy>[0] {
  return {
    id: "",
    allow: true,
    reasons: [],
    rules: [],
    policyDigest: "sha256:",
    requestDigest: "sha256:",
    engine: "",
    obligations: [one],
  };
}
