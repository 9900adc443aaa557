import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { setImmediate } from "node:timers/promises";
import type { DatabaseSync } from "node:sqlite";
import type { Digest } from "../core/digest.ts";
import { MaestroError } from "../core/problem.ts";
import { Checkpoints } from "./checkpoints.ts";
import { SqliteWriter } from "./commit.ts";
import { connect } from "./connect.ts";
import { checkDatabase, checkFiles } from "./integrity.ts";
import { keepBefore } from "./keep-before.ts";
import { migrate, MIGRATIONS, readMigrations } from "./migrate.ts";
import { readReceipt } from "./receipt-rows.ts";
import { readApproval, readCache, readEvents, readPlan, readRun, runChecksum } from "./rows.ts";
import type { BreakGlassStore } from "./break-glass.ts";
import { SqliteBreakGlass } from "./sqlite-break-glass.ts";
import type { LedgerStore } from "./ledger.ts";
import type { RetentionStore } from "./retention.ts";
import { listReceipts } from "./receipt-list.ts";
import { ReadThread } from "./read-thread.ts";
import { listRuns } from "./run-list.ts";
import { RunLists } from "./run-lists.ts";
import type { SqlRow, SqlValue } from "./sql.ts";
import type { AuditStore } from "./audit.ts";
import type { SessionStore } from "./session.ts";
import { SqliteAudit } from "./sqlite-audit.ts";
import { SqliteLedger } from "./sqlite-ledger.ts";
import { SqliteRetention } from "./sqlite-retention.ts";
import { SqliteWitness } from "./sqlite-witness.ts";
import { SqliteSessions } from "./sqlite-sessions.ts";
import { Statement, storeProblem } from "./sql.ts";
import { storageError } from "./storage-error.ts";
import type {
  ApprovalQuery,
  ApprovalRow,
  CacheRow,
  Commit,
  EventRow,
  PublishedRow,
  ReceiptPage,
  ReceiptQuery,
  ReceiptRow,
  RunPage,
  RunPageText,
  RunQuery,
  RunRow,
  Store,
  StoredPlan,
  WakeKey,
  WorkflowQuery,
} from "./store.ts";
import { ASLEEP_FOREVER } from "./store.ts";
import { byNamespace, listValues, publishedValues, readPublished } from "./workflow-rows.ts";
import type { WitnessStore } from "./witness.ts";
import type { StoreThread } from "./thread.ts";
import { writeThread } from "./write-thread.ts";

export interface SqliteOptions {
  /** The database file; made, with its folder, where there is none. `:memory:` is one that ends with its store. */
  readonly path: string;
  /** For the record of migrations. Default: the clock. */
  readonly now?: () => number;
  /** Batches of so many runs are written by a thread of their own; 0: everything, from the start. Default: 32. */
  readonly threadFrom?: number;
}

/**
 * The embedded store: one file through node:sqlite, whose transactions are on disk when `commit` resolves.
 * One process at a time writes it (`acquireLock`); others may read.
 * Errors: `schema_newer`, `store_corrupt`, `storage_failed`, `storage_full`.
 */
export async function openSqlite(options: SqliteOptions): Promise<Store> {
  const { path, now = Date.now } = options;
  // Nobody else can open a database in memory.
  const threadFrom = path === ":memory:" ? Number.POSITIVE_INFINITY : (options.threadFrom ?? LARGE_RUNS);
  let db: DatabaseSync | undefined;
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const state = await checkFiles(path);
    // SQLite would make it readable for all; its log takes over what the file has.
    if (state.bytes === 0 && path !== ":memory:") await writeFile(path, "", { flag: "a", mode: 0o600 });
    db = connect(path);
    const migrations = readMigrations(MIGRATIONS);
    await keepBefore(db, path, migrations.length);
    migrate(db, migrations, { path, now: now() });
    checkDatabase(db, path, state);
    const thread = writeThread(path);
    if (threadFrom === 0) await thread.start();
    return new SqliteStore(db, path, { thread, from: threadFrom });
  } catch (error) {
    db?.close();
    const problem = storeProblem(error, path);
    throw problem instanceof Error && "syscall" in problem ? storageError(problem, path) : problem;
  }
}

