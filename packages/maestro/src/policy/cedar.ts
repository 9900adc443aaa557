import type * as Cedar from "@cedar-policy/cedar-wasm/nodejs";
import type { Digest } from "../core/digest.ts";
import { digestOf } from "../core/digest.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import type { CedarBundle, CedarEngine, CedarRule } from "./cedar-bundle.ts";
import { loadCedarBundle, policiesOf } from "./cedar-bundle.ts";
import { asksFor, NAMESPACE, project } from "./cedar-schema.ts";
import type { Evaluator, Verdict } from "./evaluator.ts";
import type { GateRequest, Occasion } from "./gate.ts";
import { unusable } from "./unusable.ts";

/** Cedar keeps what it has parsed by a name for as long as the thread lives: about 0.1 MB for a policy of a page. */
export const MAX_BUNDLES = 200;

/** What this thread has parsed. */
const parsed = new Set<Digest>();

/** Subjects that are also resources are told apart: a run that asks is a workload. */
const SUBJECTS: Readonly<Record<string, string>> = {
  user: "User",
  service: "Service",
  run: "Workload",
  schedule: "Schedule",
};
/** What resources are whose type the schema does not name for an action. */
const ANY_RESOURCE = `${NAMESPACE}::Resource`;

export interface CedarEvaluator extends Evaluator {
  readonly rules: ReadonlyMap<string, CedarRule>;
}

/** Cedar in this process, on the policies of a folder. Errors: `policy_unusable`. */
export async function cedarEvaluator(folder: string): Promise<CedarEvaluator> {
  const cedar = await loadCedar();
  return evaluatorOf(cedar, await loadCedarBundle(cedar, folder), folder);
}

/** Loaded when it is used: it takes a tenth of a second and 40 MB. */
export async function loadCedar(): Promise<CedarEngine> {
  return import("@cedar-policy/cedar-wasm/nodejs");
}

/** As `cedarEvaluator`, of a bundle that was read. Errors: `policy_unusable`. */
export function evaluatorOf(cedar: CedarEngine, bundle: CedarBundle, folder: string): CedarEvaluator {
  const inForce = new Map([...bundle.rules].filter(([, rule]) => rule.shadow !== true));
  if (inForce.size === bundle.rules.size) return alone(cedar, bundle, folder);
  const trial = alone(cedar, { ...bundle, digest: digestOf({ policy: bundle.digest, trial: true }) }, folder);
  return {
    ...alone(cedar, { ...bundle, rules: inForce }, folder),
    rules: bundle.rules,
    trial: { ...trial, engine: `${trial.engine} with @shadow` },
  };
}

/** Of all rules that the bundle has. */
function alone(cedar: CedarEngine, bundle: CedarBundle, folder: string): CedarEvaluator {
  prepare(cedar, bundle, folder);
  const { digest, rules, schema } = bundle;
  const wantsTime = asksFor(schema, "time");
  return {
    engine: `cedar@${cedar.getCedarSDKVersion()}`,
    policyDigest: digest,
    // What looks at the clock may answer otherwise in a moment.
    repeatable: !wantsTime,
    rules,
    sources: () => [bundle.source],
    evaluate: (request, occasion) => {
      const call = callOf(bundle, request, wantsTime ? occasion : undefined);
      return verdictOf(cedar.statefulIsAuthorized(call), rules, request);
    },
  };
}

function prepare(cedar: CedarEngine, { digest, rules, schemaText }: CedarBundle, folder: string): void {
  if (parsed.has(digest)) return;
  if (parsed.size >= MAX_BUNDLES)
    throw unusable(folder, [
      `Cedar has read ${MAX_BUNDLES} different policies since this process started, and cannot forget any; start it again`,
    ]);
  for (const answer of [
    cedar.preparseSchema(digest, schemaText),
    cedar.preparsePolicySet(digest, policiesOf(rules.values())),
  ])
    if (answer.type === "failure")
      throw unusable(
        folder,
        answer.errors.map(({ message }) => message),
      );
  parsed.add(digest);
}

