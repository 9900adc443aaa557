import { DatabaseSync, constants } from "node:sqlite";
import type { StatementSync } from "node:sqlite";
import type { JsonValue } from "../core/json.ts";
import { explainSqlite, sqlFailure } from "./sql-error.ts";
import type { InsertStatement, RowSink, SqlSession } from "./sql-session.ts";
import { hasMore } from "./sql-statement.ts";
import type { BoundStatement } from "./sql-statement.ts";
import { MAX_VALUE_BYTES, fromSqlite, toSqlite } from "./sql-value.ts";

/** How long it waits for another connection that writes. */
const MAX_BUSY_MS = 30_000;

/** A database file in this process. Its calls block until SQLite is done, so it belongs into a process of its own. */
export class SqliteSession implements SqlSession {
  readonly #database: DatabaseSync;
  readonly #write: boolean;
  readonly #inserts = new Map<string, StatementSync>();

  private constructor(database: DatabaseSync, write: boolean) {
    this.#database = database;
    this.#write = write;
  }

  static open(file: string, options: { readonly write: boolean; readonly timeoutMs: number }): SqliteSession {
    try {
      return new SqliteSession(openFile(file, options), options.write);
    } catch (thrown) {
      throw explainSqlite(thrown, "run");
    }
  }

  async begin(): Promise<void> {
    this.#exec(this.#write ? "begin immediate" : "begin");
  }

  async commit(): Promise<void> {
    this.#exec("commit");
  }

  async rollback(): Promise<void> {
    // Some errors roll back by themselves.
    if (this.#database.isTransaction) this.#exec("rollback");
  }

  async run({ text, values }: BoundStatement, sink: RowSink): Promise<number> {
    const statement = this.#prepare(text);
    const bound = values.map(toSqlite);
    const names = statement.columns().map(({ name }) => name);
    try {
      const before = this.#count("total_changes()");
      if (names.length === 0) statement.run(...bound);
      else {
        await sink.columns(names);
        for (const row of statement.iterate(...bound) as unknown as Iterable<readonly unknown[]>)
          await sink.row(row.map(fromSqlite));
      }
      // changes() is that of the last statement which could change something, which need not be this one.
      return this.#count("total_changes()") === before ? 0 : this.#count("changes()");
    } catch (thrown) {
      throw explainSqlite(thrown, "run");
    }
  }

  /** One by one costs nothing here, and a failure names its row. */
  batchRows(): number {
    return 1;
  }

  async insert({ head, tail, columns }: InsertStatement, rows: readonly (readonly JsonValue[])[]): Promise<number> {
    const text = `${head} values (${Array.from({ length: columns }, () => "?").join(", ")}) ${tail}`;
    const statement = this.#inserts.get(text) ?? this.#prepare(text);
    this.#inserts.set(text, statement);
    let changes = 0;
    try {
      for (const row of rows) changes += Number(statement.run(...row.map(toSqlite)).changes);
    } catch (thrown) {
      throw explainSqlite(thrown, "run");
    }
    return changes;
  }

  async close(): Promise<void> {
    this.#database.close();
  }

  #prepare(text: string): StatementSync {
    let statement: StatementSync;
    try {
      statement = this.#database.prepare(text);
    } catch (thrown) {
      throw explainSqlite(thrown, "prepare");
    }
    // SQLite reads up to the first semicolon and would leave out the rest without a word.
    if (hasMore(text.slice(statement.sourceSQL.length)))
      throw sqlFailure("SQL_SYNTAX", "There is more text after the end of the statement", {
        next: "Give one statement each, as a list under `statements`.",
      });
    statement.setReadBigInts(true);
    statement.setReturnArrays(true);
    return statement;
  }

  #count(call: "changes()" | "total_changes()"): number {
    return Number(this.#database.prepare(`select ${call} as count`).get()?.["count"]);
  }

  #exec(text: string): void {
    try {
      this.#database.exec(text);
    } catch (thrown) {
      throw explainSqlite(thrown, "run");
    }
  }
}

/** A copy of the whole database as it is now, without free pages, whose integrity was checked. */
export function copySqlite(file: string, target: string, timeoutMs: number): void {
  try {
    using source = new DatabaseSync(file, { readOnly: true, timeout: Math.min(timeoutMs, MAX_BUSY_MS) });
    source.prepare("vacuum into ?").run(target);
    using copy = new DatabaseSync(target, { readOnly: true });
    const found = copy.prepare("pragma integrity_check(1)").get()?.["integrity_check"];
    if (found !== "ok") throw sqlFailure("SQL_ERROR", `The copy is not sound: ${String(found)}`, { final: false });
  } catch (thrown) {
    throw explainSqlite(thrown, "run");
  }
}

/** SQLITE_READONLY_ROLLBACK and SQLITE_READONLY_RECOVERY: a writer was ended, and what it left must be undone first. */
const LEFT_BEHIND: readonly unknown[] = [776, 264];

function openFile(file: string, options: { readonly write: boolean; readonly timeoutMs: number }): DatabaseSync {
  const database = new DatabaseSync(file, {
    readOnly: !options.write,
    timeout: Math.min(options.timeoutMs, MAX_BUSY_MS),
    allowExtension: false,
    limits: { length: MAX_VALUE_BYTES },
  });
  database.enableDefensive(true);
  database.setAuthorizer((action, name) =>
    // `vacuum` attaches a temporary database without a name; everything else would open another file.
    action === constants.SQLITE_DETACH || (action === constants.SQLITE_ATTACH && name !== "")
      ? constants.SQLITE_DENY
      : constants.SQLITE_OK,
  );
  try {
    // Opening reads nothing: without this, a file that is no database is found by the first statement.
    look(database);
    return database;
  } catch (thrown) {
    database.close();
    if (options.write || !(thrown instanceof Error && "errcode" in thrown && LEFT_BEHIND.includes(thrown.errcode)))
      throw thrown;
    using writer = new DatabaseSync(file, { timeout: Math.min(options.timeoutMs, MAX_BUSY_MS) });
    look(writer);
  }
  return openFile(file, { ...options, write: false });
}

function look(database: DatabaseSync): void {
  database.prepare("select count(*) from sqlite_schema").get();
}
