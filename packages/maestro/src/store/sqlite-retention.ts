import type { DatabaseSync, StatementSync } from "node:sqlite";
import { MaestroError } from "../core/problem.ts";
import type {
  Hold,
  HoldQuery,
  EndedRun,
  Part,
  Removal,
  RetentionPass,
  RetentionStore,
  TextSlice,
} from "./retention.ts";
import { holdValues, passValues, readHold, readPass, readRemoval, removalValues } from "./retention-rows.ts";
import { readRun } from "./rows.ts";
import type { SqlRow } from "./sql.ts";
import { isUniqueViolation, Statement, storeProblem } from "./sql.ts";

const STATEMENTS = [
  "retention-ended-runs",
  "removal-insert",
  "removal-get",
  "event-delete",
  "receipt-delete",
  "run-get",
  "run-label-delete",
  "run-head-delete",
  "run-delete",
  "cache-delete-by-run",
  "cache-expire",
  "hold-insert",
  "hold-get",
  "hold-release",
  "hold-list",
  "hold-list-by-namespace",
  "retention-pass-insert",
  "retention-pass-list",
  "event-texts",
  "event-last-rowid",
  "cache-texts",
] as const;

type Name = (typeof STATEMENTS)[number];

/** Rows of the table looked at in one slice: 2 to 10 ms, between which an engine goes on working. */
const SLICE = 1_000;
/** SQLITE_CONSTRAINT_TRIGGER: the run is held, at work again, or not as it was looked at. */
const TRIGGER = 1811;

/** Retention of the embedded store, on the store's own connection: what it deletes and what the engine commits take turns. */
export class SqliteRetention implements RetentionStore {
  readonly #db: DatabaseSync;
  readonly #path: string;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  /** Prepared when it is first asked: a command that lists runs needs none of them. */
  readonly #prepared = new Map<Name, Statement>();

  constructor(db: DatabaseSync, path: string) {
    this.#db = db;
    this.#path = path;
    this.#begin = db.prepare("begin immediate");
    this.#commit = db.prepare("commit");
  }

