import assert from "node:assert/strict";
import type { Shape } from "../../src/api/field.ts";
import type { Route } from "../../src/api/route.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { manifestOf, OURS, strangerTo } from "./tenants.ts";
import type { Tenant } from "./tenants.ts";

/** A name of the same shape as the other namespace's, that stands for nothing. */
const NOBODYS = "yperb";

/** What a path or a body can name of a tenant, each in every way that it can be named. */
export interface Names {
  readonly namespace: string;
  readonly run: readonly string[];
  readonly receipt: readonly string[];
  readonly approval: readonly string[];
  readonly name: readonly string[];
  readonly digest: readonly string[];
  readonly hold: readonly string[];
  readonly decision: readonly string[];
  readonly plan: string;
}

export function namesOf(namespace: string, { run, waiting, approval, artifact, hold, decision, plan }: Tenant): Names {
  const parts = (id: string): readonly string[] => [id, id.slice(-8), id.slice(0, 15)];
  return {
    namespace,
    run: [...parts(run), waiting],
    receipt: [`${run}.1`, run],
    approval: parts(approval),
    name: [`${namespace}-report`, `${namespace}/${namespace}-report`, `${namespace}/${namespace}-report@1.0.0`],
    digest: [artifact],
    hold: [hold],
    decision: [decision],
    plan,
  };
}

/** The same in number and shape, of nobody. */
export function twinOf({ run, waiting, approval, artifact, hold, decision, plan, ...rest }: Tenant): Names {
  return namesOf(NOBODYS, {
    ...rest,
    run: strangerTo(run),
    waiting: strangerTo(waiting),
    approval: strangerTo(approval),
    artifact: strangerTo(artifact),
    hold: strangerTo(hold),
    decision: strangerTo(decision),
    plan: strangerTo(plan),
  });
}

/** Parameters of paths that name nothing of a namespace. */
const NEUTRAL: Readonly<Record<string, string>> = {
  task: `${OURS}_say`,
  tile: "0/000",
  session: "s_0123456789012345678",
  code: "denied",
  // Of the whole installation, for whoever may go past the policy.
  id: "b_0123456789012345678",
};

export interface Attempt {
  readonly path: string;
  readonly body?: object;
}

/** Every request of a route that names something of these names; none where it can name nothing. */
export function attempts(route: Route, names: Names, own: Names): readonly Attempt[] {
  const params = [...route.path.matchAll(/\{(\w+)\*?\}/g)].map((match) => match[1] ?? "");
  const valuesOf = (param: string): readonly string[] => {
    if (param === "name" && route.path.startsWith("/v1/tasks/")) return ["noop@1"];
    // Their artifact is asked for as one of a run of ours, too.
    const known = (names as unknown as Readonly<Record<string, unknown>>)[param];
    if (Array.isArray(known)) return known as readonly string[];
    const neutral = NEUTRAL[param];
    assert.ok(neutral !== undefined, `${route.operation}: these tests do not know what {${param}} is`);
    return [neutral];
  };
  let paths: readonly string[] = [route.path];
  for (const param of params)
    paths = paths.flatMap((path) =>
      valuesOf(param).map((value) => path.replace(new RegExp(`\\{${param}\\*?\\}`), encodeURIComponent(value))),
    );
  if (route.operation === "readRunArtifact")
    paths = [...paths, ...names.digest.map((digest) => `/v1/runs/${own.run[0]}/artifacts/${digest}`)];
  const bodies = route.body === null ? [undefined] : bodiesOf(route, names, own);
  const requests = paths.flatMap((path) => bodies.map((body) => (body === undefined ? { path } : { path, body })));
  const queries = Object.entries(queriesOf(names)).filter(([name]) => Object.hasOwn(route.query, name));
  return [
    ...requests,
    ...queries.flatMap(([name, values]) =>
      values.map((value) => ({ path: `${paths[0]}?${name}=${encodeURIComponent(value)}` })),
    ),
  ];
}

function queriesOf({ namespace, run, name }: Names): Readonly<Record<string, readonly string[]>> {
  const key = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  return {
    namespace: [namespace],
    run,
    parent: run,
    name: name.slice(0, 1),
    workflow: name.slice(0, 1),
    label: [`of=${namespace}`],
    text: [namespace, run[0] ?? ""],
    cursor: [`${run[0]}.1`, `${run[0]}.2`, key([8e15, run[0]])],
  };
}

function bodiesOf({ operation, body }: Route, names: Names, own: Names): readonly (object | undefined)[] {
  const [run = "", ...otherRuns] = names.run;
  const manifest = manifestOf(names.namespace);
  const workflows = names.name.map((workflow) => ({ workflow }));
  const uses = `${manifestOf(OURS).split("tasks:")[0]}tasks:\n    child: { uses: "runbook:${names.namespace}/${names.namespace}-report@1.0.0" }\n`;
  const table: Readonly<Record<string, readonly object[]>> = {
    planWorkflow: [...workflows, { manifest: uses }],
    publishWorkflow: [{ manifest }, { manifest: manifest.replace("1.0.0", "1.0.1") }],
    startRun: [...workflows, { plan: names.plan }, { manifest }, { manifest, dryRun: true }, { manifest: uses }],
    changeRun: [{ action: "cancel" }, { action: "retry" }],
    rerunRun: [{}],
    signalRun: [{ name: "go" }],
    compareRuns: [
      ...[run, ...otherRuns].map((one) => ({ workflow: own.name[0], runs: [own.run[0], one] })),
      ...workflows.map((one) => ({ ...one, runs: [own.run[0]] })),
    ],
    answerApproval: ["approve", "deny"].map((verdict) => ({ verdict, plan: names.plan, reason: "because" })),
    setHold: [...names.run.map((one) => ({ run: one, reason: "x" })), { namespace: names.namespace, reason: "x" }],
    releaseHold: [{ reason: "x" }],
  };
  return table[operation] ?? inferred(operation, body ?? {}, names);
}

/** Of a route that is not in the table: what its fields are called says what they may name. */
function inferred(operation: string, shape: Shape, names: Names): readonly object[] {
  const required = Object.fromEntries(
    Object.entries(shape)
      .filter(([, field]) => !("optional" in field))
      .map(([name, { schema }]) => [name, sampleOf(schema)]),
  );
  const named = Object.entries(shape).flatMap(([name, { schema }]) => {
    const values = { run: names.run, runs: names.run, namespace: [names.namespace], namespaces: [names.namespace] }[
      name
    ];
    if (values === undefined)
      assert.doesNotMatch(
        name,
        /^(workflow|plan|approval|receipt)s?$/,
        `${operation}: what is to be put into /${name}?`,
      );
    return (values ?? []).map((value) => ({ ...required, [name]: schema["type"] === "array" ? [value] : value }));
  });
  return named.length === 0 ? [required] : named;
}

function sampleOf(schema: JsonObject): unknown {
  if (Array.isArray(schema["enum"])) return schema["enum"][0];
  const samples: Readonly<Record<string, unknown>> = {
    string: "x",
    integer: 1,
    number: 1,
    boolean: true,
    array: [],
    object: {},
  };
  return samples[typeof schema["type"] === "string" ? schema["type"] : "object"];
}
