import { readFile, realpath } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { JsonObject } from "../core/json.ts";
import { readCredential } from "./credential.ts";
import type { CredentialSource } from "./credential.ts";
import { inputPath, task } from "./define.ts";
import { fileFacts } from "./file-facts.ts";
import { unreadable } from "./json-file.ts";
import { isMaestros, ownPlaceFailure } from "./places.ts";
import { pathWithin } from "./row-writer.ts";
import { formatOf } from "./rows.ts";
import type { RowFormat } from "./rows.ts";
import { DEFAULT_MAX_ROWS, DEFAULT_TIMEOUT_MS, sqlDescription } from "./sql-description.ts";
import type { SqlJob, SqlLoad, SqlTarget } from "./sql-job.ts";
import { runSqlJob } from "./sql-process.ts";
import { bindStatement, statementProblems } from "./sql-statement.ts";
import type { Dialect, Parameters } from "./sql-statement.ts";
import { valueProblem } from "./sql-value.ts";
import type { TaskContext, TaskType } from "./task.ts";

interface Statement {
  readonly statement: string;
  readonly parameters?: Parameters;
}

interface Input extends Partial<Statement> {
  readonly sqlite?: string;
  readonly postgres?: {
    readonly host: string;
    readonly port?: number;
    readonly database: string;
    readonly user: string;
    readonly password?: CredentialSource;
    readonly tls?: "verify" | "off";
    readonly ca?: string;
  };
  readonly mode?: "read" | "write";
  readonly create?: boolean;
  readonly transaction?: boolean;
  readonly statements?: readonly Statement[];
  readonly load?: {
    readonly path: string;
    readonly format?: RowFormat;
    readonly delimiter?: string;
    readonly header?: boolean;
    readonly emptyIsNull?: boolean;
    readonly table: string;
    readonly columns?: readonly string[];
    readonly onConflict?: NonNullable<SqlLoad["onConflict"]>;
  };
  readonly to?: { readonly path: string; readonly format?: RowFormat; readonly delimiter?: string };
  readonly copy?: string;
  readonly maxRows?: number;
  readonly timeoutMs?: number;
}

/** How much longer than the task the server goes on by itself, before it gives up too. */
const SERVER_MARGIN_MS = 5_000;

export const sql: TaskType = {
  description: sqlDescription,
  init: (context) =>
    task<Input>({ check: (input) => problemsOf(input, context), work: (input) => execute(input, context) }),
};

function problemsOf(input: Input, context: TaskContext): readonly string[] {
  const write = input.mode === "write";
  const problems: string[] = [];
  for (const [where, { statement, parameters = [] }] of named(input)) {
    for (const problem of statementProblems(dialectOf(input), statement, parameters))
      problems.push(`${where}: ${problem}`);
    for (const [key, value] of Object.entries(parameters)) {
      const problem = valueProblem(value);
      if (problem !== undefined)
        problems.push(`${where}: parameter ${Array.isArray(parameters) ? Number(key) + 1 : key}: ${problem}`);
    }
  }
  if (!write && input.load !== undefined) problems.push("load: changes the database; set `mode: write`");
  if (!write && input.create === true) problems.push("create: goes with `mode: write` only");
  if (input.transaction === false && (!write || input.statement === undefined || input.load !== undefined))
    problems.push("transaction: can be false for one `statement` with `mode: write` only");
  if (input.copy !== undefined && (input.sqlite === undefined || write))
    problems.push("copy: goes with `sqlite` and `mode: read` only; use pg_dump for PostgreSQL");
  for (const [where, path] of [
    ["to.path", input.to?.path],
    ["copy", input.copy],
  ] as const) {
    if (path !== undefined && pathWithin(context.dir(), path) === undefined)
      problems.push(
        `${where}: ${JSON.stringify(path)} leads out of the attempt's folder; give a relative path without ".."`,
      );
  }
  for (const [where, path] of [
    ["sqlite", input.sqlite],
    ["load.path", input.load?.path],
    ["postgres.ca", input.postgres?.ca],
    ["to.path", input.to?.path],
    ["copy", input.copy],
    ["load.table", input.load?.table],
  ] as const)
    if (path?.includes("\0") === true) problems.push(`${where}: holds a NUL character`);
  return problems;
}

