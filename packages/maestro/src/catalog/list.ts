import type { Digest } from "../core/digest.ts";
import { MaestroError } from "../core/problem.ts";
import type { ListPlace, StoredPlan } from "../store/store.ts";
import type { Catalog, WorkflowSource } from "./catalog.ts";
import { SOURCES } from "./catalog.ts";
import type { FileProblem, FolderFile } from "./folder-workflows.ts";

/** One line of the catalog. A file that never was good has no name yet. */
export interface CatalogEntry {
  readonly source: WorkflowSource;
  readonly namespace: string | null;
  readonly name: string | null;
  readonly version: string | null;
  readonly planDigest: Digest | null;
  readonly createdAt: number | null;
  /** Of a watched folder. */
  readonly file: string | null;
  /** What is wrong with that file as it is now; the version here is the last good one. */
  readonly problem: FileProblem | null;
}

export interface CatalogQuery {
  readonly sources?: readonly WorkflowSource[];
  readonly namespace?: string;
  /** Only of these; a file that never was good belongs to none. */
  readonly namespaces?: readonly string[];
  readonly name?: string;
  readonly limit: number;
  readonly cursor?: string;
}

/** Watched files by their name, then published versions, then what merely ran, both newest first. Errors: `invalid_request`. */
export async function listCatalog(
  catalog: Catalog,
  query: CatalogQuery,
): Promise<{ readonly workflows: readonly CatalogEntry[]; readonly cursor: string | null }> {
  const { limit, sources = SOURCES } = query;
  const start = query.cursor === undefined ? undefined : readCursor(query.cursor);
  const found: { readonly entry: CatalogEntry; readonly place: Place }[] = [];
  for (const source of SOURCES.slice(start === undefined ? 0 : SOURCES.indexOf(start.source))) {
    if (!sources.includes(source)) continue;
    const after = start?.source === source ? start : undefined;
    // One more than is shown tells whether there is a next page.
    found.push(...(await pageOf(catalog, source, query, after, limit + 1 - found.length)));
    if (found.length > limit) break;
  }
  const page = found.slice(0, limit);
  const last = page.at(-1);
  return {
    workflows: page.map(({ entry }) => entry),
    cursor: found.length > limit && last !== undefined ? writeCursor(last.place) : null,
  };
}

type Place = ListPlace & { readonly source: WorkflowSource };

async function pageOf(
  { store, folder }: Catalog,
  source: WorkflowSource,
  { namespace, namespaces, name }: CatalogQuery,
  after: Place | undefined,
  limit: number,
): Promise<readonly { readonly entry: CatalogEntry; readonly place: Place }[]> {
  const query = {
    ...(namespace === undefined ? {} : { namespace }),
    ...(namespaces === undefined ? {} : { namespaces }),
    ...(name === undefined ? {} : { name }),
    limit,
    ...(after === undefined ? {} : { after }),
  };
  switch (source) {
    case "folder":
      return (folder()?.files ?? [])
        .filter(
          ({ file, workflow }) =>
            (after === undefined || file > after.digest) &&
            (namespace === undefined || workflow?.namespace === namespace) &&
            (namespaces === undefined || (workflow !== undefined && namespaces.includes(workflow.namespace))) &&
            (name === undefined || workflow?.name === name),
        )
        .slice(0, limit)
        .map((file) => ({ entry: ofFile(file), place: { source, createdAt: 0, digest: file.file } }));
    case "published":
      return (await store.publishedList(query)).map((row) => ({
        entry: { ...ofPlan("published", { ...row, digest: row.planDigest }) },
        place: { source, createdAt: row.createdAt, digest: row.planDigest },
      }));
    case "run":
      return (await store.workflowList({ ...query, unpublished: true })).map((plan) => ({
        entry: ofPlan("run", plan),
        place: { source, createdAt: plan.createdAt, digest: plan.digest },
      }));
  }
}

function ofFile({ file, workflow, problem }: FolderFile): CatalogEntry {
  if (workflow !== undefined) return { ...ofPlan("folder", workflow), file, problem };
  const nothing = { namespace: null, name: null, version: null, planDigest: null, createdAt: null };
  return { source: "folder", ...nothing, file, problem };
}

function ofPlan(
  source: WorkflowSource,
  plan: Pick<StoredPlan, "namespace" | "name" | "version" | "digest" | "createdAt">,
): CatalogEntry {
  const { namespace, name, version, digest, createdAt } = plan;
  return { source, namespace, name, version, planDigest: digest, createdAt, file: null, problem: null };
}

function writeCursor({ source, createdAt, digest }: Place): string {
  return Buffer.from(JSON.stringify([source, createdAt, digest])).toString("base64url");
}

function readCursor(cursor: string): Place {
  const [source, createdAt, digest, ...rest] = partsOf(cursor);
  const known = SOURCES.find((one) => one === source);
  if (known === undefined || !Number.isSafeInteger(createdAt) || typeof digest !== "string" || rest.length > 0)
    throw new MaestroError("invalid_request", "The cursor is not one that this list gave.", {
      fix: "Leave the cursor out to begin at the first page.",
    });
  return { source: known, createdAt: createdAt as number, digest };
}

function partsOf(cursor: string): readonly unknown[] {
  try {
    const parts: unknown = JSON.parse(Buffer.from(cursor, "base64url").toString());
    return Array.isArray(parts) ? parts : [];
  } catch (error) {
    if (error instanceof SyntaxError) return [];
    throw error;
  }
}
