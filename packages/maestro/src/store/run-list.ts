import { setImmediate } from "node:timers/promises";
import type { RunStatus } from "../core/event.ts";
import { MaestroError } from "../core/problem.ts";
import { fold } from "./rows.ts";
import type { SqlValue } from "./sql.ts";
import type { RunQuery, RunRow } from "./store.ts";

/** A run's place in the list: newest first, equal instants by id. */
export interface Key {
  readonly createdAt: number;
  readonly id: string;
}

/** How one index is walked: a statement of `store/sql/run-list*.sql` and the values of its own, last parameters. */
interface Walk {
  readonly statement: RunList;
  readonly values: readonly SqlValue[];
}

/** Statements whose rows are id, created at, and 1 where the other filters take it. */
export const RUN_LISTS = [
  "run-list",
  "run-list-by-namespace",
  "run-list-by-status",
  "run-list-by-workflow",
  "run-list-by-initiator",
  "run-list-by-parent",
  "run-list-by-label",
] as const;

export type RunList = (typeof RUN_LISTS)[number];

/** `Row`: what is made of a run; lists need to know whose it is and no more. */
export interface ListSource<Row extends { readonly id: string } = RunRow> {
  slice(statement: RunList, values: readonly SqlValue[]): readonly (readonly SqlValue[])[];
  /** Those that are there, in any order. */
  runs(ids: readonly string[]): readonly Row[];
}

/** Rows looked at between two chances for the rest of the process: 3 ms. */
const SLICE = 1_000;
/** Rows looked at for one page. A filter that no index serves may need more: then the page is short and has a cursor. */
const MAX_SCANNED = 100_000;
const MAX_LIMIT = 1_000;
const MAX_TEXT = 200;

export interface ListQuery extends RunQuery {
  /** Beginning or end of an id; only with `namespaces`. */
  readonly idPart?: string;
}

/**
 * One page of runs. The most selective filter chooses the index that is walked from its newest end; the others are asked
 * row by row. Work per call is bounded, whatever the filters.
 */
export async function listRuns<Row extends { readonly id: string }>(
  source: ListSource<Row>,
  query: ListQuery,
): Promise<{ readonly runs: readonly Row[]; readonly cursor: string | null }> {
  if (!Number.isInteger(query.limit) || query.limit < 1 || query.limit > MAX_LIMIT) {
    throw new MaestroError("invalid_request", `limit is ${query.limit}; it is a whole number from 1 to ${MAX_LIMIT}.`);
  }
  const start = startOf(query);
  const filters = filterValues(query);
  const hits: Key[] = [];
  /** Every walk has looked at everything newer than this; null when all came to their end. */
  let floor: Key | null = null;
  const all = walks(query);
  const most = Math.max(SLICE, MAX_SCANNED / all.length);
  for (const walk of all) {
    // Its index has decided that already.
    const left = walk.statement === "run-list-by-status" ? filters.with(STATUS_FILTER, null) : filters;
    const found = await follow(source, walk, left, start, { ...query, most });
    hits.push(...found.hits);
    if (found.reached !== null && (floor === null || newestFirst(found.reached, floor) < 0)) floor = found.reached;
  }
  const seen = floor;
  const sure = (seen === null ? hits : hits.filter((hit) => newestFirst(hit, seen) <= 0)).sort(newestFirst);
  const page = sure.slice(0, query.limit);
  const next = sure.length > page.length ? page.at(-1) : floor;
  // One statement for the page: fifty of them would take four times as long.
  const rows = new Map(source.runs(page.map(({ id }) => id)).map((run) => [run.id, run]));
  const runs = page.map(({ id }) => rows.get(id)).filter((run) => run !== undefined);
  return { runs, cursor: next === null || next === undefined ? null : writeCursor(next) };
}

/** Takes slices of one index until it has more than a page of hits, has looked at enough, or is at the end (`reached` null). */
async function follow(
  source: Pick<ListSource, "slice">,
  walk: Walk,
  filters: readonly SqlValue[],
  start: Key,
  query: ListQuery & { readonly most: number },
): Promise<{ hits: Key[]; reached: Key | null }> {
  const hits: Key[] = [];
  const from = query.from ?? Number.MIN_SAFE_INTEGER;
  let at = start;
  let scanned = 0;
  for (
    let size = Math.min(query.limit + 1, SLICE);
    ;
    size = nextSize(query.limit + 1 - hits.length, hits.length, scanned)
  ) {
    const rows = source.slice(walk.statement, [
      at.createdAt,
      at.id,
      from,
      size,
      ...filters,
      ...walk.values,
    ]) as readonly (readonly [id: string, createdAt: number, hit: number])[];
    for (const [id, createdAt, hit] of rows) if (hit === 1) hits.push({ createdAt, id });
    const last = rows.at(-1);
    if (last === undefined || rows.length < size) return { hits, reached: null };
    at = { createdAt: last[1], id: last[0] };
    scanned += rows.length;
    if (hits.length > query.limit || scanned >= query.most) return { hits, reached: at };
    await setImmediate();
  }
}

