import { crc32 } from "node:zlib";
import { canonical } from "../core/canonical.ts";
import { sha256 } from "../core/digest.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import type { SqlRow, SqlValue } from "./sql.ts";
import type { ApprovalRow, CacheRow, EventRow, RunRow, StoredPlan } from "./store.ts";

// Rows as the tables hold them. SQLite has no page checksums, so every row carries one of its own (CRC-32, 0.3 µs) and
// no flipped bit reaches a reader as data. It finds damage, not forgery: against that there are chain and receipts.

/** What is said of a run once, in the order of run-insert, with its checksum last. */
export function identityValues(row: RunRow): SqlValue[] {
  const values: SqlValue[] = [
    row.id,
    row.namespace,
    row.workflow,
    row.version,
    row.name,
    row.planDigest,
    row.initiator,
    row.purpose,
    canonical(row.labels),
    row.createdAt,
    row.concurrencyKey,
    row.idempotencyKey,
    row.parentRun,
  ];
  values.push(checksum(values));
  return values;
}

/** What changes as a run goes on, in the order of run-insert and run-update, with its checksum last. */
export function stateValues(row: RunRow): SqlValue[] {
  const values = stateOf(row);
  return [...values, searchText(row), checksum(values)];
}

function stateOf(row: RunRow): SqlValue[] {
  return [
    row.status,
    row.wakeAt,
    row.waiting,
    row.priority,
    row.startedAt,
    row.endedAt,
    row.tasksTotal,
    row.tasksDone,
    row.error,
  ];
}

/** What a text filter looks at. */
function searchText(row: RunRow): string {
  const text = `${row.id}\n${row.name}\n${row.workflow}`;
  return fold(row.error === null ? text : `${text}\n${row.error}`);
}

export function fold(text: string): string {
  return text.toLowerCase();
}

/** Binds the text to its place: a row that strayed to another key does not match. */
export function eventChecksum(runChecksum: number, seq: number, text: string): number {
  return crc32(text, (runChecksum + seq) >>> 0);
}

export function runChecksum(run: string): number {
  return crc32(run);
}

/** The events of one row. */
export function readEvents(run: string, ofRun: number, row: SqlRow): EventRow[] {
  const { seq, count, text, checksum: stored } = row as unknown as EventRow & Checked & { readonly count: number };
  const texts = text.split("\n");
  if (eventChecksum(ofRun, seq, text) !== stored || texts.length !== count)
    throw damaged(`event ${seq} of run ${run}`, { run, seq });
  return texts.map((line, i) => ({ seq: seq + i, text: line }));
}

type StoredRun = Omit<RunRow, "labels" | "seq"> & {
  readonly seq: number | null;
  readonly labels: string;
  readonly identityChecksum: number;
  readonly stateChecksum: number;
  readonly active: number;
};

/** Member by member: taking those of storage out of a row by a rest pattern costs as much as all checks together. */
export function readRun(row: SqlRow): RunRow {
  const stored = row as unknown as StoredRun;
  const facts = { run: stored.id };
  if (stored.seq === null) throw damaged(`the end of the history of run ${stored.id}`, facts);
  const run: RunRow = {
    id: stored.id,
    namespace: stored.namespace,
    workflow: stored.workflow,
    version: stored.version,
    name: stored.name,
    planDigest: stored.planDigest,
    initiator: stored.initiator,
    purpose: stored.purpose,
    labels: parseObject(stored.labels, `the labels of run ${stored.id}`, facts) as RunRow["labels"],
    createdAt: stored.createdAt,
    concurrencyKey: stored.concurrencyKey,
    idempotencyKey: stored.idempotencyKey,
    parentRun: stored.parentRun,
    status: stored.status,
    waiting: stored.waiting,
    priority: stored.priority,
    startedAt: stored.startedAt,
    endedAt: stored.endedAt,
    wakeAt: stored.wakeAt,
    tasksTotal: stored.tasksTotal,
    tasksDone: stored.tasksDone,
    error: stored.error,
    seq: stored.seq,
    head: stored.head,
  };
  if (identityValues(run).at(-1) !== stored.identityChecksum || checksum(stateOf(run)) !== stored.stateChecksum)
    throw damaged(`the row of run ${run.id}`, facts);
  return run;
}

