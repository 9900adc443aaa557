import type { JsonObject } from "../core/json.ts";
import { CREDENTIAL_SCHEMA } from "./credential.ts";
import type { TaskDescription } from "./task.ts";

export const DEFAULT_MAX_ROWS = 1000;
export const DEFAULT_TIMEOUT_MS = 300_000;
export const MAX_ROWS = 10_000;

const FORMAT: JsonObject = { enum: ["json", "jsonl", "csv"] };
const DELIMITER: JsonObject = { type: "string", minLength: 1, maxLength: 1, default: "," };
const NAMES: JsonObject = {
  type: "array",
  minItems: 1,
  maxItems: 1000,
  items: { type: "string", minLength: 1, maxLength: 200 },
};

const STATEMENT: JsonObject = {
  type: "string",
  minLength: 1,
  maxLength: 100_000,
  "x-maestro-literal": "`parameters`",
  description: "One SQL statement. It takes no expressions; values go in by `parameters`.",
  examples: ["select id, total from orders where status = :status order by id"],
};

const PARAMETERS: JsonObject = {
  anyOf: [
    { type: "array", maxItems: 30_000 },
    { type: "object", maxProperties: 30_000 },
  ],
  description: "Its values: an object for `:name`, a list for `$1`, `$2` (SQLite also `?`).",
  examples: [{ status: "open" }],
};

