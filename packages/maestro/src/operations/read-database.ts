import { existsSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";

/**
 * A connection that only reads, beside an engine or without one. Where no log lies beside the file nothing but the file is
 * looked at, so that not even SQLite's own files appear beside it.
 */
export function readDatabase(path: string, isUp: boolean): DatabaseSync {
  const wal = `${path}-wal`;
  const hasLog = existsSync(wal) && statSync(wal).size > 0;
  return isUp || hasLog
    ? new DatabaseSync(path, { readOnly: true, timeout: 2_000 })
    : new DatabaseSync(new URL(`${pathToFileURL(path).href}?immutable=1`), { readOnly: true });
}
