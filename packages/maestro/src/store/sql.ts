import { readFileSync } from "node:fs";
import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
import { MaestroError } from "../core/problem.ts";
import { DamagedRow } from "./rows.ts";

export type SqlValue = string | number | null;
/** A row as SQLite gives it. The tables are strict, so a column's type is what the schema says. */
export type SqlRow = Readonly<Record<string, unknown>>;

const FOLDER = new URL("./sql/", import.meta.url);

/**
 * The text of a statement for SQLite. The files say `$1`, which PostgreSQL takes as it is; SQLite knows `$1` only as a
 * name and binds it through an object, which costs a quarter of the insert rate (200,000 instead of 260,000 rows/s), so
 * here it becomes `?1`.
 */
export function sqliteText(name: string): string {
  return readFileSync(new URL(`${name}.sql`, FOLDER), "utf8").replaceAll(/\$(\d+)/g, "?$1");
}

/** One prepared statement of `store/sql/`. Its methods throw what node:sqlite throws. */
export class Statement {
  readonly #prepared: StatementSync;

  constructor(db: DatabaseSync, name: string) {
    this.#prepared = db.prepare(sqliteText(name));
  }

  /** Returns the number of rows changed. */
  run(...values: readonly SQLInputValue[]): number {
    return Number(this.#prepared.run(...values).changes);
  }

  get(...values: readonly SqlValue[]): SqlRow | undefined {
    return this.#prepared.get(...values);
  }

  all(...values: readonly SqlValue[]): readonly SqlRow[] {
    return this.#prepared.all(...values);
  }
}

/** As `Statement`, for many small rows: lists of their values in the order of the columns, for half the cost of objects. */
export class ListStatement {
  readonly #prepared: StatementSync;

  constructor(db: DatabaseSync, name: string) {
    this.#prepared = db.prepare(sqliteText(name));
    this.#prepared.setReturnArrays(true);
  }

  get(...values: readonly SqlValue[]): readonly SqlValue[] | undefined {
    return this.#prepared.get(...values) as unknown as readonly SqlValue[] | undefined;
  }

  all(...values: readonly SqlValue[]): readonly (readonly SqlValue[])[] {
    // Its type knows of objects only.
    return this.#prepared.all(...values) as unknown as readonly (readonly SqlValue[])[];
  }
}

/** SQLite's primary result codes that the operator can do something about: https://sqlite.org/rescode.html */
const BUSY = 5;
const READONLY = 8;
const IOERR = 10;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const CONSTRAINT = 19;
const NOTADB = 26;

/** What went wrong in the database file, as one of our problems. Anything of ours passes through. */
export function storeProblem(thrown: unknown, path: string): unknown {
  if (thrown instanceof DamagedRow) {
    const detail = `${path} does not hold ${thrown.message} as it was committed: it is damaged or was edited.`;
    return new MaestroError("store_corrupt", detail, { cause: thrown, facts: { ...thrown.facts, path } });
  }
  const result = resultCode(thrown);
  if (result === undefined) return thrown;
  const said = thrown instanceof Error ? thrown.message : String(thrown);
  const options = { cause: thrown, facts: { path, sqlite: result } };
  switch (result & 0xff) {
    case FULL:
      return new MaestroError(
        "storage_full",
        `There is no room left to write ${path}; nothing of this commit was kept.`,
        options,
      );
    case READONLY:
      return new MaestroError("storage_failed", `${path} cannot be written: ${said}.`, options);
    case IOERR:
    case CANTOPEN:
      return new MaestroError("storage_failed", `Reading or writing ${path} failed: ${said}.`, options);
    case BUSY:
      return new MaestroError("storage_failed", `${path} is held by another program: ${said}.`, {
        ...options,
        fix: "Close the program that has the database open for writing; reading it at the same time is fine.",
      });
    case CORRUPT:
      return new MaestroError("store_corrupt", `${path} is damaged: ${said}.`, options);
    case NOTADB:
      return new MaestroError("store_corrupt", `${path} is not a database of Maestro: ${said}.`, options);
    case CONSTRAINT:
      return new MaestroError("internal", `The database refused a row: ${said}.`, options);
    default:
      return new MaestroError("storage_failed", `The database ${path} failed: ${said}.`, options);
  }
}

/** SQLITE_CONSTRAINT_PRIMARYKEY and SQLITE_CONSTRAINT_UNIQUE. */
export function isUniqueViolation(thrown: unknown): boolean {
  const result = resultCode(thrown);
  return result === 1555 || result === 2067;
}

function resultCode(thrown: unknown): number | undefined {
  if (!(thrown instanceof Error) || !("code" in thrown) || thrown.code !== "ERR_SQLITE_ERROR") return undefined;
  return "errcode" in thrown && typeof thrown.errcode === "number" ? thrown.errcode : 1;
}