export const sqlDescription: TaskDescription = {
  name: "sql",
  version: 1,
  title: "Reads and writes a SQLite or PostgreSQL database",
  docs: `Runs one \`statement\`, or several \`statements\`, against a SQLite file or a PostgreSQL server, and hands on the rows of the last one. With \`load\` it brings a file of rows into a table afterwards. **All of it is one transaction**: when
anything fails, is cancelled or takes too long, nothing was changed.

**Values go in by \`parameters\`, never by text.** A statement takes no \`\${{ … }}\`; a value in \`parameters\` does. Write \`:name\` and give an object, or \`$1\` and a list; both work with both databases. Text, numbers, true and false and null are themselves. \`{ base64: … }\` is
bytes and \`{ json: … }\` a JSON document; any other object is JSON too; a list is an array for PostgreSQL and JSON for SQLite.

**\`mode: read\`** (the default) opens the file read-only, or a \`READ ONLY\` transaction; a statement that would change something fails with \`SQL_READ_ONLY\`. It keeps accidents away; against ill will give the account no more rights than it needs. The gate is asked for \`network\` and \`write\` either way.

**Rows come out** as \`tasks.ID.output.rows\`, at most \`maxRows\` (more is a failure, not a cut), or with \`to\` as a file in the attempt's folder, which is kept as an artifact, with count and digest; its size does not matter for memory. Nothing is rounded: whole numbers beyond 2^53 and every \`numeric\` are text, bytes are
\`{ base64 }\`, times are ISO 8601 with all their digits (\`timestamptz\` in UTC), dates, uuids, intervals and what else PostgreSQL has are text, its arrays lists, \`json\` and \`jsonb\` the value itself. NaN and the infinities are text.

**\`load\`** reads JSON, JSON lines or CSV a piece at a time. With \`onConflict\` it can be repeated without harm: rows that are there are brought up to date, or left alone. Lists and objects in a row become JSON; an empty field of CSV becomes null.

**\`copy\`** (SQLite) writes a sound, compact copy of the whole database into the attempt's folder, while others go on writing, and checks it.

The work happens in a process of its own outside the sandbox, with at most 512 MiB, which is ended when the task is. TLS certificates of PostgreSQL are verified. SQLite opens the one file and no other: \`attach\` is refused, extensions are not loaded.

**It fails** with \`SQL_SYNTAX\` (also a table or column that is not there; \`error.details\` has line and column where PostgreSQL tells them), \`SQL_CONSTRAINT\`, \`SQL_DATA\` (a value that does not fit its column), \`SQL_DENIED\`, \`SQL_READ_ONLY\`, \`SQL_LIMIT\`,
\`SQL_ERROR\`, all of them final; and with \`SQL_CONNECT\`, \`SQL_BUSY\` (another transaction was in the way) and \`SQL_TIMEOUT\`, which are worth a retry. \`NOT_FOUND\`: no such file. \`ROW\`: a row of \`load\` that cannot be read. \`CREDENTIAL\`: the password is not where \`password\` says.`,
  input: {
    type: "object",
    properties: {
      sqlite: {
        type: "string",
        minLength: 1,
        maxLength: 4096,
        description: "A database file, relative to the folder the run was started in.",
        examples: ["data/shop.db"],
      },
      postgres: {
        type: "object",
        required: ["host", "database", "user"],
        properties: {
          host: {
            type: "string",
            minLength: 1,
            maxLength: 255,
            description: "Name or address of the server, or the folder of its socket, beginning with `/`.",
            examples: ["db.example.com"],
          },
          port: { type: "integer", minimum: 1, maximum: 65_535, default: 5432, description: "Its port." },
          database: { type: "string", minLength: 1, maxLength: 63, description: "The database.", examples: ["shop"] },
          user: { type: "string", minLength: 1, maxLength: 63, description: "The role.", examples: ["reporter"] },
          password: CREDENTIAL_SCHEMA,
          tls: {
            enum: ["verify", "off"],
            default: "verify",
            description:
              "`verify`: TLS with a certificate that is valid for `host`. `off`: none, for a way that is trusted.",
          },
          ca: {
            type: "string",
            minLength: 1,
            maxLength: 4096,
            description: "A file with the certificate (PEM) of the authority to trust. Default: those of the system.",
          },
        },
        additionalProperties: false,
        description: "A PostgreSQL server.",
        examples: [{ host: "db.example.com", database: "shop", user: "reporter", password: { env: "SHOP_PASSWORD" } }],
      },
      mode: { enum: ["read", "write"], default: "read", description: "Whether it may change something." },
      create: {
        type: "boolean",
        default: false,
        description: "SQLite: a file that is not there is made. Without, it is a failure.",
      },
      statement: STATEMENT,
      parameters: PARAMETERS,
      statements: {
        type: "array",
        minItems: 1,
        maxItems: 1000,
        "x-maestro-literal": "`parameters`",
        items: {
          type: "object",
          required: ["statement"],
          properties: { statement: STATEMENT, parameters: PARAMETERS },
          additionalProperties: false,
          "x-maestro-literal": "`parameters`",
        },
        description: "Several statements in one transaction. Rows are those of the last.",
        examples: [
          [
            { statement: "update stock set count = count - :n where item = :item", parameters: { n: 1, item: "tea" } },
            { statement: "insert into sales (item) values (:item)", parameters: { item: "tea" } },
          ],
        ],
      },
      transaction: {
        type: "boolean",
        default: true,
        description: "false: without a transaction, for one statement that refuses to be in one, such as `vacuum`.",
      },
      load: {
        type: "object",
        required: ["path", "table"],
        properties: {
          path: {
            type: "string",
            minLength: 1,
            maxLength: 4096,
            description: "A file of rows, relative to the folder the run was started in.",
            examples: ["data/orders.csv"],
          },
          format: {
            ...FORMAT,
            description: "How to read it. Default: by its name (.jsonl, .ndjson, .csv), else json.",
          },
          delimiter: { ...DELIMITER, description: "What separates the fields of CSV." },
          header: { type: "boolean", default: true, description: "Whether the first row of CSV names the columns." },
          emptyIsNull: { type: "boolean", default: true, description: "Whether an empty field of CSV is null." },
          table: {
            type: "string",
            minLength: 1,
            maxLength: 200,
            description: "The table, as it is spelt in the database; with its schema as `schema.table`.",
            examples: ["orders"],
          },
          columns: {
            ...NAMES,
            description: "The fields to load, into columns of the same names. Default: those of the first row.",
            examples: [["id", "total"]],
          },
          onConflict: {
            type: "object",
            required: ["columns", "do"],
            properties: {
              columns: { ...NAMES, description: "The columns of a unique key.", examples: [["id"]] },
              do: { enum: ["update", "nothing"], description: "What becomes of a row whose key is there already." },
            },
            additionalProperties: false,
            description: "What happens to rows that are there already. Default: a failure.",
            examples: [{ columns: ["id"], do: "update" }],
          },
        },
        additionalProperties: false,
        description: "Rows of a file into a table, after the statements.",
        examples: [{ path: "data/orders.csv", table: "orders", onConflict: { columns: ["id"], do: "update" } }],
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
            examples: ["open-orders.csv"],
          },
          format: { ...FORMAT, description: "How to write it. Default: by its name, else json." },
          delimiter: { ...DELIMITER, description: "What separates the fields of CSV." },
        },
        additionalProperties: false,
        description: "Write the rows to a file instead of handing them on as a value.",
        examples: [{ path: "open-orders.csv" }],
      },
      copy: {
        type: "string",
        minLength: 1,
        maxLength: 1000,
        description: "SQLite: a file in the attempt's folder for a copy of the whole database.",
        examples: ["shop-copy.db"],
      },
      maxRows: {
        type: "integer",
        minimum: 0,
        maximum: MAX_ROWS,
        default: DEFAULT_MAX_ROWS,
        description: "More rows as a value are a failure; with `to` there is no such limit.",
      },
      timeoutMs: {
        type: "integer",
        minimum: 1,
        maximum: 86_400_000,
        default: DEFAULT_TIMEOUT_MS,
        description: "Milliseconds for all of it.",
      },
    },
    allOf: [
      { oneOf: [{ required: ["sqlite"] }, { required: ["postgres"] }] },
      {
        anyOf: [
          { required: ["statement"] },
          { required: ["statements"] },
          { required: ["load"] },
          { required: ["copy"] },
        ],
      },
    ],
    not: { required: ["statement", "statements"] },
    dependentRequired: { parameters: ["statement"], create: ["sqlite"], copy: ["sqlite"] },
    additionalProperties: false,
  },
  output: {
    type: "object",
    required: ["count", "columns", "changes"],
    properties: {
      rows: {
        type: "array",
        items: { type: "object", additionalProperties: true },
        description: "The rows of the last statement, as objects; absent with `to`.",
      },
      count: { type: "integer", description: "How many rows there are of them." },
      columns: { type: "array", items: { type: "string" }, description: "Their columns, in order." },
      changes: { type: "integer", description: "How many rows the statements and `load` have changed." },
      loaded: { type: "integer", description: "With `load`: how many rows were read." },
      path: { type: "string", description: "With `to`: the file, absolute." },
      bytes: { type: "integer", description: "With `to`: its size." },
      digest: { type: "string", description: "With `to`: its sha256." },
      copy: {
        type: "object",
        properties: {
          path: { type: "string", description: "The file, absolute." },
          bytes: { type: "integer", description: "Its size." },
          digest: { type: "string", description: "Its sha256." },
        },
        description: "With `copy`: the copy.",
      },
    },
  },
  effects: ["network", "write"],
  runs: "process",
  example: {
    sqlite: "data/shop.db",
    statement: "select id, total from orders where status = :status order by id",
    parameters: { status: "open" },
    to: { path: "open-orders.csv" },
  },
};
