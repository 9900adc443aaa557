import { canonical } from "../core/canonical.ts";
import { digestOf, sha256 } from "../core/digest.ts";
import type { Digest } from "../core/digest.ts";
import type { JsonObject } from "../core/json.ts";
import type { Plan } from "../core/plan.ts";
import { MaestroError } from "../core/problem.ts";
import { suggest } from "../core/suggest.ts";
import type { Store, StoredPlan } from "../store/store.ts";
import type { AppDeps, Compiled } from "./app.ts";
import { integer, optional, text } from "./field.ts";
import { findRun } from "./find-run.ts";
import { object, objectOfTexts } from "./respond.ts";
import { route } from "./route.ts";

/** A manifest is read by people; a larger one is data in the wrong place. The manifest reader has limits of its own. */
export const MAX_MANIFEST = 4 * 1024 * 1024;

export const DIGEST_PATTERN = "^sha256:[0-9a-f]{64}$";

/** How a request names what to run. */
export const PLAN_SOURCE = {
  manifest: optional(text("The manifest's text, YAML or JSON.", { min: 0, max: MAX_MANIFEST })),
  file: optional(text("The manifest's file name, for diagnostics.", { max: 4096 })),
  folder: optional(
    text(
      "Absolute. Runbooks that the manifest names and that are not stored are looked for among the manifests here.",
      {
        max: 4096,
        pattern: "^/",
      },
    ),
  ),
  workflow: optional(
    text("A stored workflow: `name`, `namespace/name`, either with `@version`. Without a version, the newest.", {
      max: 300,
    }),
  ),
} as const;

export const planWorkflow = route({
  method: "POST",
  path: "/v1/plan",
  operation: "planWorkflow",
  summary: "Compiles without running: what would be asked, touched and spent, and the digest that approvals name.",
  body: PLAN_SOURCE,
  maxBody: 2 * MAX_MANIFEST,
  answers: [
    {
      status: 200,
      type: "application/json",
      description: "`plan` and `digest`, both null when `diagnostics` has errors; `diagnostics`, errors and warnings.",
    },
      schema: "Plan",
  ],
  async handle(deps, { body }) {
    if (body.manifest === undefined) {
      const stored = await storedWorkflow(deps.store, sourceOf(body));
      return objectOfTexts("Plan", { digest: JSON.stringify(stored.digest), plan: stored.text, diagnostics: "[]" });
    }
    sourceOf(body);
    const { plan, diagnostics } = await deps.compile(body.manifest, body.file ?? "manifest", body.folder);
    return object("Plan", { digest: plan === null ? null : digestOf(asJson(plan)), plan, diagnostics });
  },
});

export const getRunPlan = route({
  method: "GET",
  path: "/v1/runs/{run}/plan",
  operation: "getRunPlan",
  summary: "The plan a run keeps, and the manifest it was compiled from.",
  answers: [
    {
      status: 200,
      type: "application/json",
      schema: "Plan",
      description: "`digest`, `plan` and `manifest` (its text).",
    },
  ],
  async handle({ store }, { params }) {
    const run = await findRun(store, params.run);
    const stored = await store.planGet(run.planDigest);
    if (stored === undefined)
      throw new MaestroError(
        "store_corrupt",
        `Run ${run.id} names plan ${run.planDigest}, which is not in the database.`,
      );
    return objectOfTexts("Plan", {
      digest: JSON.stringify(stored.digest),
      plan: stored.text,
      manifest: JSON.stringify(stored.manifest),
    });
  },
});

export const listWorkflows = route({
  method: "GET",
  path: "/v1/workflows",
  operation: "listWorkflows",
  summary: "Workflows that have run here, by name, the newest version first.",
  query: {
    namespace: optional(text("Only this namespace.", { max: 100 })),
    name: optional(text("Only this name.", { max: 100 })),
    limit: optional(integer("Default 100.", { min: 1, max: 1000 })),
  },
  answers: [
    {
      status: 200,
      type: "application/json",
      description: "`workflows`: namespace, name, version, digest and createdAt of each.",
    },
  ],
  async handle({ store }, { query }) {
    const found = await store.workflowList({ ...query, limit: query.limit ?? 100 });
    return object("WorkflowList", {
      workflows: found.map(({ namespace, name, version, digest, createdAt }) => ({
        namespace,
        name,
        version,
        digest,
        createdAt,
      })),
    });
  },
});

