import type { DatabaseSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import type { CheckpointRow } from "./ledger.ts";
import { DamagedRow } from "./rows.ts";
import { readCheckpointRow } from "./sqlite-ledger.ts";
import type { SqlRow } from "./sql.ts";
import { Statement, storeProblem } from "./sql.ts";
import type { CosignatureRow, TimestampRow, WitnessRow, WitnessStore } from "./witness.ts";

const STATEMENTS = [
  "ledger-checkpoint-get",
  "cosignature-put",
  "cosignature-list",
  "cosigned-after",
  "timestamp-put",
  "timestamp-after",
  "timestamp-newest",
  "witness-met",
  "witness-list",
] as const;

/** What witnesses and authorities said, in the embedded store, on its own connection. */
export class SqliteWitness implements WitnessStore {
  readonly #path: string;
  readonly #statements: ReadonlyMap<(typeof STATEMENTS)[number], Statement>;

  constructor(db: DatabaseSync, path: string) {
    this.#path = path;
    this.#statements = new Map(STATEMENTS.map((name) => [name, new Statement(db, name)]));
  }

  async checkpoint(size: number): Promise<CheckpointRow | undefined> {
    return this.#guard(() => readOne(this.#statement("ledger-checkpoint-get").get(size), readCheckpointRow));
  }

  async cosignatures(size: number): Promise<readonly CosignatureRow[]> {
    return this.#guard(() => this.#statement("cosignature-list").all(size).map(readCosignature));
  }

  async cosign(row: CosignatureRow): Promise<void> {
    const { size, witness, line, cosignedAt } = row;
    this.#guard(() => this.#statement("cosignature-put").run(size, witness, line, cosignedAt, cosignatureSum(row)));
  }

  async cosignedAfter(place: number, count: number): Promise<number | undefined> {
    return this.#guard(() =>
      readOne(this.#statement("cosigned-after").get(place, count), (row) => Number(row["size"])),
    );
  }

  async stamp(row: TimestampRow): Promise<void> {
    const { size, reply, stampedAt } = row;
    this.#guard(() => this.#statement("timestamp-put").run(size, reply, stampedAt, timestampSum(row)));
  }

  async stampedAfter(place: number): Promise<TimestampRow | undefined> {
    return this.#guard(() => readOne(this.#statement("timestamp-after").get(place), readTimestamp));
  }

  async newestStamp(): Promise<TimestampRow | undefined> {
    return this.#guard(() => readOne(this.#statement("timestamp-newest").get(), readTimestamp));
  }

  async met({ name, size, outcome, detail, at }: WitnessRow): Promise<void> {
    this.#guard(() => this.#statement("witness-met").run(name, size, outcome, detail, at));
  }

  async all(): Promise<readonly WitnessRow[]> {
    return this.#guard(() =>
      this.#statement("witness-list")
        .all()
        .map((row) => ({ ...row }) as unknown as WitnessRow),
    );
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

function readOne<T>(row: SqlRow | undefined, read: (row: SqlRow) => T): T | undefined {
  return row === undefined ? undefined : read(row);
}

function cosignatureSum({ size, witness, line, cosignedAt }: CosignatureRow): number {
  return crc32(line, crc32(JSON.stringify([size, witness, cosignedAt])));
}

function timestampSum({ size, reply, stampedAt }: TimestampRow): number {
  return crc32(reply, crc32(JSON.stringify([size, stampedAt])));
}

function readCosignature(row: SqlRow): CosignatureRow {
  const { checksum, ...rest } = row as unknown as CosignatureRow & { readonly checksum: number };
  const cosignature: CosignatureRow = { ...rest };
  if (cosignatureSum(cosignature) !== checksum)
    throw new DamagedRow(`the cosignature of ${cosignature.witness} on ${cosignature.size} entries`, {
      size: cosignature.size,
    });
  return cosignature;
}

function readTimestamp(row: SqlRow): TimestampRow {
  const { checksum, ...rest } = row as unknown as TimestampRow & { readonly checksum: number };
  const timestamp: TimestampRow = { ...rest };
  if (timestampSum(timestamp) !== checksum)
    throw new DamagedRow(`the timestamp of the checkpoint of ${timestamp.size} entries`, { size: timestamp.size });
  return timestamp;
}