const READS = [
  "plan-get",
  "plan-list",
  "plan-list-by-name",
  "plan-list-by-namespace",
  "workflow-get",
  "workflow-list",
  "workflow-list-by-name",
  "workflow-list-by-namespace",
  "run-by-key",
  "run-find-prefix",
  "run-tails",
  "run-events",
  "run-active",
  "run-due",
  "next-wake",
  "run-by-concurrency-key",
  "receipt-get",
  "receipt-newest",
  "receipt-list",
  "receipt-list-by-runs",
  "cache-get",
  "approval-get",
  "approval-list",
  "approval-list-by-namespace",
  "approval-list-by-run",
  "approval-count",
  "run-asleep-count",
] as const;

type ReadName = (typeof READS)[number];

class SqliteStore implements Store {
  readonly retention: RetentionStore;
  readonly ledger: LedgerStore;
  readonly audit: AuditStore;
  readonly witness: WitnessStore;
  readonly sessions: SessionStore;
  readonly breakGlass: BreakGlassStore;
  readonly #db: DatabaseSync;
  readonly #path: string;
  readonly #writer: SqliteWriter;
  readonly #workflowPut: Statement;
  readonly #thread: StoreThread<Commit, readonly Digest[]>;
  readonly #threadFrom: number;
  readonly #reads: ReadonlyMap<ReadName, Statement>;
  readonly #lists: RunLists;
  /** These two open the file once more, and nobody else can open a database in memory. */
  readonly #listThread: ReadThread | undefined;
  readonly #checkpoints: Checkpoints | undefined;

  constructor(
    db: DatabaseSync,
    path: string,
    writing: { readonly thread: StoreThread<Commit, readonly Digest[]>; readonly from: number },
  ) {
    this.#db = db;
    this.#path = path;
    this.#writer = new SqliteWriter(db);
    this.retention = new SqliteRetention(db, path);
    this.ledger = new SqliteLedger(db, path);
    this.audit = new SqliteAudit(db, path);
    this.witness = new SqliteWitness(db, path);
    this.sessions = new SqliteSessions(db, path);
    this.breakGlass = new SqliteBreakGlass(db, path);
    this.#workflowPut = new Statement(db, "workflow-put");
    this.#thread = writing.thread;
    this.#threadFrom = writing.from;
    this.#reads = new Map(READS.map((name) => [name, new Statement(db, name)]));
    this.#lists = new RunLists(db, path);
    this.#listThread = path === ":memory:" ? undefined : new ReadThread(path);
    this.#checkpoints = path === ":memory:" ? undefined : new Checkpoints(db, path);
  }

  async commit(batch: Commit): Promise<readonly Digest[]> {
    const isLarge = batch.runs.length >= this.#threadFrom;
    // Until it is ready, and should it not start at all, this thread writes.
    if (isLarge) void this.#thread.start();
    try {
      // In the order they came, whoever writes them.
      const isForThread = this.#thread.isBusy || (isLarge && this.#thread.isReady);
      const sealed = isForThread ? await this.#thread.ask(batch) : this.#guard(() => this.#writer.commit(batch));
      this.#checkpoints?.committed();
      return sealed;
    } finally {
      // Also where it failed: of a thread that was lost nobody knows what it did last.
      this.#listThread?.changed(batch.runs);
    }
  }

  async planPut(plan: StoredPlan): Promise<void> {
    await this.commit({ runs: [], plans: [plan] });
  }

  async planGet(digest: Digest): Promise<StoredPlan | undefined> {
    return this.#one("plan-get", readPlan, digest);
  }

  async workflowList(query: Parameters<Store["workflowList"]>[0]): Promise<readonly StoredPlan[]> {
    const unpublished = query.unpublished === true ? 1 : 0;
    if (query.namespaces !== undefined)
      return byNamespace(query, digestOfPlan, (one) =>
        this.#all("plan-list-by-namespace", readPlan, ...listValues(one), unpublished, query.name ?? null),
      );
    const values = [...listValues(query), unpublished];
    return query.name === undefined
      ? this.#all("plan-list", readPlan, ...values)
      : this.#all("plan-list-by-name", readPlan, ...values, query.name);
  }

  async publishedPut(row: PublishedRow): Promise<boolean> {
    return this.#guard(() => this.#workflowPut.run(...publishedValues(row)) === 1);
  }

