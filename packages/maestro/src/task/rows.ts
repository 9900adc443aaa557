import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import type { JsonValue } from "../core/json.ts";
import { parseJson, readJsonFile, unreadable } from "./json-file.ts";
import { TaskFailure } from "./task.ts";

export type RowFormat = "json" | "jsonl" | "csv";

export interface RowSource {
  /** A file, absolute; or the rows themselves. */
  readonly from: { readonly file: string } | { readonly value: JsonValue };
  readonly format: RowFormat;
  readonly delimiter?: string;
  /** CSV: the first row names the columns (default); else they are c1, c2, .... */
  readonly header?: boolean;
}

/** One line of JSON or CSV may be this long. */
const MAX_LINE_BYTES = 1024 * 1024;
/** A JSON document is read whole. */
const MAX_JSON_BYTES = 64 * 1024 * 1024;

/** The format that a file's name promises; JSON where it promises nothing. */
export function formatOf(path: string): RowFormat {
  if (/\.(?:jsonl|ndjson)$/i.test(path)) return "jsonl";
  return /\.csv$/i.test(path) ? "csv" : "json";
}

/**
 * Rows one after the other: the elements of a JSON array (any other value is one row), the lines of JSONL, the records of CSV as objects of text.
 * JSONL and CSV are streamed. Fails with ROW (final), naming the row from 1, where one cannot be read.
 */
export async function* readRows(source: RowSource): AsyncGenerator<JsonValue> {
  const { from, format } = source;
  if (format === "json") {
    const value = "file" in from ? await readJsonFile(from.file, MAX_JSON_BYTES) : from.value;
    yield* Array.isArray(value) ? (value as readonly JsonValue[]) : [value];
  } else if ("value" in from && typeof from.value !== "string") {
    throw new TaskFailure({
      code: "INPUT_INVALID",
      message: `from.value must be a text where the format is ${format}; leave \`format\` out for rows as JSON.`,
      final: true,
    });
  } else {
    const bytes = "file" in from ? createReadStream(from.file) : Readable.from([Buffer.from(from.value as string)]);
    try {
      yield* format === "jsonl" ? jsonLines(bytes) : csvRecords(bytes, source);
    } catch (thrown) {
      if ("file" in from && thrown instanceof Error && "syscall" in thrown)
        throw unreadable(from.file, thrown as NodeJS.ErrnoException);
      throw thrown;
    } finally {
      bytes.destroy();
    }
  }
}

/** A failure of one row, which is counted from 1. */
export function rowFailure(row: number, message: string, cause?: unknown): TaskFailure {
  return new TaskFailure(
    { code: "ROW", message: `Row ${row}: ${message}`, final: true, details: { row } },
    cause === undefined ? {} : { cause },
  );
}

async function* jsonLines(bytes: Readable): AsyncGenerator<JsonValue> {
  let row = 0;
  for await (const line of lines(bytes, () => row + 1)) {
    if (line.every((byte) => byte === 32 || byte === 9 || byte === 13)) continue;
    row += 1;
    const parsed = parseJson(line);
    if (!parsed.ok) throw rowFailure(row, `not JSON: ${parsed.message}`);
    yield parsed.value;
  }
}

/** Lines without their newline. Cut at bytes, so that a character is never torn apart. */
async function* lines(bytes: Readable, row: () => number): AsyncGenerator<Buffer> {
  let parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of bytes as AsyncIterable<Buffer>) {
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      yield Buffer.concat([...parts, chunk.subarray(start, end)]);
      parts = [];
      length = 0;
      start = end + 1;
    }
    parts.push(chunk.subarray(start));
    length += chunk.length - start;
    if (length > MAX_LINE_BYTES) throw rowFailure(row(), `longer than ${MAX_LINE_BYTES} bytes.`);
  }
  yield Buffer.concat(parts);
}

async function* csvRecords(bytes: Readable, { delimiter = ",", header = true }: RowSource): AsyncGenerator<JsonValue> {
  // Few runs read CSV, and every command would load it.
  const { CsvError, parse } = await import("csv-parse");
  const text = Readable.from(decode(bytes));
  const parser = parse({ delimiter, max_record_size: MAX_LINE_BYTES, skip_empty_lines: true });
  // pipe() hands on no errors.
  text.on("error", (error) => parser.destroy(error));
  text.pipe(parser);
  let names: readonly string[] | undefined;
  let row = 0;
  try {
    for await (const fields of parser as AsyncIterable<readonly string[]>) {
      if (names === undefined) {
        names = header ? fields : fields.map((_, i) => `c${i + 1}`);
        checkNames(names);
        if (header) continue;
      }
      row += 1;
      yield record(names, fields);
    }
  } catch (thrown) {
    if (thrown instanceof CsvError) {
      // The parser reads ahead: what counts is its own number, not that of the rows handed out.
      const read = typeof thrown["records"] === "number" ? thrown["records"] : row;
      throw rowFailure(header ? Math.max(read, 1) : read + 1, `${thrown.message.replace(/\.$/, "")}.`, thrown);
    }
    if (thrown instanceof TypeError && "code" in thrown && thrown.code === "ERR_ENCODING_INVALID_ENCODED_DATA")
      throw rowFailure(row + 1, "this or a row soon after it is not UTF-8.", thrown);
    throw thrown;
  } finally {
    text.destroy();
  }
}

async function* decode(bytes: Readable): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  // decode() throws a TypeError on what is no UTF-8 (Encoding Standard).
  for await (const chunk of bytes as AsyncIterable<Buffer>) yield decoder.decode(chunk, { stream: true });
  yield decoder.decode();
}

/** fromEntries also keeps a column that is called `__proto__`. */
function record(names: readonly string[], fields: readonly string[]): JsonValue {
  return Object.fromEntries(names.map((name, i) => [name, fields[i] ?? ""]));
}

function checkNames(names: readonly string[]): void {
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice === undefined) return;
  throw new TaskFailure({
    code: "ROW",
    message: `The header names the column ${JSON.stringify(twice)} twice. Rename one, or read it with \`header: false\`.`,
    final: true,
  });
}
