import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import { MaestroError } from "../core/problem.ts";
import { storeProblem } from "./sql.ts";
import { storageError } from "./storage-error.ts";

/**
 * One engine per data directory. The lock is SQLite's exclusive lock on an empty file: SQLite asks the operating system
 * for it in the way of the platform, and the system drops it when the process ends, however it ends, so there is never
 * a stale lock to remove by hand. Child processes do not inherit it.
 * Nothing else may open `lock.db` in this process: POSIX drops a process's locks on a file with any close of it.
 * Errors: `data_locked` with `pid` and `since` (epoch ms) of the holder in `facts`; `storage_failed`.
 */
export async function acquireLock(dir: string): Promise<{ release(): Promise<void> }> {
  const path = join(dir, "lock.db");
  await mkdir(dir, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
    throw storageError(error, dir);
  });
  const db = openLock(path);
  try {
    db.exec("pragma locking_mode = exclusive; begin exclusive");
    await writeFile(infoPath(dir), `${JSON.stringify({ pid: process.pid, since: Date.now() })}\n`, { mode: 0o600 });
  } catch (error) {
    db.close();
    const problem = storeProblem(error, path);
    if (isBusy(problem)) throw await refusal(dir, problem);
    throw storageError(problem, infoPath(dir));
  }
  return {
    async release() {
      if (!db.isOpen) return;
      // First the note, then the lock: the next holder's note must not be the one that goes.
      try {
        await rm(infoPath(dir), { force: true });
      } finally {
        if (db.isOpen) db.close();
      }
    },
  };
}

function openLock(path: string): DatabaseSync {
  try {
    return new DatabaseSync(path, { timeout: 0 });
  } catch (error) {
    throw storeProblem(error, path);
  }
}

const SQLITE_BUSY = 5;

function isBusy(problem: unknown): boolean {
  const code = problem instanceof MaestroError ? problem.facts["sqlite"] : undefined;
  return typeof code === "number" && (code & 0xff) === SQLITE_BUSY;
}

async function refusal(dir: string, cause: unknown): Promise<MaestroError> {
  const { pid, since } = await holder(dir);
  const who = pid === null ? "Another process" : `Process ${pid}`;
  const when = since === null ? "" : ` since ${new Date(since).toISOString()}`;
  return new MaestroError("data_locked", `${who} has been using the data directory ${dir}${when}.`, {
    cause,
    facts: { dir, pid, since },
  });
}

/** What the holder wrote about itself; it may not have come to that yet. */
async function holder(dir: string): Promise<{ readonly pid: number | null; readonly since: number | null }> {
  let info: JsonValue;
  try {
    info = JSON.parse(await readFile(infoPath(dir), "utf8")) as JsonValue;
  } catch {
    return { pid: null, since: null };
  }
  const { pid, since } = isJsonObject(info) ? info : {};
  return { pid: typeof pid === "number" ? pid : null, since: typeof since === "number" ? since : null };
}

function infoPath(dir: string): string {
  return join(dir, "lock.json");
}
