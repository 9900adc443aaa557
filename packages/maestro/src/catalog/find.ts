import type { Digest } from "../core/digest.ts";
import { MaestroError } from "../core/problem.ts";
import { suggest } from "../core/suggest.ts";
import type { PublishedRow, StoredPlan } from "../store/store.ts";
import type { Catalog, WorkflowSource } from "./catalog.ts";
import type { FolderFile } from "./folder-workflows.ts";
import { verifyPublished } from "./verify-published.ts";
import { highest } from "./version.ts";

/** Versions of one name that are looked through. */
export const MAX_VERSIONS = 1000;

export interface FoundWorkflow {
  readonly plan: StoredPlan;
  readonly source: WorkflowSource;
  /** Where it was published. */
  readonly published: PublishedRow | undefined;
}

/**
 * The workflow that `name`, `namespace/name` or either with `@version` stands for. With a version: the one that was
 * published under it, for that never changes, else a watched file's. Without: a watched file's, else the highest version
 * published. Only where a name has neither, the newest that ran. What was published is verified.
 * With `namespaces`, what lies in others is not there. Errors: `invalid_request`, `not_found`, `ambiguous_id`, `verification_failed`, `store_corrupt`.
 */
export async function findWorkflow(
  catalog: Catalog,
  reference: string,
  namespaces?: readonly string[],
): Promise<FoundWorkflow> {
  const candidates = await candidatesOf(catalog, reference, namespaces);
  const { wanted, published, folder, ran } = candidates;
  refuseSeveral(wanted.name, [...folder, ...published, ...ran]);
  const watched = highest(folder);
  const row = highest(published);
  if (watched !== undefined && (wanted.version === undefined || row === undefined))
    return { plan: watched, source: "folder", published: undefined };
  if (row !== undefined) return { plan: await verifyPublished(catalog, row), source: "published", published: row };
  const [newest] = ran;
  if (newest === undefined) throw await unknown(catalog, reference, wanted, namespaces);
  return { plan: newest, source: "run", published: undefined };
}

export interface WorkflowRef {
  readonly namespace?: string;
  readonly name: string;
  readonly version?: string;
}

/** Errors: `invalid_request`. */
export function readReference(reference: string): WorkflowRef {
  const match = /^(?:([a-z0-9-]{1,100})\/)?([a-z0-9-]{1,100})(?:@([0-9A-Za-z.+-]{1,100}))?$/.exec(reference);
  if (match === null)
    throw new MaestroError(
      "invalid_request",
      `${JSON.stringify(reference.slice(0, 200))} is not a workflow's name; write name, namespace/name or namespace/name@version.`,
    );
  const [, namespace, name = "", version] = match;
  return {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ...(version === undefined ? {} : { version }),
  };
}

/** Everything that a name could stand for, each kind by itself. */
async function candidatesOf(
  { store, folder }: Catalog,
  reference: string,
  namespaces: readonly string[] | undefined,
): Promise<{
  readonly wanted: WorkflowRef;
  readonly published: readonly PublishedRow[];
  readonly folder: readonly StoredPlan[];
  readonly ran: readonly StoredPlan[];
}> {
  const wanted = readReference(reference);
  const within = namespaces === undefined ? {} : { namespaces };
  const published = await store.publishedList({ ...wanted, ...within, limit: MAX_VERSIONS });
  const watched = seen(folder()?.files ?? [], namespaces).filter((workflow) => matches(workflow, wanted));
  if (published.length > 0 || watched.length > 0) return { wanted, published, folder: watched, ran: [] };
  const { version: _, ...name } = wanted;
  // Where a name is under control, what merely ran under it must not pass for a version of it.
  const controlled = await store.publishedList({ ...name, ...within, limit: 1 });
  const ran =
    controlled.length > 0 ? [] : await store.workflowList({ ...wanted, ...within, unpublished: true, limit: 50 });
  return { wanted, published, folder: watched, ran };
}

/** The workflows of the folder's files that whoever asks has a part in. */
function seen(files: readonly FolderFile[], namespaces: readonly string[] | undefined): readonly StoredPlan[] {
  return files.flatMap(({ workflow }) =>
    workflow !== undefined && (namespaces?.includes(workflow.namespace) ?? true) ? [workflow] : [],
  );
}

function matches(plan: StoredPlan, { namespace, name, version }: WorkflowRef): boolean {
  return (
    plan.name === name &&
    (namespace === undefined || plan.namespace === namespace) &&
    (version === undefined || plan.version === version)
  );
}

function refuseSeveral(name: string, found: readonly { readonly namespace: string }[]): void {
  const candidates = [...new Set(found.map(({ namespace }) => `${namespace}/${name}`))].slice(0, 5);
  if (candidates.length < 2) return;
  throw new MaestroError("ambiguous_id", `${name} exists in several namespaces: ${candidates.join(", ")}.`, {
    facts: { candidates },
    fix: "Write namespace/name.",
  });
}

async function unknown(
  { store, folder }: Catalog,
  reference: string,
  wanted: WorkflowRef,
  namespaces: readonly string[] | undefined,
): Promise<MaestroError> {
  const { version: _, ...name } = wanted;
  const within = namespaces === undefined ? {} : { namespaces };
  const versions = await store.publishedList({ ...name, ...within, limit: 20 });
  if (versions.length > 0)
    return new MaestroError(
      "not_found",
      `No workflow ${reference} is published here; ${wanted.name} has ${versions.map(({ version }) => version).join(", ")}.`,
      { fix: "Name one of these versions, or publish yours: `maestro catalog publish FILE`." },
    );
  const known = [
    ...seen(folder()?.files ?? [], namespaces).map((workflow) => workflow.name),
    ...(await store.publishedList({ ...within, limit: MAX_VERSIONS })).map((row) => row.name),
    ...(await store.workflowList({ ...within, limit: MAX_VERSIONS })).map((one) => one.name),
  ];
  const near = suggest(wanted.name, new Set(known));
  return new MaestroError(
    "not_found",
    `No workflow ${reference} is stored here.${near === undefined ? "" : ` Did you mean ${near}?`}`,
    { fix: "Give the manifest's file: `maestro run FILE`; or list what there is: `maestro catalog list`." },
  );
}

/** Whether a digest is that of a plan published here is not asked: who names the digest has said exactly what runs. */
export async function planByDigest(
  { store }: Pick<Catalog, "store">,
  digest: string,
  namespaces?: readonly string[],
): Promise<StoredPlan> {
  const stored = await store.planGet(digest as Digest);
  if (stored === undefined || namespaces?.includes(stored.namespace) === false)
    throw new MaestroError("not_found", `No plan with digest ${digest} is stored here.`);
  return stored;
}
