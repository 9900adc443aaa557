import type { Digest } from "../core/digest.ts";
import { chain } from "../core/digest.ts";
import type { RunEvent } from "../core/event.ts";
import type { JsonObject } from "../core/json.ts";
import { decisionEntry, receiptEntry } from "../core/ledger-entry.ts";
import { isOpen } from "../core/obligation.ts";
import { receiptFacts } from "../core/receipt-facts.ts";
import { statement } from "../core/receipt.ts";
import { isTerminal, stepOf } from "../core/run.ts";
import { sealReceipts } from "../provenance/receipts.ts";
import type { LedgerEntry } from "../store/ledger.ts";
import type { ApprovalRow, CacheRow, Commit, ReceiptRow, RunAppend } from "../store/store.ts";
import type { Asked } from "./asked.ts";
import { encodeEvent } from "./codec.ts";
import type { LiveRun } from "./live.ts";
import { projectRow, rowChanged } from "./live.ts";
import type { EngineParts } from "./parts.ts";

type Builder = "store" | "blobs" | "signer" | "limits" | "version";
type Work = Pick<EngineParts, Builder> & { readonly asked: Asked };

/** What a turn adds to its runs, ready to be written. */
export interface Prepared {
  readonly batch: Commit;
  /** Once it is durable: the live runs know their new head and row. */
  apply(): void;
}

/**
 * Puts together what a turn adds to its runs: events, rows, signed receipts of runs that ended, cache entries and open
 * approvals. A run whose events or receipt cannot be written is left out and named to `fault`: it must not keep the others
 * from going on. Null where nothing is left to write.
 */
export async function prepareCommit(parts: Work, all: readonly LiveRun[], fault: Fault): Promise<Prepared | null> {
  const encoded = await encodeAll(parts, all, fault);
  const ready = all.flatMap((live, i) => prove(parts, live, encoded[i], fault) ?? []);
  if (ready.length === 0) return null;
  // The thread pool signs while the rest is put together.
  const sealing = seal(parts, ready);
  const appends = ready.map((one) => appendOf(one));
  const approvals = ready.map(({ live }) => approvalChanges(live));
  const cache = ready.flatMap(({ live }) => cacheEntries(live));
  const receipts = await sealing;
  const questions = parts.asked.rows();
  const batch: Commit = {
    runs: appends,
    receipts: receipts.filter((receipt) => receipt !== null),
    ledger: ready.flatMap(({ live }, i) => ledgerEntries(parts, live, receipts[i] ?? null)),
    cache,
    questions,
    approvalsOpened: approvals.flatMap((change) => change.opened),
    approvalsClosed: approvals.flatMap((change) => change.closed),
  };
  return {
    batch,
    apply() {
      parts.asked.stored(questions);
      ready.forEach(({ live, head }, i) => applyTo(live, head, appends[i]!, receipts[i]!, approvals[i]!));
    },
  };
}

function applyTo(
  live: LiveRun,
  head: Digest,
  { row }: RunAppend,
  receipt: ReceiptRow | null,
  approvals: ReturnType<typeof approvalChanges>,
): void {
  const last = live.pending.at(-1);
  if (last !== undefined) live.lastAt = last.at;
  live.head = head;
  if ("id" in row) live.row = row;
  if (receipt !== null) {
    live.lastReceipt = receipt;
    live.receipts = receipt.ordinal;
  }
  for (const id of approvals.closed) live.openApprovals.delete(id);
  for (const one of approvals.opened) live.openApprovals.add(one.id);
}

type Fault = (live: LiveRun, error: unknown) => void;

/** A run's share of the batch; the statement is that of its receipt, where it ended. */
interface Ready {
  readonly live: LiveRun;
  readonly texts: readonly string[];
  readonly head: Digest;
  readonly statement: JsonObject | null;
}

function prove(
  parts: Pick<EngineParts, Builder>,
  live: LiveRun,
  texts: readonly string[] | null | undefined,
  fault: Fault,
): Ready | null {
  if (texts === null || texts === undefined) return null;
  try {
    const head = headAfter(live, texts);
    return { live, texts, head, statement: statementOf(parts, live, head) };
  } catch (error) {
    fault(live, error);
    return null;
  }
}

function statementOf({ signer, version }: Pick<EngineParts, Builder>, live: LiveRun, head: Digest): JsonObject | null {
  if (signer === null || live.pending.at(-1)?.kind !== "run_ended") return null;
  const previous = live.lastReceipt?.digest;
  return statement(
    receiptFacts(live.program, live.run, {
      head,
      builder: { id: signer.builder, version },
      ...(previous === undefined ? {} : { previous }),
    }),
  );
}

async function encodeAll(
  parts: Pick<EngineParts, Builder>,
  lives: readonly LiveRun[],
  fault: Fault,
): Promise<readonly (readonly string[] | null)[]> {
  const waiting: Promise<void>[] = [];
  const all = lives.map((live) => {
    const list: string[] = new Array<string>(live.pending.length);
    try {
      live.pending.forEach((event, i) => {
        const text = encodeEvent(event, parts.limits.inlineBytes, parts.blobs);
        if (typeof text === "string") list[i] = text;
        else
          waiting.push(
            text.then((late) => {
              list[i] = late;
            }),
          );
      });
    } catch (error) {
      fault(live, error);
      return null;
    }
    return list;
  });
  if (waiting.length > 0) await Promise.all(waiting);
  return all;
}

