import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { MaestroError } from "../core/problem.ts";
import { storeProblem } from "./sql.ts";

/**
 * Who reads the files of a data directory as a whole (a backup) and who removes some of them (retention) take turns, also
 * across processes. As with the engine's lock it is SQLite's lock on an empty file, which the operating system drops with
 * its holder, so nothing has to be cleaned up after a crash.
 */
export interface FilesLock {
  release(): void;
}

/** How long a backup waits for a removal under way. It ends its slice and looks again within seconds. */
const PATIENCE_MS = 60_000;

/** For readers, any number at once. Errors: `conflict` while files are being removed. */
export function shareFiles(dataDir: string): FilesLock {
  const lock = take(dataDir, PATIENCE_MS, "begin; select count(*) from sqlite_master");
  if (lock !== undefined) return lock;
  throw new MaestroError("conflict", `Files of ${dataDir} are being removed just now (\`maestro gc\`).`, {
    fix: "Try again when that has ended.",
  });
}

/** For the one that removes; undefined while somebody reads or removes. */
export function ownFiles(dataDir: string): FilesLock | undefined {
  return take(dataDir, 0, "begin exclusive");
}

function take(dataDir: string, timeout: number, begin: string): FilesLock | undefined {
  const path = join(dataDir, "files.db");
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { timeout });
    const held = db;
    held.exec(begin);
    return {
      release() {
        if (held.isOpen) held.close();
      },
    };
  } catch (error) {
    db?.close();
    const problem = storeProblem(error, path);
    const code = problem instanceof MaestroError ? problem.facts["sqlite"] : undefined;
    if (typeof code === "number" && (code & 0xff) === SQLITE_BUSY) return undefined;
    throw problem;
  }
}

const SQLITE_BUSY = 5;