interface PlanSource {
  readonly manifest?: string;
  readonly file?: string;
  readonly folder?: string;
  readonly workflow?: string;
}

/** The plan to start from. With `expected`, exactly that one. Errors: `invalid_manifest`, `not_found`, `plan_changed`. */
export async function resolvePlan(deps: AppDeps, source: PlanSource & { readonly plan?: string }): Promise<StoredPlan> {
  const expected = source.plan;
  if (expected !== undefined && source.manifest === undefined && source.workflow === undefined) {
    const stored = await deps.store.planGet(expected as Digest);
    if (stored === undefined) throw new MaestroError("not_found", `No plan with digest ${expected} is stored here.`);
    return stored;
  }
  const reference = sourceOf(source);
  const stored =
    source.manifest === undefined
      ? await storedWorkflow(deps.store, reference)
      : await compileToStore(deps, source.manifest, source.file ?? "manifest", source.folder);
  if (expected !== undefined && stored.digest !== expected) {
    throw new MaestroError("plan_changed", `The plan is ${stored.digest} now, not ${expected}.`, {
      facts: { expected, actual: stored.digest },
      fix: "Look at the plan as it is now with `maestro plan`, then pass its digest.",
    });
  }
  return stored;
}

/** The workflow reference, or "" where a manifest is given. Exactly one of the two must be there. */
function sourceOf(source: PlanSource): string {
  if ((source.manifest === undefined) === (source.workflow === undefined)) {
    throw new MaestroError(
      "invalid_request",
      "Give either `manifest` (a text) or `workflow` (a stored one's name), one of the two.",
    );
  }
  return source.workflow ?? "";
}

async function compileToStore(
  deps: AppDeps,
  manifest: string,
  file: string,
  folder: string | undefined,
): Promise<StoredPlan> {
  const compiled = await deps.compile(manifest, file, folder);
  if (compiled.plan === null) throw invalidManifest(compiled, file);
  return storedPlan(compiled.plan, manifest, deps.now());
}

function storedPlan(plan: Plan, manifest: string, now: number): StoredPlan {
  const text = canonical(asJson(plan));
  const { namespace, name, version, digest } = plan.workflow;
  return { digest: sha256(text), namespace, name, version, manifestDigest: digest, text, manifest, createdAt: now };
}

function invalidManifest({ diagnostics }: Compiled, file: string): MaestroError {
  const errors = diagnostics.filter((one) => one["severity"] === "error");
  const first = errors[0]?.["message"];
  const count = errors.length === 1 ? "one problem" : `${errors.length} problems`;
  return new MaestroError(
    "invalid_manifest",
    `${file} has ${count}${typeof first === "string" ? `; the first: ${first}` : ""}`,
    { facts: { diagnostics: [...diagnostics] } },
  );
}

async function storedWorkflow(store: Store, reference: string): Promise<StoredPlan> {
  const match = /^(?:([a-z0-9-]+)\/)?([a-z0-9-]+)(?:@([0-9A-Za-z.+-]+))?$/.exec(reference);
  if (match === null)
    throw new MaestroError(
      "invalid_request",
      `${JSON.stringify(reference)} is not a workflow's name; write name, namespace/name or namespace/name@version.`,
    );
  const [, namespace, name = "", version] = match;
  const query = {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ...(version === undefined ? {} : { version }),
  };
  const found = await store.workflowList({ ...query, limit: 50 });
  const [newest] = found;
  if (newest === undefined) throw await unknownWorkflow(store, reference, name);
  const other = found.find((one) => one.namespace !== newest.namespace);
  if (other !== undefined) {
    const candidates = [`${newest.namespace}/${name}`, `${other.namespace}/${name}`];
    throw new MaestroError("ambiguous_id", `${name} exists in several namespaces: ${candidates.join(", ")}.`, {
      facts: { candidates },
      fix: "Write namespace/name.",
    });
  }
  return newest;
}

async function unknownWorkflow(store: Store, reference: string, name: string): Promise<MaestroError> {
  const known = await store.workflowList({ limit: 1000 });
  const near = suggest(name, new Set(known.map((one) => one.name)));
  return new MaestroError(
    "not_found",
    `No workflow ${reference} has run here.${near === undefined ? "" : ` Did you mean ${near}?`}`,
    {
      fix: "Give the manifest's file: `maestro run FILE`.",
    },
  );
}

/** A plan is pure JSON by construction; its optional members are absent, never undefined. */
function asJson(plan: Plan): JsonObject {
  return plan as unknown as JsonObject;
}
