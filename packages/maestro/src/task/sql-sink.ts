import type { JsonObject, JsonValue } from "../core/json.ts";
import { RowWriter } from "./row-writer.ts";
import { sqlFailure } from "./sql-error.ts";
import type { SqlJob } from "./sql-job.ts";
import type { RowSink } from "./sql-session.ts";

/** Of all rows that are handed back as a value, as JSON. */
export const MAX_INLINE_BYTES = 8 * 1024 * 1024;

/** Where the rows of the last statement go. `close` says what there is of them. */
export interface ClosableSink extends RowSink {
  close(): Promise<JsonObject>;
  abandon(): Promise<void>;
}

export async function openSink({ to, maxRows }: SqlJob): Promise<ClosableSink> {
  return to === undefined ? valueSink(maxRows) : fileSink(await RowWriter.open(to.file, to.format, to.delimiter));
}

/** Rows that nobody asked for: those of all statements but the last. */
export const noSink: RowSink = { columns: () => undefined, row: () => undefined };

function valueSink(maxRows: number): ClosableSink {
  const rows: JsonObject[] = [];
  let names: readonly string[] = [];
  let bytes = 0;
  return {
    columns: (found) => {
      names = distinct(found);
    },
    row: (values) => {
      const row = asObject(names, values);
      bytes += JSON.stringify(row).length;
      if (rows.length === maxRows) throw sqlFailure("SQL_LIMIT", `There are more than ${maxRows} rows (\`maxRows\`)`);
      if (bytes > MAX_INLINE_BYTES) throw sqlFailure("SQL_LIMIT", `The rows have more than ${MAX_INLINE_BYTES} bytes`);
      rows.push(row);
    },
    close: async () => ({ rows, count: rows.length, columns: names }),
    abandon: async () => undefined,
  };
}

function fileSink(writer: RowWriter): ClosableSink {
  let names: readonly string[] = [];
  let count = 0;
  return {
    columns: (found) => {
      names = distinct(found);
      writer.columns(names);
    },
    row: async (values) => {
      count += 1;
      await writer.write(asObject(names, values));
    },
    close: async () => ({ count, columns: names, ...(await writer.close()) }),
    abandon: () => writer.abandon(),
  };
}

/** fromEntries also keeps a column that is called `__proto__`. */
function asObject(names: readonly string[], values: readonly JsonValue[]): JsonObject {
  return Object.fromEntries(names.map((name, i) => [name, values[i] ?? null]));
}

function distinct(names: readonly string[]): readonly string[] {
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice === undefined) return names;
  throw sqlFailure("SQL_SYNTAX", `The result has the column ${JSON.stringify(twice)} twice`, {
    next: "Give one of them another name with `as`.",
  });
}
