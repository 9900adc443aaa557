import { canonical } from "../core/canonical.ts";
import { MaestroError, messageOf } from "../core/problem.ts";
import { ownFiles } from "../store/files-lock.ts";
import type { RemovableBlobs } from "../store/blobs.ts";
import type { EndedRun, Part, Removal } from "../store/retention.ts";
import { PARTS } from "../store/retention.ts";
import type { Store } from "../store/store.ts";
import { removeFolder } from "./folder-size.ts";
import { Breath } from "./breath.ts";
import { clocksOf, clockText, loadPolicy, policyJson } from "./retention-policy.ts";
import type { RetentionPolicy } from "./retention-policy.ts";
import { sweepBlobs } from "./sweep-blobs.ts";
import { logFolder, sweepLogs, sweepWork, workFolder } from "./sweep-folders.ts";

export interface RetentionDeps {
  readonly store: Store;
  readonly blobs: RemovableBlobs;
  readonly dataDir: string;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** The run is in the memory of an engine, which may go on with it. */
  readonly isLoaded: (run: string) => boolean;
  log(level: "info" | "warn" | "error", message: string, fields: Readonly<Record<string, string | number>>): void;
  /** How long a blob must have been nobody's before it goes; default BLOB_GRACE_MS. */
  readonly blobGraceMs?: number;
}

export interface PassRequest {
  /** Who asked; `engine` for the hourly pass. */
  readonly by: string;
  /** Counts what would go and removes nothing. */
  readonly dryRun: boolean;
}

/** What a pass removed, or would. Parts count runs. */
export interface PassReport {
  readonly dryRun: boolean;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly policy: ReturnType<typeof policyJson>;
  readonly removed: Readonly<Record<Counted, number>>;
  /** Runs that were due and stay: under a legal hold; needed by a run or an engine that is still at work. */
  readonly held: number;
  readonly needed: number;
}

export type Counted = Part | "work" | "rows" | "cached" | "blobs" | "blobBytes" | "fileBytes";

/**
 * A blob is written before the event that names it, and a result may wait for a full disk: what nobody names is removed
 * only when nobody has put it for a day, and what lost its last name when that was a day ago.
 */
export const BLOB_GRACE_MS = 86_400_000;

const EVERY_MS = 3_600_000;
/** An engine that lasts only as long as a command does not begin with it. */
const FIRST_AFTER_MS = 60_000;
const PAGE = 500;
/** Rows of the history that one transaction may remove, about 10 ms: an engine waits no longer for its turn. */
const EVENTS_PER_COMMIT = 5_000;
const CACHED_PER_COMMIT = 500;

/** Removes what has had its time: once an hour beside a working engine, and when asked. */
export class Retention {
  readonly #deps: RetentionDeps;
  #running = false;
  #closed = false;
  #sweptAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #pass: Promise<unknown> = Promise.resolve();

  constructor(deps: RetentionDeps) {
    this.#deps = deps;
  }

  /** Begins the hourly passes. */
  start(): void {
    this.#later(FIRST_AFTER_MS);
  }