/** As `readRun`, from the values of `run_row` in its order: pages of lists read them so, for half the cost of objects. */
export function readRunValues(values: readonly SqlValue[]): RunRow {
  return readRun({
    id: values[0],
    namespace: values[1],
    workflow: values[2],
    version: values[3],
    name: values[4],
    planDigest: values[5],
    initiator: values[6],
    purpose: values[7],
    labels: values[8],
    createdAt: values[9],
    concurrencyKey: values[10],
    idempotencyKey: values[11],
    parentRun: values[12],
    identityChecksum: values[13],
    status: values[14],
    waiting: values[15],
    priority: values[16],
    startedAt: values[17],
    endedAt: values[18],
    wakeAt: values[19],
    tasksTotal: values[20],
    tasksDone: values[21],
    error: values[22],
    stateChecksum: values[23],
    active: values[24],
    seq: values[25],
    head: values[26],
  });
}

export function planValues(plan: StoredPlan): SqlValue[] {
  return withChecksum([
    plan.digest,
    plan.namespace,
    plan.name,
    plan.version,
    plan.manifestDigest,
    plan.text,
    plan.manifest,
    plan.createdAt,
  ]);
}

export function readPlan(row: SqlRow): StoredPlan {
  const { checksum: stored, ...rest } = row as unknown as StoredPlan & Checked;
  const plan: StoredPlan = { ...rest };
  // The checksum would do against damage; the digest also tells when someone edited what runs will follow.
  if (planValues(plan).at(-1) !== stored || sha256(plan.text) !== plan.digest)
    throw damaged(`plan ${plan.digest}`, { plan: plan.digest });
  return plan;
}

export function cacheValues(row: CacheRow): SqlValue[] {
  return withChecksum([
    row.key,
    row.namespace,
    row.run,
    row.task,
    JSON.stringify(row.result),
    row.createdAt,
    row.expiresAt,
  ]);
}

export function readCache(row: SqlRow): CacheRow {
  const {
    checksum: stored,
    result,
    ...rest
  } = row as unknown as Omit<CacheRow, "result"> & { readonly result: string } & Checked;
  const what = `the cached result ${rest.key}`;
  const facts = { key: rest.key };
  if (checksum([rest.key, rest.namespace, rest.run, rest.task, result, rest.createdAt, rest.expiresAt]) !== stored)
    throw damaged(what, facts);
  return { ...rest, result: parseObject(result, what, facts) };
}

export function approvalValues(row: ApprovalRow): SqlValue[] {
  return withChecksum([
    row.id,
    row.run,
    row.namespace,
    row.workflow,
    row.task,
    row.planDigest,
    row.count,
    canonical(row.roles),
    row.requestedBy,
    row.notRequester ? 1 : 0,
    row.message,
    row.requestedAt,
    row.expiresAt,
  ]);
}

type StoredApproval = Omit<ApprovalRow, "roles" | "notRequester"> & {
  readonly roles: string;
  readonly notRequester: number;
};

export function readApproval(row: SqlRow): ApprovalRow {
  const { checksum: stored, roles, notRequester, ...rest } = row as unknown as StoredApproval & Checked;
  const what = `approval ${rest.id}`;
  const facts = { approval: rest.id, run: rest.run };
  const approval: ApprovalRow = {
    ...rest,
    roles: parseJson(roles, what, facts) as readonly string[],
    notRequester: notRequester === 1,
  };
  if (approvalValues(approval).at(-1) !== stored) throw damaged(what, facts);
  return approval;
}

interface Checked {
  readonly checksum: number;
}

function withChecksum(values: SqlValue[]): SqlValue[] {
  values.push(checksum(values));
  return values;
}

function checksum(values: readonly SqlValue[]): number {
  return crc32(JSON.stringify(values));
}

function parseObject(text: string, what: string, facts: JsonObject): JsonObject {
  const value = parseJson(text, what, facts);
  if (!isJsonObject(value)) throw damaged(what, facts);
  return value;
}

function parseJson(text: string, what: string, facts: JsonObject): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch (cause) {
    throw damaged(what, facts, cause);
  }
}

/** A row that is not what was committed. The store knows which file it lies in and makes `store_corrupt` of it. */
export class DamagedRow extends Error {
  readonly facts: JsonObject;

  constructor(what: string, facts: JsonObject, cause?: unknown) {
    super(what, { cause });
    this.facts = facts;
  }
}

function damaged(what: string, facts: JsonObject, cause?: unknown): DamagedRow {
  return new DamagedRow(what, facts, cause);
}
