import type { DatabaseSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import { MaestroError } from "../core/problem.ts";
import type { CheckpointRow, LedgerEntry, LedgerRow, LedgerStore, TileHash } from "./ledger.ts";
import { DamagedRow } from "./rows.ts";
import type { SqlRow, SqlValue } from "./sql.ts";
import { Statement, storeProblem } from "./sql.ts";

const STATEMENTS = [
  "ledger-size",
  "ledger-entries",
  "ledger-entries-by-run",
  "ledger-hashes",
  "ledger-hash-put",
  "ledger-checkpoint-newest",
  "ledger-checkpoint-covering",
  "ledger-checkpoint-put",
] as const;

/** The values of ledger-append. An entry says all that its row says, so its text is what the checksum is over. */
export function ledgerValues({ kind, run, text }: LedgerEntry): SqlValue[] {
  return [kind, run, text, crc32(text)];
}

/** The ledger of the embedded store, on the store's own connection. */
export class SqliteLedger implements LedgerStore {
  readonly #db: DatabaseSync;
  readonly #path: string;
  readonly #statements: ReadonlyMap<(typeof STATEMENTS)[number], Statement>;

  constructor(db: DatabaseSync, path: string) {
    this.#db = db;
    this.#path = path;
    this.#statements = new Map(STATEMENTS.map((name) => [name, new Statement(db, name)]));
  }

  async size(): Promise<number> {
    return this.#guard(() => Number(this.#statement("ledger-size").get()?.["size"] ?? 0));
  }

  async entries(page: Parameters<LedgerStore["entries"]>[0]): Promise<readonly LedgerRow[]> {
    const { from, limit, run } = page;
    return this.#guard(() =>
      (run === undefined
        ? this.#statement("ledger-entries").all(from, limit)
        : this.#statement("ledger-entries-by-run").all(run, from, limit)
      ).map(readEntry),
    );
  }

  async hashes(page: Parameters<LedgerStore["hashes"]>[0]): Promise<readonly string[]> {
    const { level, from, limit } = page;
    return this.#guard(() =>
      this.#statement("ledger-hashes")
        .all(level, from, limit)
        .map((row) => String(row["hash"])),
    );
  }

  async checkpoint(covering?: number): Promise<CheckpointRow | undefined> {
    return this.#guard(() => {
      const row =
        covering === undefined
          ? this.#statement("ledger-checkpoint-newest").get()
          : this.#statement("ledger-checkpoint-covering").get(covering);
      return row === undefined ? undefined : readCheckpointRow(row);
    });
  }

  async sign(checkpoint: CheckpointRow, hashes: readonly TileHash[]): Promise<void> {
    this.#guard(() => {
      this.#db.exec("begin immediate");
      try {
        this.#refuseOlder(checkpoint);
        for (const { level, place, hash } of hashes) this.#statement("ledger-hash-put").run(level, place, hash);
        this.#statement("ledger-checkpoint-put").run(...checkpointValues(checkpoint));
        this.#db.exec("commit");
      } catch (error) {
        // Where the disk is full, SQLite has rolled back by itself.
        if (this.#db.isTransaction) this.#db.exec("rollback");
        throw error;
      }
    });
  }

  #refuseOlder({ size }: CheckpointRow): void {
    const newest = this.#statement("ledger-checkpoint-newest").get();
    if (newest === undefined || Number(newest["size"]) < size) return;
    throw new MaestroError("conflict", `The ledger has a checkpoint of ${Number(newest["size"])} entries already.`, {
      facts: { size, newest: Number(newest["size"]) },
    });
  }

  #statement(name: (typeof STATEMENTS)[number]): Statement {
    return this.#statements.get(name)!;
  }

  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw storeProblem(error, this.#path);
    }
  }
}

function readEntry(row: SqlRow): LedgerRow {
  const { checksum, ...rest } = row as unknown as LedgerRow & { readonly checksum: number };
  const entry: LedgerRow = { ...rest };
  if (crc32(entry.text) !== checksum)
    throw new DamagedRow(`entry ${entry.place} of the ledger`, { place: entry.place });
  return entry;
}

function checkpointValues({ size, note, signedAt }: CheckpointRow): SqlValue[] {
  return [size, note, signedAt, crc32(note, size)];
}

export function readCheckpointRow(row: SqlRow): CheckpointRow {
  const { checksum, ...rest } = row as unknown as CheckpointRow & { readonly checksum: number };
  const checkpoint: CheckpointRow = { ...rest };
  if (crc32(checkpoint.note, checkpoint.size) !== checksum)
    throw new DamagedRow(`the checkpoint of ${checkpoint.size} entries`, { size: checkpoint.size });
  return checkpoint;
}