  async publishedGet(namespace: string, name: string, version: string): Promise<PublishedRow | undefined> {
    return this.#one("workflow-get", readPublished, namespace, name, version);
  }

  async publishedList(query: WorkflowQuery): Promise<readonly PublishedRow[]> {
    if (query.namespaces !== undefined)
      return byNamespace(query, digestOfPublished, (one) =>
        this.#all("workflow-list-by-namespace", readPublished, ...listValues(one), query.name ?? null),
      );
    return query.name === undefined
      ? this.#all("workflow-list", readPublished, ...listValues(query))
      : this.#all("workflow-list-by-name", readPublished, ...listValues(query), query.name);
  }

  async runGet(id: string): Promise<RunRow | undefined> {
    return this.#lists.run(id);
  }

  async runFind(part: string, limit: number, namespaces?: readonly string[]): Promise<readonly string[]> {
    if (namespaces !== undefined) return findIn(this.#lists, { namespaces, idPart: part, limit });
    const found = new Set(this.#all("run-find-prefix", readId, part, `${part}${BEYOND}`, limit));
    const ending = `*${part.replaceAll(/[*?[]/g, "[$&]")}`;
    for (let before: string | null = BEYOND; before !== null && found.size < limit;) {
      const slice: Tails | undefined = this.#one("run-tails", readTails, before, ending, TAILS);
      for (const id of slice?.ids ?? []) found.add(id);
      before = slice?.last ?? null;
      await setImmediate();
    }
    return [...found].slice(0, limit);
  }

  async runByKey(namespace: string, idempotencyKey: string): Promise<RunRow | undefined> {
    return this.#one("run-by-key", readRun, namespace, idempotencyKey);
  }

  async runEvents(
    id: string,
    page: { readonly afterSeq: number; readonly limit: number },
  ): Promise<readonly EventRow[]> {
    const ofRun = runChecksum(id);
    const rows = this.#all("run-events", (row) => readEvents(id, ofRun, row), id, page.afterSeq, page.limit);
    const events = rows.flat();
    const first = events.findIndex((event) => event.seq > page.afterSeq);
    return first === -1 ? [] : events.slice(first, first + page.limit);
  }

  async runList(query: RunQuery): Promise<RunPage> {
    return listRuns(this.#lists, query);
  }

  async runListText(query: RunQuery): Promise<RunPageText> {
    if (this.#listThread?.isReady === true) return this.#listThread.list(query);
    const { runs, cursor } = await this.runList(query);
    return { runs: JSON.stringify(runs), cursor };
  }

  async runActive(page: { readonly afterId: string; readonly limit: number }): Promise<readonly RunRow[]> {
    return this.#writtenSoon(this.#all("run-active", readRun, page.afterId, page.limit));
  }

  async runDue(range: {
    readonly after: WakeKey;
    readonly until: number;
    readonly limit: number;
  }): Promise<readonly WakeKey[]> {
    const { after, until, limit } = range;
    return this.#writtenSoon(this.#all("run-due", readWakeKey, after.wakeAt, after.id, until, limit));
  }

  /** Whoever takes so many runs into memory writes of them next: by then the thread has started, too. */
  #writtenSoon<T>(runs: readonly T[]): readonly T[] {
    if (runs.length >= this.#threadFrom) void this.#thread.start();
    return runs;
  }

  async nextWake(after: number): Promise<number | undefined> {
    return this.#one("next-wake", (row) => row["wakeAt"] as number, after, ASLEEP_FOREVER);
  }

  async runByConcurrencyKey(key: string): Promise<readonly RunRow[]> {
    return this.#all("run-by-concurrency-key", readRun, key);
  }

  async receiptGet(run: string, ordinal?: number): Promise<ReceiptRow | undefined> {
    return ordinal === undefined
      ? this.#one("receipt-newest", readReceipt, run)
      : this.#one("receipt-get", readReceipt, run, ordinal);
  }

  async receiptList(query: ReceiptQuery): Promise<ReceiptPage> {
    const { namespaces, limit, before = { run: BEYOND, ordinal: 0 } } = query;
    if (namespaces !== undefined)
      return listReceipts(
        {
          slice: (statement, values) => this.#lists.slice(statement, values),
          runs: (ids) => this.#lists.runs(ids),
          receipts: (runs) => this.#all("receipt-list-by-runs", readReceipt, JSON.stringify(runs)),
        },
        { ...query, namespaces },
      );
    const receipts = this.#all("receipt-list", readReceipt, before.run, before.ordinal, limit);
    const last = receipts.at(-1);
    return {
      receipts,
      cursor: last === undefined || receipts.length < limit ? null : { run: last.run, ordinal: last.ordinal },
    };
  }

  async cacheGet(key: Digest, now: number): Promise<CacheRow | undefined> {
    return this.#one("cache-get", readCache, key, now);
  }

  async approvalGet(id: string): Promise<ApprovalRow | undefined> {
    return this.#one("approval-get", readApproval, id);
  }

  async approvalList({ run, namespaces, limit }: ApprovalQuery): Promise<readonly ApprovalRow[]> {
    if (run !== undefined) {
      const ofRun = this.#all("approval-list-by-run", readApproval, limit, run);
      return namespaces === undefined ? ofRun : ofRun.filter(({ namespace }) => namespaces.includes(namespace));
    }
    if (namespaces === undefined) return this.#all("approval-list", readApproval, limit);
    return [...new Set(namespaces)]
      .flatMap((one) => this.#all("approval-list-by-namespace", readApproval, limit, one))
      .sort((a, b) => a.requestedAt - b.requestedAt || (a.id < b.id ? -1 : 1))
      .slice(0, limit);
  }

  async counts(): Promise<{ readonly asleep: number; readonly openApprovals: number }> {
    return {
      asleep: this.#one("run-asleep-count", readCount) ?? 0,
      openApprovals: this.#one("approval-count", readCount) ?? 0,
    };
  }

  async close(): Promise<void> {
    await this.#thread.close();
    await this.#listThread?.close();
    await this.#checkpoints?.close();
    if (this.#db.isOpen) this.#guard(() => this.#db.close());
  }

  #one<T>(name: ReadName, read: (row: SqlRow) => T, ...values: readonly SqlValue[]): T | undefined {
    return this.#guard(() => {
      const row = this.#read(name).get(...values);
      return row === undefined ? undefined : read(row);
    });
  }

  #all<T>(name: ReadName, read: (row: SqlRow) => T, ...values: readonly SqlValue[]): readonly T[] {
    return this.#guard(() =>
      this.#read(name)
        .all(...values)
        .map(read),
    );
  }

  #read(name: ReadName): Statement {
    const statement = this.#reads.get(name);
    if (statement === undefined) throw new MaestroError("internal", `There is no statement ${name}.`);
    return statement;
  }

  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw storeProblem(error, this.#path);
    }
  }
}

