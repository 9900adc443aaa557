import { sha256 } from "../core/digest.ts";
import { MaestroError } from "../core/problem.ts";
import { verifyWorkflow } from "../provenance/verify-workflow.ts";
import type { PublishedRow, StoredPlan } from "../store/store.ts";
import type { Catalog } from "./catalog.ts";

/**
 * The plan of a published version, once its signature says that this is what was published. About 250 µs, at each start:
 * who can write the database can change rows and checksums, and cannot sign.
 * Errors: `verification_failed`, `store_corrupt` where the plan is gone or damaged.
 */
export async function verifyPublished(
  { store, trustRoot }: Pick<Catalog, "store" | "trustRoot">,
  row: PublishedRow,
): Promise<StoredPlan> {
  const ref = `${row.namespace}/${row.name}@${row.version}`;
  const plan = await store.planGet(row.planDigest);
  if (plan === undefined)
    throw new MaestroError("store_corrupt", `The plan ${row.planDigest} of ${ref} is not in the database.`, {
      facts: { workflow: ref, plan: row.planDigest },
    });
  const { checks } = verifyWorkflow(Buffer.from(row.bundle), {
    trustRoot,
    expected: { workflow: ref, plan: plan.digest, manifest: plan.manifestDigest },
    files: [{ path: "the manifest", digest: sha256(row.manifest) }],
  });
  const failed = checks.find(({ status }) => status === "failed");
  if (failed !== undefined) throw notAsPublished(ref, `the check "${failed.title}" fails: ${failed.detail}`);
  // The name stands in the plan too, and that is what a run goes by.
  if (plan.namespace !== row.namespace || plan.name !== row.name || plan.version !== row.version)
    throw notAsPublished(ref, `its plan is that of ${plan.namespace}/${plan.name}@${plan.version}`);
  return { ...plan, manifest: row.manifest };
}

function notAsPublished(ref: string, why: string): MaestroError {
  return new MaestroError("verification_failed", `${ref} is not stored as it was signed: ${why}.`, {
    facts: { workflow: ref },
    fix: "Do not run it. Somebody changed the database, or its keys folder is another installation's: restore both from one backup, or publish the manifest you trust as a new version.",
  });
}
