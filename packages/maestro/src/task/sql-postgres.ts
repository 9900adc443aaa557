import { Client } from "pg";
import type { ClientConfig } from "pg";
import Cursor from "pg-cursor";
import type { JsonValue } from "../core/json.ts";
import { explainPostgres, sqlFailure } from "./sql-error.ts";
import type { SqlTarget } from "./sql-job.ts";
import type { InsertStatement, RowSink, SqlSession } from "./sql-session.ts";
import type { BoundStatement } from "./sql-statement.ts";
import { MAX_VALUE_BYTES, fromPostgres, toPostgres } from "./sql-value.ts";

type Target = Extract<SqlTarget, { kind: "postgres" }>;

/** Rows that are in memory at once while a result is read. */
const ROWS_PER_READ = 200;
const CONNECT_MS = 10_000;
/** The protocol counts parameters in 16 bits. */
const MAX_PARAMETERS = 65_535;
const MAX_BATCH_ROWS = 500;

export class PostgresSession implements SqlSession {
  readonly #client: Client;
  readonly #target: Target;
  readonly #write: boolean;
  #backend = 0;

  private constructor(client: Client, target: Target, write: boolean) {
    this.#client = client;
    this.#target = target;
    this.#write = write;
  }

  static async open(
    target: Target,
    options: { readonly write: boolean; readonly timeoutMs: number },
  ): Promise<PostgresSession> {
    const session = new PostgresSession(new Client(configOf(target)), target, options.write);
    // A connection that breaks is also told to whoever waits for an answer; without a listener it would end the process.
    session.#client.on("error", () => undefined);
    try {
      await session.#client.connect();
      await session.#settle(options.timeoutMs);
    } catch (thrown) {
      throw explainPostgres(thrown);
    }
    return session;
  }

  async begin(): Promise<void> {
    await this.#simple(this.#write ? "begin" : "begin read only");
    // From its first query on a transaction can no longer be made one that writes.
    if (!this.#write) await this.#simple("select 1");
  }

  async commit(): Promise<void> {
    await this.#simple("commit");
  }

  async rollback(): Promise<void> {
    await this.#simple("rollback");
  }

  async run({ text, values }: BoundStatement, sink: RowSink): Promise<number> {
    const cursor = this.#client.query(
      new Cursor(text, values.map(toPostgres), { rowMode: "array", types: { getTypeParser: fromPostgres } }),
    );
    let named = false;
    for (;;) {
      const { rows, fields, changes } = await read(cursor, text);
      if (!named && fields.length > 0) await sink.columns(fields.map(({ name }) => name));
      named = true;
      for (const row of rows as readonly (readonly JsonValue[])[]) {
        if (row.some((value) => typeof value === "string" && value.length > MAX_VALUE_BYTES))
          throw sqlFailure("SQL_LIMIT", `A value has more than ${MAX_VALUE_BYTES} characters`);
        await sink.row(row);
      }
      if (rows.length < ROWS_PER_READ) return changes;
    }
  }

  batchRows(columns: number): number {
    return Math.max(1, Math.min(MAX_BATCH_ROWS, Math.floor(MAX_PARAMETERS / columns)));
  }

  async insert({ head, tail }: InsertStatement, rows: readonly (readonly JsonValue[])[]): Promise<number> {
    let count = 0;
    const lines = rows.map((row) => `(${row.map(() => `$${(count += 1)}`).join(", ")})`);
    const text = `${head} values ${lines.join(", ")} ${tail}`;
    try {
      const result = await this.#client.query(text, rows.flat().map(toPostgres));
      return result.rowCount ?? 0;
    } catch (thrown) {
      // Its text is ours, so a position in it would mean nothing to anybody.
      throw explainPostgres(thrown);
    }
  }

  /** Asks the server, by another connection, to end what this one is doing. */
  async cancel(): Promise<void> {
    const messenger = new Client(configOf(this.#target));
    messenger.on("error", () => undefined);
    try {
      await messenger.connect();
      await messenger.query("select pg_cancel_backend($1)", [this.#backend]);
    } finally {
      await messenger.end();
    }
  }

  async close(): Promise<void> {
    await this.#client.end();
  }

  /** One form for every value, whatever the server is set to, and an end of what nobody waits for. Older servers lack some. */
  async #settle(timeoutMs: number): Promise<void> {
    const settings = {
      TimeZone: "UTC",
      DateStyle: "ISO, YMD",
      IntervalStyle: "iso_8601",
      bytea_output: "hex",
      extra_float_digits: "1",
      standard_conforming_strings: "on",
      statement_timeout: String(timeoutMs),
      idle_in_transaction_session_timeout: String(timeoutMs),
      client_connection_check_interval: "1000",
      default_transaction_read_only: this.#write ? "off" : "on",
    };
    const { rows } = await this.#client.query<{ readonly backend: number }>(
      `select pg_backend_pid() as backend, count(set_config(name, value, false))
         from unnest($1::text[], $2::text[]) as wish (name, value)
        where name in (select s.name from pg_settings as s)`,
      [Object.keys(settings), Object.values(settings)],
    );
    this.#backend = rows[0]?.backend ?? 0;
  }

  async #simple(text: string): Promise<void> {
    try {
      await this.#client.query(text);
    } catch (thrown) {
      throw explainPostgres(thrown);
    }
  }
}

interface Read {
  readonly rows: readonly (readonly unknown[])[];
  readonly fields: readonly { readonly name: string }[];
  readonly changes: number;
}

/** Commands whose count is of rows that they changed. */
const CHANGING = new Set(["INSERT", "UPDATE", "DELETE", "MERGE"]);

function read(cursor: Cursor, text: string): Promise<Read> {
  return new Promise((resolve, reject) => {
    cursor.read(ROWS_PER_READ, (error, rows, result) => {
      if (error) reject(explainPostgres(error, text));
      else
        resolve({
          rows,
          fields: result?.fields ?? [],
          changes: CHANGING.has(result?.command ?? "") ? (result?.rowCount ?? 0) : 0,
        });
    });
  });
}

/** Everything is given, so that no variable of the environment and no file of the user is asked. */
function configOf(target: Target): ClientConfig {
  const { host, port, database, user, password, tls, ca, application } = target;
  return {
    host,
    port,
    database,
    user,
    password: () => password ?? "",
    ssl: tls ? { rejectUnauthorized: true, ...(ca === undefined ? {} : { ca }) } : false,
    connectionTimeoutMillis: CONNECT_MS,
    application_name: application,
    keepAlive: true,
  };
}
