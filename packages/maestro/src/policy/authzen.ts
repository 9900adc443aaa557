import type { Obligation } from "../core/event.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import { DecisionPoint } from "./decision-point.ts";
import type { DecisionPointSettings } from "./decision-point.ts";
import type { Evaluator, Verdict } from "./evaluator.ts";
import { UNKNOWN_POLICY } from "./evaluator.ts";
import { OBLIGATION_TYPES } from "./obligation-types.ts";
import { occasionContext, occasionHeaders } from "./occasion.ts";
import { denialOf, readObligations, texts, VERDICT_LIMITS } from "./verdict.ts";

export interface AuthzenSettings extends DecisionPointSettings {
  /** Looks for the endpoint in the decision point's metadata instead of at the place where the specification expects it. */
  readonly discover?: boolean;
}

const EVALUATION = "/access/v1/evaluation";
const METADATA = "/.well-known/authzen-configuration";

/** Names of the obligations profile for what Maestro has a name of its own for. */
const OBLIGATIONS: Readonly<Record<string, string>> = { notification: "notify" };

/** Any decision point that speaks the OpenID AuthZEN Authorization API 1.0. It does not say by which policy it answers, so nothing is remembered. */
export function authzenEvaluator(settings: AuthzenSettings, now: () => number): Evaluator {
  const point = new DecisionPoint(settings, now);
  const base = new URL(settings.url);
  const prefix = base.pathname.replace(/\/$/, "");
  let endpoint: string | undefined = settings.discover === true ? undefined : `${prefix}${EVALUATION}`;
  return {
    engine: `authzen@${base.origin}${prefix}`,
    policyDigest: UNKNOWN_POLICY,
    repeatable: false,
    async evaluate(request, occasion) {
      const headers = occasionHeaders(occasion);
      // Found with the first question that is answered, and kept until the policy file is read again.
      endpoint ??= endpointOf(await point.ask("GET", `${METADATA}${prefix}`, headers), base);
      const body: JsonValue = { ...request, context: { ...request.context, ...occasionContext(occasion) } };
      return verdictOf(await point.ask("POST", endpoint, headers, body), request.action.name);
    },
    close: async () => point.close(),
  };
}

/** AuthZEN 1.0, 9: the metadata names the decision point it belongs to; that of another one is refused. */
function endpointOf(metadata: JsonObject, base: URL): string {
  const { policy_decision_point: own, access_evaluation_endpoint: found } = metadata;
  const named = typeof own === "string" ? URL.parse(own) : null;
  if (named === null || trimmed(named) !== trimmed(base))
    throw new Error(`the metadata of ${base.origin} are those of another decision point`);
  const endpoint = typeof found === "string" ? URL.parse(found) : null;
  if (endpoint === null) throw new Error(`the metadata of ${base.origin} name no access_evaluation_endpoint`);
  // The address that was configured is the one that is trusted, and gets the token.
  if (endpoint.origin !== base.origin)
    throw new Error(`the metadata of ${base.origin} point to ${endpoint.origin}, which was not configured`);
  return endpoint.pathname;
}

function trimmed(url: URL): string {
  return `${url.origin}${url.pathname.replace(/\/$/, "")}`;
}

function verdictOf(answer: JsonObject, action: string): Verdict {
  const { decision, context } = answer;
  if (typeof decision !== "boolean") throw new Error("the answer has no boolean `decision`");
  if (context !== undefined && !isJsonObject(context)) throw new Error("the `context` of the answer is not an object");
  const obligations = obligationsOf(context ?? {});
  const reasons = reasonsOf(context ?? {});
  return {
    allow: decision,
    rules: texts(context?.["rules"], "rules", VERDICT_LIMITS.rules, VERDICT_LIMITS.ruleCharacters),
    reasons: decision ? reasons : denialOf(action, reasons),
    ...(obligations.length === 0 ? {} : { obligations }),
  };
}

function obligationsOf(context: JsonObject): readonly Obligation[] {
  return readObligations(context["obligations"]).map((one) => {
    const type = Object.hasOwn(OBLIGATIONS, one.type) ? (OBLIGATIONS[one.type] ?? one.type) : one.type;
    if (!OBLIGATION_TYPES.some((known) => known === type))
      throw new Error(`it asks for the obligation ${one.type}, which Maestro cannot carry out`);
    return { ...one, type };
  });
}

/** The specification leaves the form of reasons open: a text, a list, or texts by code or language, for users or administrators. */
function reasonsOf(context: JsonObject): readonly string[] {
  for (const name of ["reasons", "reason_user", "reason_admin", "reason"]) {
    const value = context[name];
    if (value === undefined) continue;
    const list = isJsonObject(value) ? Object.values(value) : value;
    return texts(list, name, VERDICT_LIMITS.reasons, VERDICT_LIMITS.reasonCharacters);
  }
  return [];
}