  /** Resolves when a pass under way has stopped. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await Promise.allSettled([this.#pass]);
  }

  /** The policy as it is now, in words. Errors: `invalid_request`. */
  async policy(): Promise<PassReport["policy"]> {
    return policyJson(await loadPolicy(this.#deps.dataDir));
  }

  /** Errors: `conflict` while a pass or a backup is under way, `invalid_request` for the policy, and those of the store. */
  async run(request: PassRequest): Promise<PassReport> {
    if (this.#running)
      throw new MaestroError("conflict", "A pass of retention is under way.", { fix: "Wait for its end." });
    this.#running = true;
    const pass = this.#locked(request);
    this.#pass = pass;
    try {
      return await pass;
    } finally {
      this.#running = false;
    }
  }

  /** The hourly pass. Never rejects: what goes wrong is logged and tried again an hour later. */
  async tick(): Promise<void> {
    try {
      const { removed } = await this.run({ by: "engine", dryRun: false });
      const counts = Object.entries(removed).filter(([, count]) => count > 0);
      if (counts.length > 0) this.#deps.log("info", "retention removed what had its time", Object.fromEntries(counts));
    } catch (error) {
      const level = error instanceof MaestroError && error.code === "conflict" ? "info" : "error";
      this.#deps.log(level, "a pass of retention did not come to its end", { error: messageOf(error) });
    }
  }

  #later(ms: number): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => void this.tick().then(() => this.#later(EVERY_MS)), ms);
    this.#timer.unref();
  }

  async #locked(request: PassRequest): Promise<PassReport> {
    const lock = ownFiles(this.#deps.dataDir);
    if (lock === undefined)
      throw new MaestroError("conflict", "A backup reads the files of this data directory just now.", {
        fix: "Try again when it is done; the hourly pass does.",
      });
    try {
      return await this.#work(request, await loadPolicy(this.#deps.dataDir));
    } finally {
      lock.release();
    }
  }

  async #work({ by, dryRun }: PassRequest, policy: RetentionPolicy): Promise<PassReport> {
    const { store, dataDir, now } = this.#deps;
    const startedAt = now();
    const tally = new Tally();
    const breath = new Breath(() => this.#closed);
    await this.#expireRuns(policy, { by, dryRun }, tally, breath);
    if (!dryRun) await this.#expireCache(tally, breath);
    const grace = this.#deps.blobGraceMs ?? BLOB_GRACE_MS;
    // The whole history is read for it: once a day is often enough, for nothing goes sooner than that.
    if (by !== "engine" || startedAt - this.#sweptAt >= grace) {
      const folders = { store, dataDir, now: startedAt, dryRun, policy, breath };
      tally.add(await sweepLogs(folders));
      tally.add(await sweepWork(folders));
      tally.add(
        await sweepBlobs({
          store,
          blobs: this.#deps.blobs,
          before: Date.now() - grace,
          removedBefore: startedAt - grace,
          dryRun,
          breath,
        }),
      );
      this.#sweptAt = startedAt;
    }
    const { removed, held, needed } = tally;
    const report = { dryRun, startedAt, endedAt: now(), policy: policyJson(policy), removed, held, needed };
    if (!dryRun && Object.values(removed).some((count) => count > 0))
      await store.retention.passPut({
        startedAt,
        endedAt: report.endedAt,
        startedBy: by,
        policy: canonical(report.policy),
        removed,
      });
    return report;
  }

  async #expireRuns(policy: RetentionPolicy, { by, dryRun }: PassRequest, tally: Tally, breath: Breath): Promise<void> {
    const at = this.#deps.now();
    let after = { createdAt: 0, id: "" };
    for (;;) {
      const page = await this.#deps.store.retention.endedRuns({ after, until: at, limit: PAGE });
      const due: Removal[] = [];
      for (const run of page) due.push(...this.#due(run, policy, { by, at }, tally));
      await this.#remove(due, dryRun, tally, breath);
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE) return;
      after = { createdAt: last.createdAt, id: last.id };
      await breath.take();
    }
  }

  #due(
    run: EndedRun,
    policy: RetentionPolicy,
    { by, at }: { readonly by: string; readonly at: number },
    tally: Tally,
  ): readonly Removal[] {
    const clocks = clocksOf(policy, run.namespace);
    const parts = PARTS.filter((part) => {
      const ms = clocks[part];
      return ms !== null && at - run.endedAt >= ms && !run.removed.includes(part);
    });
    if (parts.length === 0) return [];
    if (run.held) tally.held += 1;
    else if (run.needed || this.#deps.isLoaded(run.id)) tally.needed += 1;
    else
      return parts.map((part) => ({
        run: run.id,
        part,
        seq: run.seq,
        head: run.head,
        removedAt: at,
        removedBy: by,
        policy: clockText(part, clocks),
      }));
    return [];
  }

  /** First the records, by which the rows go, then the files: what a crash leaves of them is found by the sweep. */
  async #remove(due: readonly Removal[], dryRun: boolean, tally: Tally, breath: Breath): Promise<void> {
    const { store, dataDir, isLoaded } = this.#deps;
    for (const batch of batches(due)) {
      if (dryRun) {
        for (const { part } of batch) tally.count(part, 1);
        continue;
      }
      // Asked again at the last moment, and then at once: an engine cannot begin with a run in between.
      const { done, rows } = await store.retention.remove(batch.filter(({ run }) => !isLoaded(run)));
      tally.count("rows", rows);
      for (const { run, part } of done) {
        tally.count(part, 1);
        if (part === "logs") tally.count("fileBytes", await removeFolder(logFolder(dataDir, run)));
        if (part === "artifacts") tally.count("fileBytes", await removeFolder(workFolder(dataDir, run)));
      }
      await breath.take();
    }
  }

  async #expireCache(tally: Tally, breath: Breath): Promise<void> {
    for (;;) {
      const count = await this.#deps.store.retention.cacheExpire(this.#deps.now(), CACHED_PER_COMMIT);
      tally.count("cached", count);
      if (count < CACHED_PER_COMMIT) return;
      await breath.take();
    }
  }
}

class Tally {
  held = 0;
  needed = 0;
  readonly removed: Record<Counted, number> = {
    logs: 0,
    artifacts: 0,
    events: 0,
    receipts: 0,
    work: 0,
    rows: 0,
    cached: 0,
    blobs: 0,
    blobBytes: 0,
    fileBytes: 0,
  };

  count(what: Counted, count: number): void {
    this.removed[what] += count;
  }

  add(counts: Readonly<Partial<Record<Counted, number>>>): void {
    for (const [what, count] of Object.entries(counts)) this.count(what as Counted, count);
  }
}

/** In order, so that the events of a run go before its receipts; a long history makes a batch of its own. */
function batches(due: readonly Removal[]): readonly (readonly Removal[])[] {
  const all: Removal[][] = [];
  let room = 0;
  for (const removal of due) {
    const cost = removal.part === "events" ? removal.seq : 1;
    if (cost > room) {
      all.push([]);
      room = EVENTS_PER_COMMIT;
    }
    all.at(-1)?.push(removal);
    room -= cost;
  }
  return all;
}
