import { isJsonObject } from "../core/json.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { MaestroError } from "../core/problem.ts";
import { breathe, inputPath, task } from "./define.ts";
import { readJsonFile } from "./json-file.ts";
import { compileSchema } from "./json-schema.ts";
import type { SchemaCheck, SchemaError } from "./json-schema.ts";
import { formatOf, readRows } from "./rows.ts";
import type { RowFormat } from "./rows.ts";
import { TaskFailure } from "./task.ts";
import type { TaskContext, TaskType } from "./task.ts";

interface Input {
  readonly schema: JsonObject | string;
  readonly value?: JsonValue;
  readonly path?: string;
  readonly format?: RowFormat;
  readonly rows?: boolean;
  readonly delimiter?: string;
  readonly maxErrors?: number;
}

/** A SchemaError with its row, where rows are checked. */
type RowError = { readonly row?: number } & SchemaError;

const MAX_SCHEMA_BYTES = 1024 * 1024;
const DEFAULT_MAX_ERRORS = 100;
const ROWS_PER_BREATH = 200;

export const validate: TaskType = {
  description: {
    name: "validate",
    version: 1,
    title: "Checks data against a JSON Schema",
    docs: `Checks a value or a file against a JSON Schema 2020-12. A JSON document is checked as a whole, or with \`rows: true\` element by element; JSON lines and CSV (whose fields are text) are
streamed and checked row by row.

What does not fit fails the task with \`SCHEMA\`; the failed attempt keeps \`errors\`, each with its row, place, message and keyword. The schema stands alone: references to other documents and \`$dynamicRef\` are refused, patterns are RE2 (linear in
time, no look-around), unknown keywords are errors unless they begin with \`x-\`, and it has at most 256 KiB, 64 levels and 5,000 subschemas. A schema that cannot be used fails with \`INPUT_INVALID\`.`,
    input: {
      type: "object",
      required: ["schema"],
      properties: {
        schema: {
          type: ["object", "string"],
          description:
            "The schema itself, or the path of its JSON file, relative to the folder the run was started in.",
          examples: [{ type: "object", required: ["id"] }, "schemas/order.json"],
        },
        value: { description: "The value to check." },
        path: {
          type: "string",
          minLength: 1,
          description: "The file to check, relative to the folder the run was started in.",
          examples: ["data/orders.jsonl"],
        },
        format: {
          enum: ["json", "jsonl", "csv"],
          description: "How to read the file. Default: by its name (.jsonl, .ndjson, .csv), else json.",
        },
        rows: {
          type: "boolean",
          default: false,
          description: "Check each element of a JSON array by itself. JSON lines and CSV always are rows.",
        },
        delimiter: {
          type: "string",
          minLength: 1,
          maxLength: 1,
          default: ",",
          description: "What separates the fields of CSV.",
        },
        maxErrors: {
          type: "integer",
          minimum: 1,
          maximum: 1000,
          default: DEFAULT_MAX_ERRORS,
          description: "Stop after so many errors.",
        },
      },
      oneOf: [{ required: ["value"] }, { required: ["path"] }],
      additionalProperties: false,
    },
    output: {
      type: "object",
      required: ["valid", "checked"],
      properties: {
        valid: { type: "boolean", description: "True; false only in what a failed attempt keeps." },
        checked: { type: "integer", description: "How many values were checked: 1, or the rows." },
        errors: {
          type: "array",
          description: "In a failed attempt: what does not fit.",
          items: {
            type: "object",
            properties: {
              row: { type: "integer", description: "The row, from 1; absent where the value was checked as a whole." },
              path: { type: "string", description: "JSON Pointer into the value or row." },
              message: { type: "string", description: "What is wrong there." },
              keyword: { type: "string", description: "The keyword of the schema that says so." },
            },
          },
        },
      },
    },
    effects: [],
    runs: "inline",
    example: {
      schema: { type: "object", required: ["id"], properties: { id: { type: "string", pattern: "^[a-z]+$" } } },
      path: "data/orders.jsonl",
    },
  },
  init: (context) => task<Input>({ work: (input) => execute(input, context) }),
};

async function execute(input: Input, context: TaskContext): Promise<JsonObject> {
  const check = await loadSchema(input.schema, context);
  const maxErrors = input.maxErrors ?? DEFAULT_MAX_ERRORS;
  const format = input.format ?? (input.path === undefined ? "json" : formatOf(input.path));
  const byRow = format !== "json" || input.rows === true;
  const errors: RowError[] = [];
  let checked = 0;
  for await (const value of values(input, format, byRow, context)) {
    checked += 1;
    for (const error of check(value))
      if (errors.length < maxErrors) errors.push({ ...(byRow ? { row: checked } : {}), ...error });
    if (errors.length >= maxErrors) break;
    if (checked % ROWS_PER_BREATH === 0) await breathe(context.signal);
  }
  const [first] = errors;
  if (first === undefined) return { valid: true, checked };
  throw new TaskFailure(
    { code: "SCHEMA", message: summary(errors, first, maxErrors), final: true },
    { output: { valid: false, checked, errors: errors.map((error) => ({ ...error })) } },
  );
}

async function* values(
  input: Input,
  format: RowFormat,
  byRow: boolean,
  context: TaskContext,
): AsyncGenerator<JsonValue> {
  const from = input.path === undefined ? { value: input.value ?? null } : { file: inputPath(context, input.path) };
  if (byRow)
    yield* readRows({ from, format, ...(input.delimiter === undefined ? {} : { delimiter: input.delimiter }) });
  else yield "value" in from ? from.value : await readJsonFile(from.file, 64 * 1024 * 1024);
}

async function loadSchema(schema: JsonObject | string, context: TaskContext): Promise<SchemaCheck> {
  const loaded = typeof schema === "string" ? await readJsonFile(inputPath(context, schema), MAX_SCHEMA_BYTES) : schema;
  if (!isJsonObject(loaded)) {
    const name = typeof schema === "string" ? schema : "schema";
    throw new TaskFailure({
      code: "INPUT_INVALID",
      message: `${name} holds no JSON object, so it is no schema.`,
      final: true,
    });
  }
  try {
    return compileSchema(loaded);
  } catch (thrown) {
    if (thrown instanceof MaestroError)
      throw new TaskFailure(
        { code: "INPUT_INVALID", message: `schema: ${thrown.message}. ${thrown.fix}`, final: true },
        { cause: thrown },
      );
    throw thrown;
  }
}

function summary(errors: readonly RowError[], first: RowError, maxErrors: number): string {
  const place = `${first.row === undefined ? "" : `row ${first.row}`} ${first.path}`.trim();
  const count = `${errors.length >= maxErrors ? "at least " : ""}${errors.length} ${errors.length === 1 ? "error" : "errors"}`;
  return `The data does not fit the schema (${count}). First, ${place === "" ? "the value" : place} ${first.message}.`;
}
