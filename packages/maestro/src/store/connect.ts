import { DatabaseSync } from "node:sqlite";

/**
 * Durability and memory. `synchronous = full` syncs the log with every commit: what was acknowledged survives power loss.
 * The log is folded into the file beside the commits (checkpoints.ts), and by one of them only where it came to 16,000 pages
 * (64 MB). No memory mapping: it was no faster, and a file cut short under it kills the process.
 */
export function connect(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: 2_000, enableForeignKeyConstraints: true });
  db.exec(`
    pragma page_size = 4096;
    pragma journal_mode = wal;
    pragma synchronous = full;
    pragma temp_store = memory;
    pragma mmap_size = 0;
    pragma cache_size = -16000;
    pragma wal_autocheckpoint = 16000;
    pragma journal_size_limit = 67108864;
    pragma trusted_schema = off;
  `);
  return db;
}
