import { findWorkflow } from "../catalog/find.ts";
import type { Decision } from "../core/event.ts";
import type { JsonObject } from "../core/json.ts";
import type { Plan } from "../core/plan.ts";
import { MaestroError } from "../core/problem.ts";
import { startQuestion } from "../engine/questions.ts";
import { subjectIn } from "../identity/caller.ts";
import { askCandidate, CANDIDATE_LIMITS } from "../policy/candidate.ts";
import type { CandidateAnswers, CandidateFile } from "../policy/candidate.ts";
import { answersOf, flipsOf } from "../policy/difference.ts";
import type { Verdict } from "../policy/evaluator.ts";
import { explain } from "../policy/explanation.ts";
import type { GateRequest } from "../policy/gate.ts";
import { questionOf, readAction, readContext, readEntity } from "../policy/question.ts";
import type { LooseQuestion } from "../policy/question.ts";
import { recorded, RECORDED_LIMITS } from "../policy/recorded.ts";
import { lackingOf } from "../policy/unstored.ts";
import type { StoredPlan } from "../store/store.ts";
import type { Access } from "./access.ts";
import type { AppDeps } from "./app-deps.ts";
import { flag, integer, jsonObject, list, objectOf, optional, text } from "./field.ts";
import { object } from "./respond.ts";
import { route } from "./route.ts";

/** Base64 is a third longer, and names and questions come besides. */
const MAX_BODY = Math.ceil(CANDIDATE_LIMITS.bytes * 1.4) + 256 * 1024;

const FILES = list(
  "A policy that is not in force: the files of its folder. `*.cedar` with `schema.cedarschema`, or `policy.wasm` with `data.json`.",
  objectOf("A file.", {
    name: text("Its name in the folder.", { max: 120 }),
    base64: text("Its content.", { min: 0, max: CANDIDATE_LIMITS.bytes * 1.4 }),
  }),
  CANDIDATE_LIMITS.files,
);

export const getPolicy = route({
  method: "GET",
  path: "/v1/policy",
  operation: "getPolicy",
  access: { action: "policy.read", as: "read" },
  summary: "The policy that is enforced: its engine, its digest and its rules; what is on trial; who goes past it now.",
  answers: [
    {
      status: 200,
      type: "application/json",
      schema: "Policy",
      description:
        "`rules`: id, effect, why, fix and file of each, `shadow` where it is on trial; `shadows`: how policies on trial compare.",
    },
  ],
  async handle({ policy, environment }, { access }) {
    await access.onInstallation();
    const { live, shadows, breakGlass } = policy;
    return object("Policy", {
      engine: live.engine,
      policyDigest: live.policyDigest,
      environment,
      rules: [...live.rules.values()].map(({ id, effect, why, fix, file, shadow }) => ({
        id,
        effect,
        why: why ?? null,
        fix: fix ?? null,
        file: file ?? null,
        shadow: shadow === true,
      })),
      shadows: shadows.evaluators.map(({ engine, policyDigest }) => ({
        engine,
        policyDigest,
        ...(shadows.counts.get(engine) ?? { agreed: 0, differed: 0, failed: 0, late: 0 }),
      })),
      channels: Object.keys(live.settings.notify),
      breakGlass: { longestMs: breakGlass.longestMs, open: breakGlass.current },
    });
  },
});