  async endedRuns(page: Parameters<RetentionStore["endedRuns"]>[0]): Promise<readonly EndedRun[]> {
    const { after, until, limit } = page;
    return this.#guard(() =>
      this.#statement("retention-ended-runs").all(after.createdAt, after.id, until, limit).map(readEnded),
    );
  }

  async remove(removals: readonly Removal[]): Promise<{ readonly done: readonly Removal[]; readonly rows: number }> {
    return this.#transaction(() => {
      const done: Removal[] = [];
      let rows = 0;
      for (const removal of removals) {
        if (!this.#record(removal)) continue;
        rows += this.#delete(removal);
        done.push(removal);
      }
      return { done, rows };
    });
  }

  async removalOf(run: string, part: Part): Promise<Removal | undefined> {
    return this.#guard(() => {
      const row = this.#statement("removal-get").get(run, part);
      return row === undefined ? undefined : readRemoval(row);
    });
  }

  async cacheExpire(now: number, limit: number): Promise<number> {
    return this.#guard(() => this.#statement("cache-expire").run(now, limit));
  }

  async holdPut(hold: Hold): Promise<void> {
    try {
      this.#statement("hold-insert").run(...holdValues(hold));
    } catch (error) {
      if (!isUniqueViolation(error)) throw storeProblem(error, this.#path);
      throw new MaestroError("conflict", `The ${hold.kind} ${hold.target} is under a legal hold already.`, {
        cause: error,
        facts: { kind: hold.kind, target: hold.target },
        fix: "List the holds: `maestro hold list`.",
      });
    }
  }

  async holdRelease(id: string, release: Parameters<RetentionStore["holdRelease"]>[1]): Promise<Hold> {
    return this.#transaction(() => {
      const row = this.#statement("hold-get").get(id);
      const hold = row === undefined ? undefined : readHold(row);
      if (hold === undefined || hold.releasedAt !== null)
        throw new MaestroError(
          "not_found",
          hold === undefined ? `There is no hold ${id}.` : `The hold ${id} was released already.`,
          { fix: "List the holds: `maestro hold list`." },
        );
      const released: Hold = {
        ...hold,
        releasedBy: release.by,
        releasedAt: release.at,
        releaseReason: release.reason,
      };
      const checksum = holdValues(released).at(-1) ?? null;
      this.#statement("hold-release").run(id, release.by, release.at, release.reason, checksum);
      return released;
    });
  }

  async holdList({ open, namespaces, limit }: HoldQuery): Promise<readonly Hold[]> {
    const values = [open ? 1 : 0, limit];
    const rows = (): readonly SqlRow[] =>
      namespaces === undefined
        ? this.#statement("hold-list").all(...values)
        : this.#statement("hold-list-by-namespace").all(...values, JSON.stringify(namespaces));
    return this.#guard(() => rows().map(readHold));
  }

  async passPut(pass: RetentionPass): Promise<void> {
    this.#guard(() => this.#statement("retention-pass-insert").run(...passValues(pass)));
  }

  async passList(limit: number): Promise<readonly RetentionPass[]> {
    return this.#guard(() => this.#statement("retention-pass-list").all(limit).map(readPass));
  }

  async eventTexts(slice: { readonly after: number; readonly removedBefore: number }): Promise<TextSlice> {
    return this.#guard(() => {
      const last = (this.#statement("event-last-rowid").get()?.["last"] ?? 0) as number;
      const until = slice.after + SLICE;
      const texts = this.#statement("event-texts").all(slice.after, until, slice.removedBefore);
      return { texts: texts.map(readText), next: until >= last ? null : until };
    });
  }

  async cacheTexts(slice: { readonly after: number }): Promise<TextSlice> {
    return this.#guard(() => {
      const rows = this.#statement("cache-texts").all(slice.after, SLICE);
      const last = rows.at(-1)?.["place"] as number | undefined;
      return { texts: rows.map(readText), next: last === undefined || rows.length < SLICE ? null : last };
    });
  }

  /** False where it must not be: the database itself says so. */
  #record(removal: Removal): boolean {
    try {
      return this.#statement("removal-insert").run(...removalValues(removal)) === 1;
    } catch (error) {
      // Within a transaction only the statement is undone; the ones before it stand.
      if (error instanceof Error && "errcode" in error && error.errcode === TRIGGER) return false;
      throw error;
    }
  }

  /** Returns how many rows went. */
  #delete({ run, part }: Removal): number {
    switch (part) {
      case "events":
        return this.#statement("event-delete").run(run);
      case "artifacts":
        // A result that is taken from the cache brings its artifacts along.
        return this.#statement("cache-delete-by-run").run(run);
      case "receipts":
        return this.#deleteRun(run);
      case "logs":
        return 0;
    }
  }

  #deleteRun(id: string): number {
    const row = this.#statement("run-get").get(id);
    let rows = this.#statement("receipt-delete").run(id) + this.#statement("event-delete").run(id);
    if (row !== undefined) {
      const { labels, createdAt } = readRun(row);
      for (const [key, value] of Object.entries(labels))
        rows += this.#statement("run-label-delete").run(key, value, createdAt, id);
    }
    return rows + this.#statement("run-delete").run(id) + this.#statement("run-head-delete").run(id);
  }

  #transaction<T>(work: () => T): T {
    return this.#guard(() => {
      this.#begin.run();
      try {
        const result = work();
        this.#commit.run();
        return result;
      } catch (error) {
        if (this.#db.isTransaction) this.#db.exec("rollback");
        throw error;
      }
    });
  }

  #statement(name: Name): Statement {
    let statement = this.#prepared.get(name);
    if (statement === undefined) this.#prepared.set(name, (statement = new Statement(this.#db, name)));
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

function readEnded(row: SqlRow): EndedRun {
  const { removed, held, needed, ...rest } = row as unknown as Omit<EndedRun, "removed" | "held" | "needed"> & {
    readonly removed: string | null;
    readonly held: number;
    readonly needed: number;
  };
  return {
    ...rest,
    removed: removed === null ? [] : (removed.split(",") as Part[]),
    held: held === 1,
    needed: needed === 1,
  };
}

function readText(row: SqlRow): TextSlice["texts"][number] {
  return { text: row["text"] as string, artifactsRemoved: row["artifactsRemoved"] === 1 };
}
