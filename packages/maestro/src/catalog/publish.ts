import { canonical } from "../core/canonical.ts";
import { sha256 } from "../core/digest.ts";
import type { JsonObject } from "../core/json.ts";
import type { Plan } from "../core/plan.ts";
import { MaestroError } from "../core/problem.ts";
import { sealWorkflow } from "../provenance/workflow-statement.ts";
import type { PublishedRow, StoredPlan } from "../store/store.ts";
import type { Catalog } from "./catalog.ts";

export interface Published {
  readonly row: PublishedRow;
  readonly plan: StoredPlan;
  /** False: this very version was published before. */
  readonly created: boolean;
}

/**
 * Signs a version and keeps it for good. The same content again is no change, white space and comments of the manifest not
 * counted. Errors: `conflict` where that version was published with another content.
 */
export async function publish(catalog: Catalog, plan: Plan, manifest: string, by: string): Promise<Published> {
  const { store, signer, version: maestro } = catalog;
  const stored = storedPlan(plan, manifest, catalog.now());
  const { namespace, name, version, digest } = stored;
  const known = await store.publishedGet(namespace, name, version);
  if (known !== undefined) return again(catalog, known, stored);
  await store.planPut(stored);
  const facts = {
    namespace,
    name,
    version,
    plan: digest,
    manifest: stored.manifestDigest,
    source: sha256(manifest),
    publishedAt: stored.createdAt,
    publishedBy: by,
  };
  const { bundle } = sealWorkflow(facts, signer, maestro);
  const row = { namespace, name, version, planDigest: digest, manifest, bundle, createdAt: stored.createdAt };
  if (await store.publishedPut(row)) return { row, plan: stored, created: true };
  const first = await store.publishedGet(namespace, name, version);
  if (first === undefined) throw new TypeError(`${namespace}/${name}@${version} is taken and not there`);
  return again(catalog, first, stored);
}

async function again({ store }: Catalog, row: PublishedRow, given: StoredPlan): Promise<Published> {
  if (row.planDigest === given.digest) return { row, plan: given, created: false };
  const ref = `${row.namespace}/${row.name}@${row.version}`;
  const before = await store.planGet(row.planDigest);
  const why =
    before?.manifestDigest === given.manifestDigest
      ? "the manifest is the same, but a task type or a runbook it uses is another one now, and so is its plan"
      : "with another content";
  throw new MaestroError("conflict", `${ref} was published already: ${why}. A published version never changes.`, {
    facts: { workflow: ref, published: row.planDigest, given: given.digest },
    fix: "Raise metadata.version in the manifest, then publish it; `maestro catalog diff` shows what changed.",
  });
}

export function storedPlan(plan: Plan, manifest: string, now: number): StoredPlan {
  // A plan is pure JSON by construction; its optional members are absent, never undefined.
  const text = canonical(plan as unknown as JsonObject);
  const { namespace, name, version, digest } = plan.workflow;
  return { digest: sha256(text), namespace, name, version, manifestDigest: digest, text, manifest, createdAt: now };
}