function headAfter(live: LiveRun, texts: readonly string[]): Digest {
  let head = live.head;
  for (const text of texts) head = chain(head, text);
  if (head === "") throw new TypeError(`run ${live.run.id} has no events`);
  return head;
}

/** One receipt for every run that ended in this turn, signed together on the thread pool. */
async function seal(
  { signer }: Pick<EngineParts, Builder>,
  ready: readonly Ready[],
): Promise<readonly (ReceiptRow | null)[]> {
  const statements = ready.map((one) => one.statement).filter((one) => one !== null);
  const sealed = signer === null || statements.length === 0 ? [] : await sealReceipts(statements, signer);
  let next = 0;
  return ready.map(({ live, statement: wanted }) => {
    if (wanted === null) return null;
    const { bundle, digest } = sealed[next++]!;
    return {
      run: live.run.id,
      ordinal: live.receipts + 1,
      digest,
      bundle,
      createdAt: live.run.endedAt ?? live.run.createdAt,
    };
  });
}

/** What of this turn is never to be taken back: each decision, and the receipt of a run that ended. */
function ledgerEntries(
  { signer }: Pick<EngineParts, Builder>,
  live: LiveRun,
  receipt: ReceiptRow | null,
): readonly LedgerEntry[] {
  if (signer === null) return NONE;
  const { id: run } = live.run;
  const source = signer.builder;
  const entries: LedgerEntry[] = [];
  for (const event of live.pending)
    if (event.kind === "policy_decided")
      entries.push({ kind: "decision", run, text: decisionEntry(event, { source, run, at: event.at }) });
  if (receipt !== null)
    entries.push({ kind: "receipt", run, text: receiptEntry(receipt, { source, run, at: receipt.createdAt }) });
  return entries;
}

/** With the whole row where a list would show the difference. */
function appendOf({ live, texts, head }: Ready): RunAppend {
  const { id, seq } = live.run;
  const row = live.row === null || rowChanged(live.row, live) ? projectRow(live, head) : { seq, head };
  return { id, firstSeq: seq - texts.length + 1, events: texts, row };
}

/** Results of cacheable steps that a run computed itself. */
function cacheEntries(live: LiveRun): CacheRow[] {
  if (!live.program.caches) return NONE;
  return live.pending.flatMap((event) => cacheEntry(live, event) ?? []);
}

function cacheEntry(live: LiveRun, event: RunEvent): CacheRow | undefined {
  if (event.kind !== "attempt_finished" || !event.result.ok) return undefined;
  const step = stepOf(live.program, live.run, event);
  const cache = step === undefined ? undefined : live.program.tasks[step.task]!.plan.cache;
  // Not what an undo gave, nor a round of `until` that was not the last.
  if (step?.status !== "succeeded" || step.cacheKey === null || step.cacheKey === "none" || cache === undefined)
    return undefined;
  const { output, artifacts } = event.result;
  return {
    key: step.cacheKey,
    namespace: live.run.created.namespace,
    run: live.run.id,
    task: event.task,
    result: {
      output,
      ...(artifacts === undefined ? {} : { artifacts: artifacts.map((artifact) => ({ ...artifact })) }),
    },
    createdAt: event.at,
    expiresAt: cache.ttlMs === undefined ? null : event.at + cache.ttlMs,
  };
}

function approvalChanges(live: LiveRun): {
  readonly opened: readonly ApprovalRow[];
  readonly closed: readonly string[];
} {
  const asks = live.program.asksPeople || live.openApprovals.size > 0 || live.pending.some(isRequest);
  if (!asks) return NO_CHANGE;
  const opened: ApprovalRow[] = [];
  const still = new Set<string>();
  for (const task of live.run.tasks) {
    if (task.approval === null) continue;
    const { request } = task.approval;
    if (isTerminal(live.run.status) || !isOpen(task)) continue;
    still.add(request.approval);
    if (!live.openApprovals.has(request.approval))
      opened.push(approvalRow(live, task.approval.request, live.run.createdAt));
  }
  if (opened.length === 0 && live.openApprovals.size === 0) return NO_CHANGE;
  return { opened, closed: [...live.openApprovals].filter((id) => !still.has(id)) };
}

/** A policy may want people where the runbook asks for none. */
function isRequest({ kind }: RunEvent): boolean {
  return kind === "approval_requested";
}

const NONE: never[] = [];
const NO_CHANGE = { opened: [], closed: [] };

function approvalRow(
  live: LiveRun,
  request: NonNullable<LiveRun["run"]["tasks"][number]["approval"]>["request"],
  createdAt: number,
): ApprovalRow {
  const event = live.pending.find(
    (candidate) => candidate.kind === "approval_requested" && candidate.approval === request.approval,
  );
  return {
    id: request.approval,
    run: live.run.id,
    namespace: live.run.created.namespace,
    workflow: live.program.plan.workflow.name,
    task: request.task,
    planDigest: request.planDigest,
    count: request.count,
    roles: request.roles,
    requestedBy: live.run.created.initiator.id,
    notRequester: request.notRequester,
    message: request.message,
    requestedAt: event?.at ?? createdAt,
    expiresAt: request.expiresAt,
  };
}
