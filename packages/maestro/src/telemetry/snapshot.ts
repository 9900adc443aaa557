import { readdir, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import type { DurableEngine } from "../engine/durable.ts";
import type { Store } from "../store/store.ts";
import type { WitnessRow } from "../store/witness.ts";
import type { LogCounts } from "./log.ts";
import type { PolicyNumbers } from "./metrics-policy.ts";
import type { RequestStats } from "./requests.ts";
import type { ExportCounts } from "./spans.ts";

/** Where the numbers are. */
export interface Sources {
  readonly engine: DurableEngine;
  readonly policy: PolicyNumbers;
  readonly requests: RequestStats;
  /** By why. */
  readonly refusals: ReadonlyMap<string, number>;
  readonly logs: LogCounts;
  /** Absent: no traces are exported. */
  readonly spans: ExportCounts | undefined;
  readonly store: Pick<Store, "counts" | "ledger" | "witness">;
  readonly dataDir: string;
  readonly version: string;
  /** Epoch milliseconds at which this process started. */
  readonly startedAt: number;
}

/** What one scrape reads: what the sources hold by themselves, and what has to be asked for. */
export interface Snapshot extends Sources {
  readonly asleep: number;
  readonly openApprovals: number;
  /** Entries of the ledger. */
  readonly ledgerSize: number;
  readonly witnesses: readonly WitnessRow[];
  readonly files: Readonly<Record<"database" | "wal", number>>;
  readonly diskFree: number;
  /** Undefined where the system does not say. */
  readonly openFiles: number | undefined;
}

/** The database counts by walking an index, which with a million sleepers takes milliseconds; so not for every scrape. */
const COUNT_EVERY_MS = 10_000;

/** Takes snapshots. Errors: `storage_failed`. */
export function snapshots(sources: Sources, now: () => number): () => Promise<Snapshot> {
  let counted = Number.NEGATIVE_INFINITY;
  let counts = { asleep: 0, openApprovals: 0 };
  return async () => {
    if (now() - counted >= COUNT_EVERY_MS) {
      counts = await sources.store.counts();
      counted = now();
    }
    const database = join(sources.dataDir, "maestro.db");
    const disk = await statfs(sources.dataDir);
    return {
      ...sources,
      ...counts,
      ledgerSize: await sources.store.ledger.size(),
      witnesses: await sources.store.witness.all(),
      files: { database: await sizeOf(database), wal: await sizeOf(`${database}-wal`) },
      diskFree: disk.bavail * disk.bsize,
      openFiles: await openFiles(),
    };
  };
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return 0;
    throw error;
  }
}

async function openFiles(): Promise<number | undefined> {
  try {
    return (await readdir("/proc/self/fd")).length;
  } catch {
    // Only Linux tells.
    return undefined;
  }
}
