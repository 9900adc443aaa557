import type { Digest } from "../core/digest.ts";
import { chain } from "../core/digest.ts";
import type { RunEvent } from "../core/event.ts";
import { decisionEntry } from "../core/ledger-entry.ts";
import { isOpen } from "../core/obligation.ts";
import { receiptFacts } from "../core/receipt-facts.ts";
import { statement } from "../core/receipt.ts";
import { isTerminal, stepOf } from "../core/run.ts";
import type { LedgerEntry } from "../store/ledger.ts";
import type { ApprovalRow, CacheRow, Commit, RunAppend } from "../store/store.ts";
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
  /** Once it is durable: the live runs know their new head and row, and the receipts that were sealed. */
  apply(sealed: readonly Digest[]): void;
}

/**
 * Puts together what a turn adds to its runs: events, rows, statements for receipts of runs that ended, cache entries and
 * open approvals. A run whose events or statement cannot be written is left out and named to `fault`: it must not keep the others
 * from going on. Null where nothing is left to write.
 */
export async function prepareCommit(parts: Work, all: readonly LiveRun[], fault: Fault): Promise<Prepared | null> {
  const encoded = await encodeAll(parts, all, fault);
  const ready = all.flatMap((live, i) => prove(parts, live, encoded[i], fault) ?? []);
  if (ready.length === 0) return null;
  const appends = ready.map((one) => appendOf(one));
  const approvals = ready.map(({ live }) => approvalChanges(live));
  const cache = ready.flatMap(({ live }) => cacheEntries(live));
  const questions = parts.asked.rows();
  const batch: Commit = {
    runs: appends,
    ...sealing(parts, ready),
    ledger: ready.flatMap(({ live }) => ledgerEntries(parts, live)),
    cache,
    questions,
    approvalsOpened: approvals.flatMap((change) => change.opened),
    approvalsClosed: approvals.flatMap((change) => change.closed),
  };
  return {
    batch,
    apply(sealed) {
      parts.asked.stored(questions);
      let next = 0;
      ready.forEach((one, i) =>
        applyTo(one, appends[i]!, one.statement === null ? undefined : sealed[next++], approvals[i]!),
      );
    },
  };
}

function applyTo(
  { live, head }: Ready,
  { row }: RunAppend,
  receipt: Digest | undefined,
  approvals: ReturnType<typeof approvalChanges>,
): void {
  const last = live.pending.at(-1);
  if (last !== undefined) live.lastAt = last.at;
  live.head = head;
  if ("id" in row) live.row = row;
  if (receipt !== undefined) {
    live.receipts += 1;
    live.lastReceipt = { ordinal: live.receipts, digest: receipt };
  }
  for (const id of approvals.closed) live.openApprovals.delete(id);
  for (const one of approvals.opened) live.openApprovals.add(one.id);
}

type Fault = (live: LiveRun, error: unknown) => void;

/** A run's share of the batch; the statement (JSON text) is that of its receipt, where it ended. */
interface Ready {
  readonly live: LiveRun;
  readonly texts: readonly string[];
  readonly head: Digest;
  readonly statement: string | null;
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

function statementOf({ signer, version }: Pick<EngineParts, Builder>, live: LiveRun, head: Digest): string | null {
  if (signer === null || live.pending.at(-1)?.kind !== "run_ended") return null;
  const previous = live.lastReceipt?.digest;
  const facts = receiptFacts(live.program, live.run, {
    head,
    builder: { id: signer.builder, version },
    ...(previous === undefined ? {} : { previous }),
  });
  return JSON.stringify(statement(facts));
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

/** A receipt for every run that ended in this turn. */
function sealing({ signer }: Pick<EngineParts, Builder>, ready: readonly Ready[]): Pick<Commit, "sealing"> {
  if (signer === null) return {};
  const endings = ready.flatMap(({ live, statement: text }) =>
    text === null
      ? []
      : {
          run: live.run.id,
          ordinal: live.receipts + 1,
          statement: text,
          createdAt: live.run.endedAt ?? live.run.createdAt,
        },
  );
  return endings.length === 0 ? {} : { sealing: { key: signer.key, endings } };
}

/** What of this turn is never to be taken back: each decision. Receipts add theirs as they are sealed. */
function ledgerEntries({ signer }: Pick<EngineParts, Builder>, live: LiveRun): readonly LedgerEntry[] {
  if (signer === null) return NONE;
  const { id: run } = live.run;
  const source = signer.builder;
  return live.pending.flatMap((event) =>
    event.kind === "policy_decided"
      ? { kind: "decision", run, text: decisionEntry(event, { source, run, at: event.at }) }
      : [],
  );
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
