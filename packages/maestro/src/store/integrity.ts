import { existsSync, readFileSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import type { DatabaseSync } from "node:sqlite";
import { MaestroError } from "../core/problem.ts";
import { walDamage } from "./wal.ts";

/** How the database was left, as far as its files tell. */
export interface FileState {
  /** Its last user did not close it. */
  readonly unclean: boolean;
  readonly bytes: number;
}

/**
 * Looks at the files before SQLite does: it would take a damaged log for the end of the history, and a stranger's or a
 * shortened file for one it can mend. Not while this process has the database open: POSIX drops the process's locks on
 * a file when any of its handles is closed. Errors: `store_corrupt`.
 */
export async function checkFiles(path: string): Promise<FileState> {
  const bytes = sizeOf(path);
  const wal = `${path}-wal`;
  const unclean = sizeOf(wal) > 0;
  if (unclean) {
    const damage = await walDamage(wal);
    if (damage !== undefined) {
      throw new MaestroError("store_corrupt", `The write-ahead log ${wal} is damaged: ${damage}.`, {
        facts: { path: wal },
        fix: "Keep a copy of the data directory, then restore a backup; or move the log away to go on from the last checkpoint, without what came after it.",
      });
    }
  }
  if (bytes > 0) await checkHeader(path, bytes, unclean);
  return { unclean, bytes };
}

const MAGIC = "SQLite format 3\0";
const HEADER = 100;

/** https://sqlite.org/fileformat2.html#the_database_header */
async function checkHeader(path: string, bytes: number, unclean: boolean): Promise<void> {
  const header = Buffer.alloc(HEADER);
  const file = await open(path, "r");
  try {
    await file.read(header, 0, HEADER, 0);
  } finally {
    await file.close();
  }
  if (header.toString("latin1", 0, 16) !== MAGIC)
    throw new MaestroError("store_corrupt", `${path} is not a database of Maestro.`, { facts: { path } });
  const pageSize = header.readUInt16BE(16) === 1 ? 65_536 : header.readUInt16BE(16);
  const expected = header.readUInt32BE(28) * pageSize;
  // While a log is left, the file may rightly be shorter: the copying into it was interrupted and will be done again.
  if (!unclean && bytes < expected) {
    throw new MaestroError("store_corrupt", `${path} has been cut short: it holds ${bytes} of ${expected} bytes.`, {
      facts: { path, bytes, expected },
    });
  }
}

/** Up to here the whole file is checked at every opening: 5 ms per MB. */
const CHECK_ALWAYS = 4 * 1024 * 1024;
/** Up to here the file's structure is checked where the last process did not close it: 2 ms per MB. */
const CHECK_UNCLEAN = 64 * 1024 * 1024;

/**
 * What can be afforded when the database is opened; beyond that every row checks itself as it is read.
 * Errors: `store_corrupt`.
 */
export function checkDatabase(db: DatabaseSync, path: string, state: FileState): void {
  checkSchema(db, path);
  if (state.bytes > CHECK_UNCLEAN || (state.bytes > CHECK_ALWAYS && !state.unclean)) return;
  const pragma = state.bytes > CHECK_ALWAYS ? "quick_check" : "integrity_check";
  const found = db
    .prepare(`pragma ${pragma}(3)`)
    .all()
    .map((row) => String(row[pragma]));
  if (found.length === 1 && found[0] === "ok") return;
  throw new MaestroError("store_corrupt", `${path} is damaged: ${found.join("; ")}.`, { facts: { path, found } });
}

const SCHEMA = new URL("./schema.sql", import.meta.url);

/** The schema as text: each object's statement, in the order of their names. */
export function dumpSchema(db: DatabaseSync): string {
  const rows = db
    .prepare("select sql from sqlite_master where sql is not null order by tbl_name, type <> 'table', name")
    .all();
  return rows.map((row) => `${String(row["sql"])};\n`).join("\n");
}

/** Someone who edits the file may have dropped a trigger that keeps the history append-only. More than ours is fine. */
function checkSchema(db: DatabaseSync, path: string): void {
  const present = new Set(statements(dumpSchema(db)));
  for (const statement of statements(readFileSync(SCHEMA, "utf8"))) {
    if (present.has(statement)) continue;
    const what = /^create (?:unique )?(\w+ \w+)/i.exec(statement)?.[1] ?? statement;
    throw new MaestroError("store_corrupt", `${path} was edited: ${what} is missing or is another one.`, {
      facts: { path, object: what },
    });
  }
}

function statements(schema: string): readonly string[] {
  return schema.split(/;\n\n?(?=create |$)/i).filter((statement) => statement !== "");
}

function sizeOf(path: string): number {
  return existsSync(path) ? statSync(path).size : 0;
}
