import type { Digest } from "../core/digest.ts";
import { chain, sha256 } from "../core/digest.ts";
import type { ApprovalRow, CacheRow, PublishedRow, ReceiptRow, RunAppend, RunRow, StoredPlan } from "./store.ts";

// Rows for the tests of stores: whole, plausible, and different in every field that a mistake could swap.

export const START = 1_763_700_000_000;

/** An id whose order is that of `n`, with a tail that scatters. */
export function sampleId(n: number): string {
  return `r_${n.toString(32).padStart(9, "0")}${sha256(`id ${n}`).slice(7, 17)}`;
}

export function sampleRun(n: number, changes: Partial<RunRow> = {}): RunRow {
  return {
    id: sampleId(n),
    namespace: "default",
    workflow: "release-evidence",
    version: "1.2.0",
    name: `run ${n}`,
    planDigest: sha256("plan"),
    status: "running",
    waiting: null,
    initiator: "local:ada",
    purpose: "release",
    labels: {},
    priority: 0,
    createdAt: START + n,
    startedAt: START + n + 1,
    endedAt: null,
    wakeAt: null,
    concurrencyKey: null,
    idempotencyKey: null,
    parentRun: null,
    tasksTotal: 5,
    tasksDone: 0,
    error: null,
    seq: 0,
    head: sha256(""),
    ...changes,
  };
}

export function sampleEvents(from: number, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `{"at":${START},"kind":"run_started","seq":${from + i}}`);
}

/** The head after more events. */
export function headAfter(previous: Digest | "", events: readonly string[]): Digest {
  return events.reduce<Digest | "">((head, text) => chain(head, text), previous) as Digest;
}

/** The append that begins a run, with its row brought up to date. */
export function begin(
  row: RunRow,
  events: readonly string[] = sampleEvents(1, 2),
): RunAppend & { readonly row: RunRow } {
  return { id: row.id, firstSeq: 1, events, row: { ...row, seq: events.length, head: headAfter("", events) } };
}

/** The append that goes on from `row`, as a whole row. */
export function goOn(
  row: RunRow,
  events: readonly string[],
  changes: Partial<RunRow> = {},
): RunAppend & { readonly row: RunRow } {
  const next = { ...row, ...changes, seq: row.seq + events.length, head: headAfter(row.head, events) };
  return { id: row.id, firstSeq: row.seq + 1, events, row: next };
}

/** The append that goes on from `row` and shows nothing new. */
export function goOnQuietly(row: RunRow, events: readonly string[]): RunAppend {
  const { seq, head } = goOn(row, events).row;
  return { id: row.id, firstSeq: row.seq + 1, events, row: { seq, head } };
}

export function samplePlan(n: number, changes: Partial<StoredPlan> = {}): StoredPlan {
  const text = `{"format":"maestro.plan/v1","n":${n}}`;
  return {
    digest: sha256(text),
    namespace: "default",
    name: "release-evidence",
    version: `1.${n}.0`,
    manifestDigest: sha256(`manifest ${n}`),
    text,
    manifest: `# ${n}\nname: release-evidence\n`,
    createdAt: START + n,
    ...changes,
  };
}

export function samplePublished(plan: StoredPlan, createdAt: number): PublishedRow {
  const { namespace, name, version, digest, manifest } = plan;
  const bundle = `{"plan":"${digest}"}`;
  return { namespace, name, version, planDigest: digest, manifest, bundle, createdAt };
}

export function sampleReceipt(run: string, ordinal: number): ReceiptRow {
  const bundle = `{"run":"${run}","ordinal":${ordinal}}`;
  return { run, ordinal, digest: sha256(bundle), bundle, createdAt: START + ordinal };
}

export function sampleCache(n: number, changes: Partial<CacheRow> = {}): CacheRow {
  return {
    key: sha256(`key ${n}`),
    namespace: "default",
    run: sampleId(n),
    task: "build",
    result: { output: { n } },
    createdAt: START,
    expiresAt: null,
    ...changes,
  };
}

export function sampleApproval(n: number, changes: Partial<ApprovalRow> = {}): ApprovalRow {
  return {
    id: `a_${n}`,
    run: sampleId(n),
    namespace: "default",
    workflow: "release-evidence",
    task: "ship",
    planDigest: sha256("plan"),
    count: 2,
    roles: ["release-manager", "security"],
    requestedBy: "local:ada",
    notRequester: true,
    message: "Ship it?",
    requestedAt: START + n,
    expiresAt: START + n + 60_000,
    ...changes,
  };
}