export const askPolicy = route({
  method: "POST",
  path: "/v1/policy/questions",
  operation: "askPolicy",
  access: { action: "policy.ask", as: "read" },
  summary:
    "What the policy would say, or one that is not in force. Nothing is carried out, nobody is told, and no emergency counts. Without `subject` it is about whoever asks.",
  maxBody: MAX_BODY,
  body: {
    subject: optional(jsonObject("AuthZEN: `type`, `id`, `properties` with `roles`.")),
    action: jsonObject("`name`, `run.start` or any other; `properties`."),
    resource: optional(jsonObject("`type`, `id`, `properties` with `namespace`; absent: the installation.")),
    context: optional(jsonObject("`purpose`, `authority` and whatever else policies look at.")),
    files: optional(FILES),
  },
  answers: [
    {
      status: 200,
      type: "application/json",
      schema: "PolicyAnswer",
      description:
        "`allow`, and the `explanation` of it; `policyDigest` of the policy that was asked; `unknown`: what of a runbook could not be looked up, so that the answer is one without it.",
    },
  ],
  async handle(deps, { body, access }) {
    const { policy, environment, now } = deps;
    const named = asked(() => (body.resource === undefined ? INSTALLATION : readEntity(body.resource, "resource")));
    const { resource, unknown } = await withPlan(deps, access, named);
    const request = asked(() => {
      const loose = {
        action: readAction(body.action),
        resource,
        ...readContext(body.context),
      };
      if (body.subject !== undefined)
        return questionOf({ ...loose, subject: readEntity(body.subject, "subject") }, environment);
      const own = questionOf({ ...loose, subject: { type: access.caller.type, id: access.caller.id } }, environment);
      return { ...own, subject: subjectIn(access.caller, own.resource.properties.namespace) };
    });
    await access.on(placeOf(request));
    if (body.files === undefined) {
      const decision = await policy.gate.consider(request, { at: now() });
      return object("PolicyAnswer", { ...answerOf(decision, request, deps), unknown });
    }
    await access.on(placeOf(request), "policy.read");
    const tried = await askCandidate({ files: filesOf(body.files), questions: [request], at: now() });
    return object("PolicyAnswer", { ...candidateAnswer(tried, request, deps), unknown });
  },
});

/** A stored runbook is known by its name, as that of a run is: what its plan says of it need not be repeated. */
async function withPlan(
  { catalog, environment }: AppDeps,
  access: Access,
  resource: LooseQuestion["resource"],
): Promise<Looked> {
  if (resource.type !== "runbook") return { resource, unknown: [] };
  const [, namespace = ""] = RUNBOOK.exec(resource.id) ?? [];
  // What one may not see is as if it were not there.
  const isSeen = namespace !== "" && access.sees(namespace);
  const stored = isSeen ? await storedPlan(catalog, resource.id, access.scope) : undefined;
  if (stored === undefined) return { resource, unknown: lackingOf(resource) };
  const program = { plan: JSON.parse(stored.text) as Plan, digest: stored.digest };
  const initiator = access.actor(namespace);
  const known = startQuestion(program, { purpose: "", authority: "", initiator }, environment).resource;
  return { resource: { ...known, properties: { ...known.properties, ...resource.properties } }, unknown: [] };
}

/** Undefined where there is none. Errors: as of `findWorkflow`, of one that is there. */
async function storedPlan(
  catalog: AppDeps["catalog"],
  reference: string,
  namespaces: readonly string[] | undefined,
): Promise<StoredPlan | undefined> {
  try {
    return (await findWorkflow(catalog, reference, namespaces)).plan;
  } catch (error) {
    // A question may be about a runbook that is being written.
    if (error instanceof MaestroError && (error.code === "not_found" || error.code === "invalid_request"))
      return undefined;
    throw error;
  }
}

interface Looked {
  readonly resource: LooseQuestion["resource"];
  /** What the answer lacks, for people. */
  readonly unknown: readonly string[];
}

const RUNBOOK = /^([^/@]+)\/[^/@]+(?:@[^/@]+)?$/;

const INSTALLATION = { type: "installation", id: "*" } as const;

/** A question is about its namespace. */
function placeOf(request: GateRequest): Parameters<Access["on"]>[0] {
  const { namespace } = request.resource.properties;
  return { type: "policy", id: namespace, namespace };
}

function answerOf(decision: Decision, request: GateRequest, { policy, now }: AppDeps): object {
  const explanation = explain({ decision, request, at: now() }, policy.live);
  return { allow: decision.allow, policyDigest: decision.policyDigest, engine: decision.engine, explanation };
}

