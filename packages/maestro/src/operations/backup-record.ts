import { existsSync } from "node:fs";
import { appendFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import { storageError } from "../store/storage-error.ts";

/** A backup that was made: a line of `backups.jsonl` in the data directory. */
export interface BackupRecord {
  readonly path: string;
  readonly createdAt: number;
  readonly bytes: number;
  /** Of the archive, hex. */
  readonly sha256: string;
  readonly runs: number;
  readonly members: number;
  /** Bytes of what is in it. */
  readonly unpacked: number;
  readonly keys: boolean;
  readonly logs: boolean;
  readonly missing: number;
  readonly dataDir: string;
}

const MAX_LISTED = 1_000;

export async function recordBackup(dataDir: string, record: BackupRecord): Promise<void> {
  const path = join(dataDir, "backups.jsonl");
  try {
    await appendFile(path, `${JSON.stringify(record)}\n`, { mode: 0o600 });
  } catch (error) {
    throw storageError(error, path);
  }
}

/** The backups that were made of a data directory, newest first, and whether their files are still where they were. */
export async function listBackups(dataDir: string): Promise<readonly (BackupRecord & { readonly isThere: boolean })[]> {
  let text: string;
  try {
    text = await readFile(join(dataDir, "backups.jsonl"), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw storageError(error, join(dataDir, "backups.jsonl"));
  }
  return text
    .split("\n")
    .slice(-MAX_LISTED - 1)
    .flatMap((line) => {
      const record = parse(line);
      return record === undefined ? [] : [{ ...record, isThere: existsSync(record.path) }];
    })
    .toReversed();
}

/** A line that a crash cut off is not a record. */
function parse(line: string): BackupRecord | undefined {
  try {
    const value = JSON.parse(line) as JsonValue;
    return isJsonObject(value) && typeof value["path"] === "string" && typeof value["createdAt"] === "number"
      ? (value as unknown as BackupRecord)
      : undefined;
  } catch {
    return undefined;
  }
}
