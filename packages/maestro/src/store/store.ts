import type { SigningKey } from "../provenance/signer.ts";
import type { Actor, RunStatus } from "../core/event.ts";
import type { Digest } from "../core/digest.ts";
import type { JsonObject } from "../core/json.ts";
import type { AuditRow, AuditStore, QuestionRow } from "./audit.ts";
import type { BreakGlassStore } from "./break-glass.ts";
import type { LedgerEntry, LedgerStore } from "./ledger.ts";
import type { RetentionStore } from "./retention.ts";
import type { WitnessStore } from "./witness.ts";
import type { SessionStore } from "./session.ts";

/**
 * What the engine remembers. SQL below this interface holds mechanics, never rules; time and ids are parameters.
 * Every method is a promise so that a server database fits; the embedded one answers at once.
 * Errors: `run_conflict`, `storage_full`, `storage_failed`, `store_corrupt`, `schema_newer`.
 */
export interface Store {
  /**
   * Appends to many runs in ONE durable transaction: all of it or nothing. For each run the events must continue its
   * history exactly (`firstSeq` = stored seq + 1), else `run_conflict` with the run's id in `facts.run`.
   * A second run with an idempotency key of the same namespace is a `conflict` with the first one in `facts.run`.
   * What a run is (name, labels, keys, parent, ...) is said when it begins: a later row with another identity is refused.
   * Batches are written in the order they come. Resolves with the digests of the receipts that it sealed, in their order.
   */
  commit(batch: Commit): Promise<readonly Digest[]>;

  /** Plans are immutable: putting the same digest again is no change. */
  planPut(plan: StoredPlan): Promise<void>;
  planGet(digest: Digest): Promise<StoredPlan | undefined>;
  /** Plans by the name of their workflow, newest first; `version` narrows to one, `unpublished` to those that are only known because they ran. */
  workflowList(query: WorkflowQuery & { readonly unpublished?: boolean }): Promise<readonly StoredPlan[]>;

  /**
   * Keeps a version for good, under a name that is still free; its plan must be stored already. False: the name at that
   * version is taken, and nothing was changed.
   */
  publishedPut(row: PublishedRow): Promise<boolean>;
  publishedGet(namespace: string, name: string, version: string): Promise<PublishedRow | undefined>;
  /** Newest first. */
  publishedList(query: WorkflowQuery): Promise<readonly PublishedRow[]>;

  runGet(id: string): Promise<RunRow | undefined>;
  /**
   * Ids that begin or end with `part`, at most `limit`. With `namespaces` only runs of these: then a beginning is looked
   * for among so many of their newest as the work of one call allows.
   */
  runFind(part: string, limit: number, namespaces?: readonly string[]): Promise<readonly string[]>;
  runByKey(namespace: string, idempotencyKey: string): Promise<RunRow | undefined>;
  /** Events after `afterSeq`, in order, as the texts that were committed. */
  runEvents(id: string, page: { readonly afterSeq: number; readonly limit: number }): Promise<readonly EventRow[]>;
  /**
   * Newest first, keyset pages. The work per call is bounded: where no index serves the filters, a page may be short or
   * empty and still have a cursor; only `cursor: null` is the end. `limit` is 1 to 1,000.
   */
  runList(query: RunQuery): Promise<RunPage>;
  /** The same page as it is sent: its runs as JSON text, in the form of `RunRow`. Errors: as `runList`. */
  runListText(query: RunQuery): Promise<RunPageText>;
  /** Rows of runs that are not ended and not asleep, oldest first, after `afterId`: what an engine adopts when it starts. */
  runActive(page: { readonly afterId: string; readonly limit: number }): Promise<readonly RunRow[]>;
  /** Sleeping runs in the order (wakeAt, id), strictly after `after`, with `wakeAt` at or before `until`. */
  runDue(range: {
    readonly after: WakeKey;
    readonly until: number;
    readonly limit: number;
  }): Promise<readonly WakeKey[]>;
  /** The earliest `wakeAt` later than `after` of any sleeping run, ASLEEP_FOREVER left out. */
  nextWake(after: number): Promise<number | undefined>;
  /** Not-ended runs that hold or want the key, oldest first. */
  runByConcurrencyKey(key: string): Promise<readonly RunRow[]>;