function candidateAnswer(
  { engine, policyDigest, rules, answers }: CandidateAnswers,
  request: GateRequest,
  { now }: AppDeps,
): object {
  const [verdict] = answers;
  const { allow, reasons, rules: by, obligations }: Verdict = verdict ?? { allow: false, reasons: [], rules: [] };
  const decision: Decision = {
    id: "d_candidate",
    allow,
    reasons,
    rules: by,
    policyDigest,
    requestDigest: policyDigest,
    engine,
    ...(obligations === undefined ? {} : { obligations }),
  };
  const current = { policyDigest, rules: new Map(rules.map((rule) => [rule.id, rule])) };
  const { advice: _, ...explanation } = explain({ decision, request, at: now() }, current);
  return { allow, policyDigest, engine, explanation };
}

export const comparePolicy = route({
  method: "POST",
  path: "/v1/policy/differences",
  operation: "comparePolicy",
  access: { action: "policy.read", as: "evidence" },
  summary:
    "Asks recorded questions again, of a policy that is not in force or of those on trial, and tells which answers would have been others.",
  maxBody: MAX_BODY,
  body: {
    files: optional(FILES),
    shadow: optional(flag("Of the policies on trial instead.")),
    overMs: integer("Questions of the last so many milliseconds.", { min: 1_000, max: 400 * 86_400_000 }),
    limit: optional(
      integer("Different questions at most, the newest first; default 2000.", {
        min: 1,
        max: RECORDED_LIMITS.questions,
      }),
    ),
  },
  answers: [
    {
      status: 200,
      type: "application/json",
      schema: "PolicyDifference",
      description:
        "`flips`: who would be allowed or denied what, by which rules, and how often; `asked`, `decisions`, `missing`, `past` and `cut` say what it is of.",
    },
  ],
  async handle(deps, { body, access }) {
    const { policy, store, now, audit } = deps;
    if ((body.files === undefined) === (body.shadow !== true))
      throw new MaestroError("invalid_request", "the body: either `files` of a policy, or `shadow`.");
    const namespaces = await access.inNamespaces();
    await audit.flush();
    const at = now();
    const { questions, ...counts } = await recorded(store, {
      from: at - body.overMs,
      limit: body.limit ?? 2_000,
      ...(namespaces === undefined ? {} : { namespaces }),
    });
    const requests = questions.map(({ request }) => request);
    const ability = { channels: new Set(Object.keys(policy.live.settings.notify)), redacts: true };
    const compared: object[] = [];
    if (body.files !== undefined) {
      const tried = await askCandidate({ files: filesOf(body.files), questions: requests, at });
      compared.push({ ...nameOf(tried), unanswered: 0, flips: flipsOf(questions, tried.answers, ability) });
    }
    for (const one of body.files === undefined ? policy.shadows.evaluators : []) {
      const answers = await answersOf(one, requests, { at });
      const unanswered = requests.length - answers.filter((answer) => answer !== undefined).length;
      compared.push({ ...nameOf(one), unanswered, flips: flipsOf(questions, answers, ability) });
    }
    return object("PolicyDifference", { asked: questions.length, ...counts, policies: compared });
  },
});

function nameOf({ engine, policyDigest }: { readonly engine: string; readonly policyDigest: string }): JsonObject {
  return { engine, policyDigest };
}

function filesOf(files: readonly { readonly name: string; readonly base64: string }[]): readonly CandidateFile[] {
  return files.map(({ name, base64 }) => ({ name, bytes: Buffer.from(base64, "base64") }));
}

/** Runs a reader of questions. Errors: `invalid_request`. */
export function asked<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new MaestroError("invalid_request", `the body: ${error.message}`, { cause: error });
  }
}

export const reloadPolicy = route({
  method: "POST",
  path: "/v1/policy/reload",
  operation: "reloadPolicy",
  access: { action: "policy.manage", as: "change" },
  summary: "Reads policy.yaml and all that it names again. A policy that cannot be used changes nothing.",
  body: {},
  answers: [
    {
      status: 200,
      type: "application/json",
      schema: "PolicyReload",
      description: "`before` and `after`: the digests; `restart`: members of policy.yaml that wait for the next start.",
    },
  ],
  async handle({ policy }, { access }) {
    await access.onInstallation();
    return object("PolicyReload", await policy.live.reload());
  },
});
