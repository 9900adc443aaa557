import type { Decision, Obligation } from "../core/event.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import { MaestroError } from "../core/problem.ts";
import { EVERY_NAMESPACE } from "../identity/caller.ts";
import type { GateRequest } from "../policy/gate.ts";
import { questionOf, readLoose } from "../policy/question.ts";
import type { Access } from "./access.ts";
import { targetOf } from "./api-request.ts";
import type { AppDeps } from "./app-deps.ts";
import { json, optional } from "./field.ts";
import { asked } from "./policy.ts";
import { route } from "./route.ts";
import { WholeResponse } from "./whole.ts";

// The OpenID AuthZEN Authorization API 1.0, so that others can ask the policy that is enforced here. Whoever asks enforces:
// nothing is carried out here, and roles that a question names are those it asks about.

export const AUTHZEN_LIMITS = { evaluations: 100, page: 1_000 } as const;

const SEMANTICS = ["execute_all", "deny_on_first_deny", "permit_on_first_permit"] as const;
type Semantic = (typeof SEMANTICS)[number];

const QUESTION = {
  subject: optional(json("`type`, `id`, `properties` with `roles`.")),
  action: optional(json("`name`, `properties`.")),
  resource: optional(json("`type`, `id`, `properties` with `namespace`.")),
  context: optional(json("`purpose`, `authority` and whatever else policies look at.")),
};

export const evaluateAccess = route({
  method: "POST",
  path: "/access/v1/evaluation",
  operation: "evaluateAccess",
  access: { action: "policy.ask", as: "read" },
  summary: "AuthZEN: one question to the policy. A no is an answer with status 200.",
  body: QUESTION,
  lenient: true,
  answers: [
    {
      status: 200,
      type: "application/json",
      schema: "AuthzenDecision",
      description: "`decision`, and in `context` the reasons, the rules and the obligations.",
    },
  ],
  async handle(deps, { body, access }) {
    return plain(
      await evaluate(
        deps,
        access,
        asked(() => readLoose(body as JsonObject)),
      ),
    );
  },
});

export const evaluateAccesses = route({
  method: "POST",
  path: "/access/v1/evaluations",
  operation: "evaluateAccesses",
  access: { action: "policy.ask", as: "read" },
  summary: "AuthZEN: many questions at once; what one does not say is as at the top.",
  maxBody: 1024 * 1024,
  body: {
    ...QUESTION,
    evaluations: optional(json(`Questions, at most ${AUTHZEN_LIMITS.evaluations}.`)),
    options: optional(json(`\`evaluations_semantic\`: ${SEMANTICS.join(", ")}.`)),
  },
  lenient: true,
  answers: [
    {
      status: 200,
      type: "application/json",
      schema: "AuthzenDecisions",
      description:
        "`evaluations`, in order, up to the one that decides by the semantic; without `evaluations` as of one question.",
    },
  ],
  async handle(deps, { body, access }) {
    const { evaluations, options, ...defaults } = body;
    if (evaluations === undefined || (Array.isArray(evaluations) && evaluations.length === 0))
      return plain(
        await evaluate(
          deps,
          access,
          asked(() => readLoose(defaults as JsonObject)),
        ),
      );
    const semantic = semanticOf(options);
    if (!Array.isArray(evaluations) || evaluations.length > AUTHZEN_LIMITS.evaluations)
      throw new MaestroError(
        "invalid_request",
        `the body: evaluations is a list of at most ${AUTHZEN_LIMITS.evaluations} questions.`,
      );
    const answers: JsonObject[] = [];
    for (const one of evaluations as readonly JsonValue[]) {
      const answer = await evaluateOne(deps, access, defaults as JsonObject, one);
      answers.push(answer);
      if (semantic === "deny_on_first_deny" && answer["decision"] === false) break;
      if (semantic === "permit_on_first_permit" && answer["decision"] === true) break;
    }
    // Where none was a question, whoever sent them has yet to show that they may ask at all.
    if (!access.wasAsked) await access.on({ type: "policy", id: EVERY_NAMESPACE, namespace: EVERY_NAMESPACE });
    return plain({ evaluations: answers });
  },
});