  /** The newest receipt of a run, or the one with that ordinal (1 is the first; a retried run has several). */
  receiptGet(run: string, ordinal?: number): Promise<ReceiptRow | undefined>;
  /**
   * Receipts by run, the newest run first, of one run the newest first, strictly below `before`. As of runs, a page may be
   * short and have a cursor. Errors: `invalid_request` for a `before` that is no run of the `namespaces`.
   */
  receiptList(query: ReceiptQuery): Promise<ReceiptPage>;
  cacheGet(key: Digest, now: number): Promise<CacheRow | undefined>;
  approvalGet(id: string): Promise<ApprovalRow | undefined>;
  /** Open approvals, oldest first. */
  approvalList(query: ApprovalQuery): Promise<readonly ApprovalRow[]>;
  /** Walks an index: not to be asked for more often than somebody looks. */
  counts(): Promise<{ readonly asleep: number; readonly openApprovals: number }>;

  /** What removes, by its record, what has had its time. */
  readonly retention: RetentionStore;

  /** What was never to be taken back, in the order it was committed. */
  readonly ledger: LedgerStore;

  /** What witnesses and authorities for timestamps said about the ledger. */
  readonly witness: WitnessStore;

  /** Who did, saw or was refused what, and what the gate was asked. */
  readonly audit: AuditStore;

  /** Who is logged in. */
  readonly sessions: SessionStore;

  /** Who went past the policy. */
  readonly breakGlass: BreakGlassStore;

  close(): Promise<void>;
}

export interface Commit {
  readonly runs: readonly RunAppend[];
  readonly plans?: readonly StoredPlan[];
  /** Sealed before. */
  readonly receipts?: readonly ReceiptRow[];
  /** Sealed as they are written, by the thread that writes. */
  readonly sealing?: Sealing;
  readonly cache?: readonly CacheRow[];
  readonly approvalsOpened?: readonly ApprovalRow[];
  /** Approval ids. */
  readonly approvalsClosed?: readonly string[];
  /** Appended to the ledger, in order, and after them an entry for each receipt of `sealing`. */
  readonly ledger?: readonly LedgerEntry[];
  /** Appended to the audit, in order. */
  readonly audit?: readonly AuditRow[];
  /** Asked for the first time, as far as whoever asked knows. */
  readonly questions?: readonly QuestionRow[];
}

export interface Sealing {
  readonly key: SigningKey;
  readonly endings: readonly Ending[];
}

/** The end of a run, of which a receipt is to tell. */
export interface Ending extends ReceiptKey {
  /** in-toto, JSON text. */
  readonly statement: string;
  readonly createdAt: number;
}

export interface RunAppend {
  readonly id: string;
  readonly firstSeq: number;
  /** The events as texts of one line each, without gaps from `firstSeq`. May be empty when only the row changes. */
  readonly events: readonly string[];
  /** The whole row when it is new or something a list shows has changed; else only what every append changes. */
  readonly row: RunRow | { readonly seq: number; readonly head: Digest };
}

export interface StoredPlan {
  readonly digest: Digest;
  readonly namespace: string;
  readonly name: string;
  readonly version: string;
  readonly manifestDigest: Digest;
  /** Canonical JSON of the plan. */
  readonly text: string;
  /** The manifest as its author wrote it. */
  readonly manifest: string;
  readonly createdAt: number;
}

export interface WorkflowQuery {
  readonly namespace?: string;
  /** Only of these. */
  readonly namespaces?: readonly string[];
  readonly name?: string;
  readonly version?: string;
  readonly limit: number;
  /** Only what comes after this place: the last row of the page before. */
  readonly after?: ListPlace;
}

export interface ListPlace {
  readonly createdAt: number;
  /** Of the plan. */
  readonly digest: string;
}