/** So many rows as should hold what is missing, by the share of hits so far and a fifth more; all at once while there was none. */
function nextSize(missing: number, hits: number, scanned: number): number {
  const likely = hits === 0 ? scanned * 4 : Math.ceil((missing * scanned * 1.2) / hits);
  return Math.min(Math.max(likely, missing), SLICE);
}

const ACTIVE: readonly RunStatus[] = ["queued", "running", "cancelling"];

/** The index that should have the fewest rows to look at. Several statuses are several walks, merged by age. */
function walks(query: ListQuery): readonly Walk[] {
  const { parentRun, label, status, workflow, initiator, namespace } = query;
  if (query.namespaces !== undefined) return walksOfNamespaces(query, query.namespaces);
  const byStatus = status?.map((one): Walk => ({ statement: "run-list-by-status", values: [one] }));
  // Labels are in a table of their own and no filter knows them, so they always lead.
  if (label !== undefined) return [{ statement: "run-list-by-label", values: [label.key, label.value] }];
  if (typeof parentRun === "string") return [{ statement: "run-list-by-parent", values: [parentRun, null] }];
  if (byStatus !== undefined && status?.every((one) => ACTIVE.includes(one)) === true) return byStatus;
  // What went wrong is rarer than the runs of a workflow, and that index knows workflow and namespace too.
  if (byStatus !== undefined && status?.every((one) => one !== "succeeded") === true) return byStatus;
  if (workflow !== undefined) return [{ statement: "run-list-by-workflow", values: [workflow] }];
  if (initiator !== undefined) return [{ statement: "run-list-by-initiator", values: [initiator] }];
  if (byStatus !== undefined) return byStatus;
  if (namespace !== undefined) return [{ statement: "run-list-by-namespace", values: [namespace, null, null, null] }];
  return [{ statement: "run-list", values: [] }];
}

/**
 * Of each namespace by itself, whatever else is asked for: along any other index a page would look at runs of others, and
 * its cursor could name one of them.
 */
function walksOfNamespaces(
  { namespace, parentRun, label, idPart }: ListQuery,
  namespaces: readonly string[],
): readonly Walk[] {
  const wanted = [...new Set(namespaces)].filter((one) => namespace === undefined || one === namespace);
  if (typeof parentRun === "string" && label === undefined && idPart === undefined)
    return wanted.map((one) => ({ statement: "run-list-by-parent", values: [parentRun, one] }));
  const named = label === undefined ? [null, null] : [label.key, label.value];
  return wanted.map((one) => ({ statement: "run-list-by-namespace", values: [one, ...named, idPart ?? null] }));
}

const STATUS_FILTER = 1;

/** $5 to $10 of every list statement. */
function filterValues(query: RunQuery): readonly SqlValue[] {
  const { namespace, status, workflow, initiator, parentRun, text } = query;
  if (text !== undefined && text.length > MAX_TEXT) {
    throw new MaestroError(
      "invalid_request",
      `The text to look for has ${text.length} characters; at most ${MAX_TEXT} are taken.`,
    );
  }
  const pattern = text === undefined ? null : `%${fold(text).replaceAll(/[\\%_]/g, "\\$&")}%`;
  return [
    namespace ?? null,
    status === undefined ? null : `,${status.join(",")},`,
    workflow ?? null,
    initiator ?? null,
    parentRun === null ? "" : (parentRun ?? null),
    pattern,
  ];
}

/** Where the list begins: after the cursor's run, and before `to`. */
function startOf(query: RunQuery): Key {
  const end: Key = { createdAt: query.to ?? Number.MAX_SAFE_INTEGER, id: "" };
  if (query.cursor === undefined) return end;
  const cursor = readCursor(query.cursor);
  return newestFirst(cursor, end) > 0 ? cursor : end;
}

function newestFirst(a: Key, b: Key): number {
  if (a.createdAt !== b.createdAt) return b.createdAt - a.createdAt;
  return a.id === b.id ? 0 : a.id < b.id ? 1 : -1;
}

/** The place after a run. */
export function writeCursor(key: Key): string {
  return Buffer.from(JSON.stringify([key.createdAt, key.id])).toString("base64url");
}

function readCursor(cursor: string): Key {
  const parts = parseCursor(cursor);
  if (Array.isArray(parts) && parts.length === 2) {
    const [createdAt, id] = parts as readonly unknown[];
    if (typeof createdAt === "number" && Number.isSafeInteger(createdAt) && typeof id === "string")
      return { createdAt, id };
  }
  throw new MaestroError("invalid_request", "The cursor is not one that this list gave.", {
    fix: "Leave the cursor out to begin at the first page.",
  });
}

function parseCursor(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, "base64url").toString());
  } catch {
    return undefined;
  }
}
