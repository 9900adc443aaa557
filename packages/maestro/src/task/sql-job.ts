import type { TaskError } from "../core/event.ts";
import type { JsonObject } from "../core/json.ts";
import type { RowFormat } from "./rows.ts";
import type { BoundStatement } from "./sql-statement.ts";

// What the task tells the process that talks to the database, and what that answers.

export type SqlTarget =
  | { readonly kind: "sqlite"; readonly file: string; readonly create: boolean }
  | {
      readonly kind: "postgres";
      readonly host: string;
      readonly port: number;
      readonly database: string;
      readonly user: string;
      readonly password?: string;
      readonly tls: boolean;
      /** Certificates of the authority, PEM; absent: those of the system. */
      readonly ca?: string;
      readonly application: string;
    };

export interface SqlLoad {
  readonly file: string;
  readonly format: RowFormat;
  readonly delimiter?: string;
  readonly header?: boolean;
  readonly emptyIsNull: boolean;
  readonly table: string;
  readonly columns?: readonly string[];
  readonly onConflict?: { readonly columns: readonly string[]; readonly do: "update" | "nothing" };
}

export interface SqlJob {
  readonly target: SqlTarget;
  readonly write: boolean;
  readonly transaction: boolean;
  readonly statements: readonly BoundStatement[];
  readonly load?: SqlLoad;
  /** A file of the attempt for the rows of the last statement; absent: they are handed back. */
  readonly to?: { readonly file: string; readonly format: RowFormat; readonly delimiter?: string };
  /** SQLite: write a copy of the whole database here, after everything else. */
  readonly copy?: string;
  readonly maxRows: number;
  readonly timeoutMs: number;
  /** PostgreSQL: when the server itself ends a statement. */
  readonly serverMs: number;
}

export type ToChild = { readonly kind: "job"; readonly job: SqlJob } | { readonly kind: "cancel" };

export type FromChild =
  | { readonly kind: "progress"; readonly done: number }
  | { readonly kind: "done"; readonly output: JsonObject }
  | { readonly kind: "failed"; readonly error: TaskError };