function callOf(
  { digest, schema }: CedarBundle,
  { subject, action, resource, context }: GateRequest,
  occasion: Occasion | undefined,
): Cedar.StatefulAuthorizationCall {
  const entityOf = (
    type: string,
    id: string,
    properties: JsonObject,
    parents: readonly Cedar.TypeAndId[],
  ): Cedar.EntityJson => {
    const entity = schema.entities.get(type);
    // Without a shape Cedar would refuse the type; it says so better than we could.
    const attrs = entity === undefined ? {} : (project({ ...properties, id }, entity.attributes) as Attributes);
    return { uid: { type, id }, attrs, parents: parents.filter((parent) => entity?.parents.includes(parent.type)) };
  };
  const { roles } = subject.properties;
  const principal = entityOf(
    `${NAMESPACE}::${SUBJECTS[subject.type] ?? pascal(subject.type)}`,
    subject.id,
    subject.properties,
    Array.isArray(roles) ? roles.map((role) => ({ type: `${NAMESPACE}::Role`, id: role })) : [],
  );
  const known = schema.actions.get(action.name);
  const resourceType = `${NAMESPACE}::${pascal(resource.type)}`;
  const target = entityOf(
    known?.resources.has(resourceType) === true ? resourceType : ANY_RESOURCE,
    resource.id,
    { ...resource.properties, type: resource.type },
    [{ type: `${NAMESPACE}::Namespace`, id: resource.properties.namespace }],
  );
  const told: Record<string, JsonValue> = {
    ...context,
    ...(action.properties === undefined ? {} : { action: action.properties }),
    ...(occasion === undefined ? {} : { time: occasion.at }),
  };
  return {
    principal: principal.uid,
    action: { type: `${NAMESPACE}::Action`, id: action.name },
    resource: target.uid,
    context: (known === undefined ? {} : project(told, known.context)) as Cedar.Context,
    preparsedSchemaName: digest,
    preparsedPolicySetId: digest,
    validateRequest: true,
    entities: [principal, target],
  };
}

/** An error in one policy is a deny: Cedar leaves that policy out, and if it was the one that forbids, the rest would allow. */
function verdictOf(
  answer: Cedar.AuthorizationAnswer,
  rules: ReadonlyMap<string, CedarRule>,
  { subject, action, resource }: GateRequest,
): Verdict {
  if (answer.type === "failure")
    return refused(
      `the request does not fit the policy's schema: ${answer.errors.map(({ message }) => message).join("; ")}`,
    );
  const { decision, diagnostics } = answer.response;
  if (diagnostics.errors.length > 0)
    return refused(
      ...diagnostics.errors.map(({ policyId, error }) => `policy ${policyId} could not be evaluated: ${error.message}`),
    );
  const determining = diagnostics.reason
    .flatMap((id) => rules.get(id) ?? [])
    .toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const obligations = determining.flatMap((rule) => rule.obligations);
  const allow = decision === "allow" && determining.length > 0;
  return {
    allow,
    rules: determining.map(({ id }) => id),
    reasons:
      determining.length === 0
        ? [`no policy permits ${subject.type} ${subject.id} to do ${action.name} on ${resource.type} ${resource.id}`]
        : determining.map((rule) => sentenceOf(rule)),
    ...(obligations.length === 0 ? {} : { obligations }),
  };
}

function sentenceOf({ id, effect, why, fix }: CedarRule): string {
  const said = why ?? `policy ${id} ${effect}s it`;
  return effect === "forbid" && fix !== undefined ? `${said} ${fix}` : said;
}

function refused(...reasons: readonly string[]): Verdict {
  return { allow: false, rules: [], reasons };
}

type Attributes = Cedar.EntityJson["attrs"];

/** `break-glass` is `BreakGlass`. */
function pascal(type: string): string {
  return type.replaceAll(/(?:^|[-_. ]+)([A-Za-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