/** A smaller batch is written sooner than another thread is told of it. */
const LARGE_RUNS = 32;

/** Ids looked at between two chances for the rest of the process: 1 ms. */
const TAILS = 4_000;

/** Greater than any character of an id. */
const BEYOND = "\u{10ffff}";

const digestOfPlan = ({ digest }: StoredPlan): string => digest;
const digestOfPublished = ({ planDigest }: PublishedRow): string => planDigest;

function readCount(row: SqlRow): number {
  return row["count"] as number;
}

function readId(row: SqlRow): string {
  return row["id"] as string;
}

interface Tails {
  readonly last: string | null;
  readonly ids: readonly string[];
}

function readTails(row: SqlRow): Tails {
  return { last: row["last"] as string | null, ids: JSON.parse(row["ids"] as string) as string[] };
}

/** All the pages: each looks at so many runs at most. */
async function findIn(
  lists: RunLists,
  query: { readonly namespaces: readonly string[]; readonly idPart: string; readonly limit: number },
): Promise<readonly string[]> {
  const found: string[] = [];
  for (let cursor: string | null | undefined; cursor !== null && found.length < query.limit;) {
    const page = await listRuns(lists, { ...query, ...(cursor === undefined ? {} : { cursor }) });
    found.push(...page.runs.map(({ id }) => id));
    cursor = page.cursor;
  }
  return found.slice(0, query.limit);
}

function readWakeKey(row: SqlRow): WakeKey {
  return { wakeAt: row["wakeAt"] as number, id: row["id"] as string };
}
