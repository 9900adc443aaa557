import { isJsonObject } from "../core/json.ts";
import type { JsonValue } from "../core/json.ts";
import { readRows, rowFailure } from "./rows.ts";
import type { SqlLoad } from "./sql-job.ts";
import type { InsertStatement, SqlSession } from "./sql-session.ts";
import { TaskFailure } from "./task.ts";

/** A name as SQL takes it as one, whatever is in it. */
function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Brings the rows of a file into a table, many at a time. Resolves with how many were read and how many rows that changed. */
export async function loadRows(
  session: SqlSession,
  load: SqlLoad,
  progress: (done: number) => void,
): Promise<{ readonly loaded: number; readonly changes: number }> {
  let target: Target | undefined;
  let batch: (readonly JsonValue[])[] = [];
  let keys = new Set<string>();
  let loaded = 0;
  let changes = 0;
  const flush = async (): Promise<void> => {
    if (target === undefined || batch.length === 0) return;
    const first = loaded - batch.length + 1;
    try {
      changes += await session.insert(target.insert, batch);
    } catch (thrown) {
      throw placed(thrown, first, loaded);
    }
    batch = [];
    keys = new Set();
    progress(loaded);
  };
  for await (const row of readRows({
    from: { file: load.file },
    format: load.format,
    ...(load.delimiter === undefined ? {} : { delimiter: load.delimiter }),
    ...(load.header === undefined ? {} : { header: load.header }),
  })) {
    const number = loaded + 1;
    if (!isJsonObject(row)) throw rowFailure(number, "is no object, so its values have no column names.");
    target ??= targetOf(load, Object.keys(row));
    const { columns, key } = target;
    if (load.columns === undefined) {
      const extra = Object.keys(row).find((name) => !columns.includes(name));
      if (extra !== undefined)
        throw rowFailure(
          number,
          `has ${JSON.stringify(extra)}, which the first row has not. Name the columns with \`columns\`.`,
        );
    }
    const values = columns.map((name) => valueOf(Object.hasOwn(row, name) ? row[name] : null, load));
    // One insert cannot touch the same row twice.
    const identity = key.length === 0 ? "" : JSON.stringify(key.map((i) => values[i] ?? null));
    if (key.length > 0 && keys.has(identity)) await flush();
    keys.add(identity);
    batch.push(values);
    loaded += 1;
    if (batch.length >= session.batchRows(columns.length)) await flush();
  }
  await flush();
  return { loaded, changes };
}

interface Target {
  readonly columns: readonly string[];
  /** Where the columns are by which a row is known. */
  readonly key: readonly number[];
  readonly insert: InsertStatement;
}

function targetOf(load: SqlLoad, found: readonly string[]): Target {
  const columns = load.columns ?? found;
  if (columns.length === 0) throw rowFailure(1, "has no fields.");
  const keys = load.onConflict?.columns ?? [];
  const missing = keys.find((name) => !columns.includes(name));
  if (missing !== undefined)
    throw new TaskFailure({
      code: "INPUT_INVALID",
      message: `load.onConflict: ${JSON.stringify(missing)} is not among the columns ${columns.join(", ")}.`,
      final: true,
    });
  const table = load.table.split(".").map(quoted).join(".");
  return {
    columns,
    key: keys.map((name) => columns.indexOf(name)),
    insert: {
      head: `insert into ${table} (${columns.map(quoted).join(", ")})`,
      tail: conflictClause(load, columns),
      columns: columns.length,
    },
  };
}

function conflictClause({ onConflict }: SqlLoad, columns: readonly string[]): string {
  if (onConflict === undefined) return "";
  const others = columns.filter((name) => !onConflict.columns.includes(name));
  const action =
    onConflict.do === "nothing" || others.length === 0
      ? "do nothing"
      : `do update set ${others.map((name) => `${quoted(name)} = excluded.${quoted(name)}`).join(", ")}`;
  return `on conflict (${onConflict.columns.map(quoted).join(", ")}) ${action}`;
}

/** Lists inside a row are JSON, as objects are: a file of rows knows nothing of arrays of the database. */
function valueOf(value: JsonValue | undefined, load: SqlLoad): JsonValue {
  if (value === undefined || value === null) return null;
  if (load.format === "csv" && load.emptyIsNull && value === "") return null;
  return Array.isArray(value) ? { json: value } : value;
}

function placed(thrown: unknown, first: number, last: number): unknown {
  if (!(thrown instanceof TaskFailure)) return thrown;
  const where = first === last ? `Row ${first}` : `Rows ${first} to ${last}`;
  const details = isJsonObject(thrown.error.details ?? null)
    ? (thrown.error.details as Readonly<Record<string, JsonValue>>)
    : {};
  return new TaskFailure(
    {
      ...thrown.error,
      message: `${where}: ${thrown.error.message}`,
      details: { ...details, firstRow: first, lastRow: last },
    },
    { cause: thrown },
  );
}
