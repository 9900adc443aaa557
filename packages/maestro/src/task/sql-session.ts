import type { JsonValue } from "../core/json.ts";
import type { BoundStatement } from "./sql-statement.ts";

/** One connection, used by one job. What fails is a TaskFailure with a code of sql@1. */
export interface SqlSession {
  begin(): Promise<void>;
  commit(): Promise<void>;
  rollback(): Promise<void>;
  /** Runs one statement; its rows, if it has any, go to `sink` as they come. Resolves with how many rows it changed. */
  run(statement: BoundStatement, sink: RowSink): Promise<number>;
  /** How many rows one `insert` takes at most. */
  batchRows(columns: number): number;
  /** Rows into a table, each with a value for every column. Resolves with how many rows it changed. */
  insert(statement: InsertStatement, rows: readonly (readonly JsonValue[])[]): Promise<number>;
  close(): Promise<void>;
}

export interface InsertStatement {
  /** `insert into "t" ("a", "b")` */
  readonly head: string;
  /** `on conflict ...`, or empty. */
  readonly tail: string;
  readonly columns: number;
}

export interface RowSink {
  columns(names: readonly string[]): Promise<void> | void;
  row(values: readonly JsonValue[]): Promise<void> | void;
}
