import type { JsonObject } from "../core/json.ts";
import type { TaskDescription } from "./task.ts";

export const MAX_INLINE_ROWS = 10_000;
/** With a comma. Asking `Intl` for it loads 20 ms of tables at every start. */
const ROWS_TEXT = String(MAX_INLINE_ROWS).replace(/\B(?=(?:\d{3})+$)/g, ",");
/** What `where` and `select` know. */
export const TRANSFORM_NAMES: readonly string[] = ["row", "index", "inputs"];

const FORMAT: JsonObject = { enum: ["json", "jsonl", "csv"] };
const DELIMITER: JsonObject = { type: "string", minLength: 1, maxLength: 1 };

export const transformDescription: TaskDescription = {
  name: "transform",
  version: 1,
  title: "Filters and reshapes rows with CEL",
  docs: `Reads rows from a value or a file (JSON, JSON lines, CSV), keeps those for which \`where\` holds, and makes of each what \`select\` says. The rows of JSON are the elements of its array; any other JSON value is one row. CSV fields are text: write \`int(row.count)\`.

\`where\` and \`select\` are CEL over \`row\`, \`index\` (from 0) and \`inputs\` (whatever this task's own \`inputs\` hold). They are plain text, not \`\${{ … }}\`: they are asked once per row, while \`\${{ … }}\` is filled in once, before the task starts. \`inputs\` is the way from the one to the other.

The result is \`tasks.ID.output.value\`, a list of up to ${ROWS_TEXT} rows, or with \`to\` a file in the attempt's folder, kept as an artifact. From a JSONL or CSV file to a file the memory it takes does not grow with the rows; a JSON document is read whole, up to 64 MiB.

**It fails** with \`ROW\`, naming the row, when one cannot be read, an expression fails on it or \`where\` is no bool; with \`TOO_LARGE\` when there are more rows than a value may have; with \`NOT_FOUND\` when there is no such file. It does not start when an expression cannot be compiled; \`maestro lint\` finds those before, with names that are not known.`,
  input: {
    type: "object",
    required: ["from"],
    properties: {
      from: {
        type: "object",
        properties: {
          value: {
            description: "The rows themselves: a list, any other JSON as one row, or the text of JSONL or CSV.",
          },
          path: {
            type: "string",
            minLength: 1,
            description: "A file, relative to the folder the run was started in.",
            examples: ["data/orders.csv"],
          },
          format: {
            ...FORMAT,
            description: "How to read it. Default: by the file's name (.jsonl, .ndjson, .csv), else json.",
          },
          delimiter: { ...DELIMITER, default: ",", description: "What separates the fields of CSV.", examples: [";"] },
          header: {
            type: "boolean",
            default: true,
            description: "Whether the first row of CSV names the columns; without, they are c1, c2 and so on.",
          },
        },
        oneOf: [{ required: ["value"] }, { required: ["path"] }],
        additionalProperties: false,
        description: "Where the rows come from.",
        examples: [{ path: "data/orders.csv" }],
      },
      where: {
        type: "string",
        minLength: 1,
        "x-maestro-cel": TRANSFORM_NAMES,
        description: "CEL; rows for which it is false are left out.",
        examples: ['row.status == "open" && int(row.total) >= inputs.min'],
      },
      select: {
        description:
          "What becomes of a row: one CEL expression, or names with an expression each. Default: the row as it is.",
        anyOf: [
          { type: "string", minLength: 1, "x-maestro-cel": TRANSFORM_NAMES },
          {
            type: "object",
            minProperties: 1,
            maxProperties: 500,
            additionalProperties: { type: "string", minLength: 1, "x-maestro-cel": TRANSFORM_NAMES },
          },
        ],
        examples: [{ id: "row.id", total: "int(row.total)" }],
      },
      inputs: {
        type: "object",
        description: "Values that the expressions know as `inputs`.",
        examples: [{ min: 100 }],
      },
      to: {
        type: "object",
        required: ["path"],
        properties: {
          path: {
            type: "string",
            minLength: 1,
            maxLength: 1000,
            description: "A file in the attempt's folder.",
            examples: ["open-orders.jsonl"],
          },
          format: { ...FORMAT, description: "How to write it. Default: by the file's name, else json." },
          delimiter: { ...DELIMITER, default: ",", description: "What separates the fields of CSV." },
        },
        additionalProperties: false,
        description: "Write the rows to a file instead of handing them on as a value.",
        examples: [{ path: "open-orders.jsonl" }],
      },
      limit: { type: "integer", minimum: 1, description: "Stop after so many rows were kept.", examples: [100] },
    },
    additionalProperties: false,
  },
  output: {
    type: "object",
    required: ["rows", "kept"],
    properties: {
      rows: { type: "integer", description: "How many rows were read." },
      kept: { type: "integer", description: "How many were kept." },
      value: { type: "array", items: {}, description: "The rows that were kept; absent with `to`." },
      path: { type: "string", description: "With `to`: the file, absolute." },
      bytes: { type: "integer", description: "With `to`: its size." },
      digest: { type: "string", description: "With `to`: its sha256." },
    },
  },
  effects: [],
  runs: "inline",
  example: {
    from: { path: "data/orders.csv" },
    where: "int(row.total) >= inputs.min",
    select: { id: "row.id", total: "int(row.total)" },
    inputs: { min: 100 },
    to: { path: "large-orders.jsonl" },
  },
};