function named(input: Input): readonly (readonly [string, Statement])[] {
  if (input.statement !== undefined)
    return [
      [
        "statement",
        { statement: input.statement, ...(input.parameters === undefined ? {} : { parameters: input.parameters }) },
      ],
    ];
  return (input.statements ?? []).map((statement, i) => [`statements[${i}]`, statement] as const);
}

function dialectOf(input: Input): Dialect {
  return input.sqlite === undefined ? "postgres" : "sqlite";
}

async function execute(input: Input, context: TaskContext): Promise<JsonObject> {
  const job = await jobOf(input, context);
  const output = await runSqlJob(job, context);
  if (input.to !== undefined && job.to !== undefined)
    context.emit({ kind: "artifact", name: input.to.path, path: job.to.file });
  if (input.copy === undefined || job.copy === undefined) return output;
  context.emit({ kind: "artifact", name: input.copy, path: job.copy });
  return { ...output, copy: { path: job.copy, ...(await fileFacts(job.copy, context.signal)) } };
}

async function jobOf(input: Input, context: TaskContext): Promise<SqlJob> {
  const within = (path: string): string => {
    const file = pathWithin(context.dir(), path);
    if (file === undefined) throw new Error("validate() let a path out of the folder through");
    return file;
  };
  const { to, copy, timeoutMs = DEFAULT_TIMEOUT_MS } = input;
  return {
    target: await targetOf(input, context),
    write: input.mode === "write",
    transaction: input.transaction ?? true,
    statements: named(input).map(([, { statement, parameters = [] }]) =>
      bindStatement(dialectOf(input), statement, parameters),
    ),
    ...(input.load === undefined ? {} : { load: loadOf(input.load, context) }),
    ...(to === undefined
      ? {}
      : {
          to: {
            file: within(to.path),
            format: to.format ?? formatOf(to.path),
            ...(to.delimiter === undefined ? {} : { delimiter: to.delimiter }),
          },
        }),
    ...(copy === undefined ? {} : { copy: within(copy) }),
    maxRows: input.maxRows ?? DEFAULT_MAX_ROWS,
    timeoutMs,
    // Only where this process could not tell it: the attempt's own end has the better words.
    serverMs: Math.min(timeoutMs, Math.max(0, (context.deadline ?? Infinity) - context.now())) + SERVER_MARGIN_MS,
  };
}

async function targetOf({ sqlite, postgres, create }: Input, context: TaskContext): Promise<SqlTarget> {
  if (postgres === undefined) {
    const file = inputPath(context, sqlite ?? "");
    const real = await realOf(file);
    if (isMaestros(real, context)) throw ownPlaceFailure(file);
    return { kind: "sqlite", file, create: create ?? false };
  }
  const { host, port = 5432, database, user, password, tls = "verify", ca } = postgres;
  return {
    kind: "postgres",
    host,
    port,
    database,
    user,
    ...(password === undefined ? {} : { password: await readCredential(context, password) }),
    // A socket of this machine has no TLS, and needs none.
    tls: tls === "verify" && !host.startsWith("/"),
    ...(ca === undefined ? {} : { ca: await readText(inputPath(context, ca)) }),
    application: `maestro ${context.run} ${context.task}`.slice(0, 63),
  };
}

/** Of a file that is to be made, what counts is its folder, which must be there. */
async function realOf(file: string): Promise<string> {
  try {
    return await realpath(file);
  } catch (thrown) {
    if (!(thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT"))
      throw unreadable(file, thrown as NodeJS.ErrnoException);
  }
  const folder = await realpath(dirname(file)).catch((cause: NodeJS.ErrnoException) => {
    throw unreadable(dirname(file), cause);
  });
  return join(folder, basename(file));
}

async function readText(file: string): Promise<string> {
  return readFile(file, "utf8").catch((cause: NodeJS.ErrnoException) => Promise.reject(unreadable(file, cause)));
}

function loadOf(load: NonNullable<Input["load"]>, context: TaskContext): SqlLoad {
  const { path, format, emptyIsNull = true, ...rest } = load;
  return { ...rest, emptyIsNull, file: inputPath(context, path), format: format ?? formatOf(path) };
}