/** A question that is none is a no of its own, and the others are answered. */
async function evaluateOne(deps: AppDeps, access: Access, defaults: JsonObject, one: JsonValue): Promise<JsonObject> {
  try {
    if (!isJsonObject(one)) throw new SyntaxError("an evaluation is not an object");
    return await evaluate(deps, access, readLoose({ ...defaults, ...one }));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { decision: false, context: { error: { status: 400, message: error.message } } };
  }
}

function semanticOf(options: JsonValue | undefined): Semantic {
  const wanted = isJsonObject(options) ? options["evaluations_semantic"] : undefined;
  if (wanted === undefined) return "execute_all";
  const found = SEMANTICS.find((one) => one === wanted);
  if (found !== undefined) return found;
  throw new MaestroError(
    "invalid_request",
    `the body: options.evaluations_semantic is one of ${SEMANTICS.join(", ")}, not ${JSON.stringify(wanted).slice(0, 100)}.`,
  );
}

async function evaluate(deps: AppDeps, access: Access, loose: ReturnType<typeof readLoose>): Promise<JsonObject> {
  const request = questionOf(loose, deps.environment);
  const decision = await consider(deps, access, request);
  await keep(deps, access, decision, request);
  return { decision: decision.allow, context: contextOf(decision) };
}

/** Errors: `denied` where the asker may not ask about that namespace. */
export async function consider(deps: AppDeps, access: Access, request: GateRequest): Promise<Decision> {
  const { namespace } = request.resource.properties;
  await access.on({ type: "policy", id: namespace, namespace });
  return deps.policy.gate.consider(request, { at: deps.now() });
}

/** That it was asked and what was answered, before it is: whoever enforces it elsewhere has no ledger of ours. */
async function keep(deps: AppDeps, access: Access, decision: Decision, request: GateRequest): Promise<void> {
  const { subject, action, resource } = request;
  const { namespace } = resource.properties;
  await deps.audit.write({
    kind: "read",
    actor: access.actor(namespace),
    action: "policy.evaluate",
    resource: { type: resource.type, id: resource.id },
    namespace: namespace === "*" ? null : namespace,
    allow: decision.allow,
    request: access.requestId,
    decision,
    question: request,
    detail: { subject: `${subject.type}:${subject.id}`, action: action.name },
  });
}

/** In the words of the specification's profiles, as far as they have some. */
function contextOf({ id, reasons, rules, obligations = [] }: Decision): JsonObject {
  return {
    id,
    reasons,
    rules,
    ...(reasons.length === 0 ? {} : { reason_user: { en: reasons.join("; ") } }),
    ...(obligations.length === 0 ? {} : { obligations: obligations.map(profiled) }),
  };
}

function profiled({ id, type, properties }: Obligation): JsonObject {
  return { id, type: type === "notify" ? "notification" : type, properties };
}

/** As the specification has it, without members of ours. */
export function plain(value: JsonObject): Response {
  return new WholeResponse(JSON.stringify(value), {
    headers: { "content-type": "application/json", "cache-control": "no-store" },
  });
}

export const getAuthzenConfiguration = route({
  method: "GET",
  path: "/.well-known/authzen-configuration",
  operation: "getAuthzenConfiguration",
  access: null,
  summary: "AuthZEN: where the policy can be asked.",
  answers: [
    {
      status: 200,
      type: "application/json",
      schema: "AuthzenConfiguration",
      description: "The endpoints, by the address that this was asked at.",
    },
  ],
  handle(_, { request }) {
    const { origin } = targetOf(request);
    return Promise.resolve(
      plain({
        policy_decision_point: origin,
        access_evaluation_endpoint: `${origin}/access/v1/evaluation`,
        access_evaluations_endpoint: `${origin}/access/v1/evaluations`,
        search_subject_endpoint: `${origin}/access/v1/search/subject`,
        search_resource_endpoint: `${origin}/access/v1/search/resource`,
        search_action_endpoint: `${origin}/access/v1/search/action`,
        supported_obligations: ["approval", "step-up", "redact", "notification"],
      }),
    );
  },
});
