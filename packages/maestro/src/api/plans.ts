import { findWorkflow, planByDigest } from "../catalog/find.ts";
import { storedPlan } from "../catalog/publish.ts";
import type { Digest } from "../core/digest.ts";
import { digestOf } from "../core/digest.ts";
import type { JsonObject } from "../core/json.ts";
import type { Plan } from "../core/plan.ts";
import { MaestroError } from "../core/problem.ts";
import { EVERY_NAMESPACE, rolesIn } from "../identity/caller.ts";
import type { Store, StoredPlan } from "../store/store.ts";
import type { Access, Target } from "./access.ts";
import type { AppDeps, Compiled } from "./app-deps.ts";
import { IF_NONE_MATCH, tagOf } from "./etag.ts";
import { optional, text } from "./field.ts";
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
      "Absolute; the owner's to name. Runbooks that the manifest names and that are not stored are looked for among the manifests here.",
      {
        max: 4096,
        pattern: "^/",
      },
    ),
  ),
  workflow: optional(
    text(
      "A stored workflow: `name`, `namespace/name`, either with `@version`. Without a version: a file of the watched folder, else the highest that was published.",
      {
        max: 300,
      },
    ),
  ),
} as const;

export const planWorkflow = route({
  method: "POST",
  path: "/v1/plan",
  operation: "planWorkflow",
  access: { action: "plan.compile", as: "read" },
  summary: "Compiles without running: what would be asked, touched and spent, and the digest that approvals name.",
  body: PLAN_SOURCE,
  maxBody: 2 * MAX_MANIFEST,
  answers: [
    {
      status: 200,
      type: "application/json",
      schema: "Plan",
      description: "`plan` and `digest`, both null when `diagnostics` has errors; `diagnostics`, errors and warnings.",
    },
  ],
  async handle(deps, { body, access }) {
    if (body.manifest === undefined) {
      const { plan: stored } = await findWorkflow(deps.catalog, sourceOf(body), access.scope);
      await access.on(workflowTarget(stored), "catalog.read");
      return objectOfTexts("Plan", { digest: JSON.stringify(stored.digest), plan: stored.text, diagnostics: "[]" });
    }
    sourceOf(body);
    refuseFolders(access, body);
    await access.inNamespaces();
    const { plan, diagnostics } = await deps.compile(body.manifest, body.file ?? "manifest", body.folder, access.scope);
    return object("Plan", { digest: plan === null ? null : digestOf(asJson(plan)), plan, diagnostics });
  },
});

export const getRunPlan = route({
  method: "GET",
  path: "/v1/runs/{run}/plan",
  operation: "getRunPlan",
  access: { action: "run.read", as: "read" },
  summary: "The plan a run keeps, and the manifest it was compiled from.",
  answers: [
    {
      status: 200,
      type: "application/json",
      schema: "Plan",
      description: "`digest`, `plan` and `manifest` (its text). With `ETag`; 304 for `If-None-Match`.",
    },
  ],
  headers: [IF_NONE_MATCH],
  async handle({ store }, { params, access }) {
    const run = await access.onRun(params.run);
    const stored = await planOfRun(store, run.id, run.planDigest);
    const answer = objectOfTexts("Plan", {
      digest: JSON.stringify(stored.digest),
      plan: stored.text,
      manifest: JSON.stringify(stored.manifest),
    });
    answer.headers.set("etag", tagOf(stored.digest));
    return answer;
  },
});

/** Errors: `store_corrupt`. */
export async function planOfRun(store: Pick<Store, "planGet">, run: string, digest: Digest): Promise<StoredPlan> {
  const stored = await store.planGet(digest);
  if (stored !== undefined) return stored;
  throw new MaestroError("store_corrupt", `Run ${run} names plan ${digest}, which is not in the database.`);
}

interface PlanSource {
  readonly manifest?: string;
  readonly file?: string;
  readonly folder?: string;
  readonly workflow?: string;
}

export function workflowTarget({
  namespace,
  name,
  version,
}: Pick<StoredPlan, "namespace" | "name" | "version">): Target {
  return { type: "runbook", id: `${namespace}/${name}`, namespace, properties: { version } };
}

/** The plan to start from. With `expected`, exactly that one. Errors: `invalid_manifest`, `not_found`, `plan_changed`, `verification_failed`, `denied`. */
export async function resolvePlan(
  deps: AppDeps,
  access: Access,
  source: PlanSource & { readonly plan?: string },
): Promise<StoredPlan> {
  const expected = source.plan;
  if (expected !== undefined && source.manifest === undefined && source.workflow === undefined) {
    const plan = await planByDigest(deps.catalog, expected, access.scope);
    await access.on(workflowTarget(plan), "catalog.read");
    return plan;
  }
  const reference = sourceOf(source);
  const stored =
    source.manifest === undefined
      ? (await findWorkflow(deps.catalog, reference, access.scope)).plan
      : await compileGiven(deps, access, { ...source, manifest: source.manifest });
  if (source.manifest === undefined) await access.on(workflowTarget(stored), "catalog.read");
  if (expected !== undefined && stored.digest !== expected) {
    throw new MaestroError("plan_changed", `The plan is ${stored.digest} now, not ${expected}.`, {
      facts: { expected, actual: stored.digest },
      fix: "Look at the plan as it is now with `maestro plan`, then pass its digest.",
    });
  }
  return stored;
}

/** Compiling reads folders of this machine, so it is asked for before. */
async function compileGiven(
  deps: AppDeps,
  access: Access,
  { manifest, file, folder }: PlanSource & { readonly manifest: string },
): Promise<StoredPlan> {
  refuseFolders(access, { folder });
  await access.inNamespaces(undefined, "plan.compile");
  const { plan } = await compileOrRefuse(deps, access, manifest, file ?? "manifest", folder);
  // What a manifest calls its namespace is not told before it is read; a run that nobody there may start leaves no trace there.
  await access.on(workflowTarget(plan.workflow), "plan.compile");
  return storedPlan(plan, manifest, deps.now());
}

/**
 * Folders of this machine are its owner's to name: a role is for what a namespace has, and what lies elsewhere may be anybody's.
 * Errors: `denied`.
 */
export function refuseFolders(
  { caller }: Pick<Access, "caller">,
  named: { readonly folder?: string | undefined; readonly base?: string | undefined },
): void {
  if (rolesIn(caller, EVERY_NAMESPACE).includes("owner")) return;
  for (const name of ["folder", "base"] as const)
    if (named[name] !== undefined)
      throw new MaestroError(
        "denied",
        `Only the owner of this control plane may name a folder of its machine: ${name}.`,
        {
          fix: "Leave it out. Publish the runbooks that the manifest uses, and give tasks what they need as inputs.",
        },
      );
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

/** Errors: `invalid_manifest` with the diagnostics in `facts`. */
export async function compileOrRefuse(
  deps: AppDeps,
  { scope }: Access,
  manifest: string,
  file: string,
  folder: string | undefined,
): Promise<{ readonly plan: Plan; readonly diagnostics: Compiled["diagnostics"] }> {
  const compiled = await deps.compile(manifest, file, folder, scope);
  if (compiled.plan === null) throw invalidManifest(compiled, file);
  return { plan: compiled.plan, diagnostics: compiled.diagnostics };
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

/** A plan is pure JSON by construction; its optional members are absent, never undefined. */
function asJson(plan: Plan): JsonObject {
  return plan as unknown as JsonObject;
}
