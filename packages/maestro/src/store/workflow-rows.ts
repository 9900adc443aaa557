import { crc32 } from "node:zlib";
import type { SqlRow, SqlValue } from "./sql.ts";
import { DamagedRow } from "./rows.ts";
import type { ListPlace, PublishedRow, WorkflowQuery } from "./store.ts";

// Published versions as their table holds them, each row with a checksum of its own as in rows.ts. That nobody changed one
// who mended the checksum too is for the signature to say, when a run is started.

export function publishedValues(row: PublishedRow): SqlValue[] {
  const values = [row.namespace, row.name, row.version, row.planDigest, row.manifest, row.bundle, row.createdAt];
  return [...values, crc32(JSON.stringify(values))];
}

export function readPublished(row: SqlRow): PublishedRow {
  const { checksum, ...rest } = row as unknown as PublishedRow & { readonly checksum: number };
  const { namespace, name, version } = rest;
  if (publishedValues(rest).at(-1) !== checksum)
    throw new DamagedRow(`the published workflow ${namespace}/${name}@${version}`, { namespace, name, version });
  return { ...rest };
}

/** Namespace, version, limit and place: $1 to $5 of the list statements. */
export function listValues(query: {
  readonly namespace?: string;
  readonly version?: string;
  readonly limit: number;
  readonly after?: ListPlace;
}): SqlValue[] {
  const { namespace = null, version = null, limit, after } = query;
  return [namespace, version, limit, after?.createdAt ?? Number.MAX_SAFE_INTEGER, after?.digest ?? ""];
}

/** The lists of several namespaces as one: newest first, equal instants by the plan's digest. */
export function byNamespace<T extends { readonly createdAt: number }>(
  query: WorkflowQuery,
  digestOf: (row: T) => string,
  list: (one: WorkflowQuery) => readonly T[],
): readonly T[] {
  return [...new Set(query.namespaces)]
    .filter((one) => query.namespace === undefined || query.namespace === one)
    .flatMap((namespace) => list({ ...query, namespace }))
    .sort((a, b) => b.createdAt - a.createdAt || (digestOf(a) < digestOf(b) ? 1 : -1))
    .slice(0, query.limit);
}