/** A version of a workflow that was published: it never changes and never goes. */
export interface PublishedRow {
  readonly namespace: string;
  readonly name: string;
  readonly version: string;
  readonly planDigest: Digest;
  /** As its author wrote it. */
  readonly manifest: string;
  /** The signed statement about all of this: a Sigstore bundle, JSON text. */
  readonly bundle: string;
  readonly createdAt: number;
}

/** The projection of a run that lists and recovery need. */
export interface RunRow {
  readonly id: string;
  readonly namespace: string;
  readonly workflow: string;
  readonly version: string;
  readonly name: string;
  readonly planDigest: Digest;
  readonly status: RunStatus;
  /** Shown in lists: `approval`, `timer`, `signal`, `child`, `retry`, `slot`; null while something works. */
  readonly waiting: string | null;
  readonly initiator: string;
  readonly purpose: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly priority: number;
  readonly createdAt: number;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  /** Set: the run sleeps and may leave memory until then. `ASLEEP_FOREVER` when only a message can wake it. */
  readonly wakeAt: number | null;
  readonly concurrencyKey: string | null;
  readonly idempotencyKey: string | null;
  readonly parentRun: string | null;
  readonly tasksTotal: number;
  readonly tasksDone: number;
  readonly error: string | null;
  /** The last event's seq, and the chain digest up to it. */
  readonly seq: number;
  readonly head: Digest;
}

export interface WakeKey {
  readonly wakeAt: number;
  readonly id: string;
}

/** A `wakeAt` for runs that wait for a person, a signal or another run. */
export const ASLEEP_FOREVER = 8_640_000_000_000_000;

export interface EventRow {
  readonly seq: number;
  readonly text: string;
}

export interface RunQuery {
  readonly namespace?: string;
  /** Only of these: then what a page costs, and where it ends, depends on nothing but their runs. */
  readonly namespaces?: readonly string[];
  readonly status?: readonly RunStatus[];
  readonly workflow?: string;
  readonly label?: { readonly key: string; readonly value: string };
  readonly initiator?: string;
  /** Null: only runs that no other started. */
  readonly parentRun?: string | null;
  /** Created in [from, to). */
  readonly from?: number;
  readonly to?: number;
  /** Part of id, name, workflow or error; plain text, case-insensitive. */
  readonly text?: string;
  readonly limit: number;
  /** From the page before. Opaque. */
  readonly cursor?: string;
}

export interface RunPageText {
  /** A JSON list. */
  readonly runs: string;
  readonly cursor: string | null;
}

export interface RunPage {
  readonly runs: readonly RunRow[];
  readonly cursor: string | null;
}

export interface ReceiptKey {
  readonly run: string;
  readonly ordinal: number;
}

export interface ReceiptQuery {
  readonly namespaces?: readonly string[];
  readonly before?: ReceiptKey;
  readonly limit: number;
}

export interface ReceiptPage {
  readonly receipts: readonly ReceiptRow[];
  /** `before` of the next page; null: that was all. */
  readonly cursor: ReceiptKey | null;
}

export interface ApprovalQuery {
  readonly run?: string;
  readonly namespaces?: readonly string[];
  readonly limit: number;
}

export interface ReceiptRow extends ReceiptKey {
  /** Of the bundle's bytes. */
  readonly digest: Digest;
  /** The Sigstore bundle, JSON text. */
  readonly bundle: string;
  readonly createdAt: number;
}

export interface CacheRow {
  readonly key: Digest;
  readonly namespace: string;
  readonly run: string;
  readonly task: string;
  readonly result: JsonObject;
  readonly createdAt: number;
  readonly expiresAt: number | null;
}

export interface ApprovalRow {
  readonly id: string;
  readonly run: string;
  readonly namespace: string;
  readonly workflow: string;
  readonly task: string;
  readonly planDigest: Digest;
  readonly count: number;
  readonly roles: readonly string[];
  readonly requestedBy: Actor["id"];
  readonly notRequester: boolean;
  readonly message: string;
  readonly requestedAt: number;
  readonly expiresAt: number;
}
