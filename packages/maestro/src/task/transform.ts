import { ExpressionError, compileExpression, prepare } from "../core/expression.ts";
import type { Expression, Scope } from "../core/expression.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { breathe, inputPath, task } from "./define.ts";
import { RowWriter, pathWithin } from "./row-writer.ts";
import { formatOf, readRows, rowFailure } from "./rows.ts";
import type { RowFormat, RowSource } from "./rows.ts";
import { TaskFailure } from "./task.ts";
import type { TaskContext, TaskType } from "./task.ts";
import { MAX_INLINE_ROWS, TRANSFORM_NAMES, transformDescription } from "./transform-description.ts";

interface Input {
  readonly from: {
    readonly value?: JsonValue;
    readonly path?: string;
    readonly format?: RowFormat;
    readonly delimiter?: string;
    readonly header?: boolean;
  };
  readonly where?: string;
  readonly select?: string | Readonly<Record<string, string>>;
  readonly inputs?: JsonObject;
  readonly to?: { readonly path: string; readonly format?: RowFormat; readonly delimiter?: string };
  readonly limit?: number;
}

/** The engine's other work waits for at most so many rows. */
const ROWS_PER_BREATH = 200;

export const transform: TaskType = {
  description: transformDescription,
  init: (context) =>
    task<Input>({ check: (input) => problemsOf(input, context), work: (input) => execute(input, context) }),
};

function problemsOf(input: Input, context: TaskContext): readonly string[] {
  const problems = [...expressionProblems("where", input.where)];
  if (typeof input.select === "string") problems.push(...expressionProblems("select", input.select));
  else
    for (const [name, source] of Object.entries(input.select ?? {}))
      problems.push(...expressionProblems(`select.${name}`, source));
  if (input.to !== undefined && pathWithin(context.dir(), input.to.path) === undefined) {
    problems.push(
      `to.path: ${JSON.stringify(input.to.path)} leads out of the attempt's folder; give a relative path without ".."`,
    );
  }
  return problems;
}

function expressionProblems(where: string, source: string | undefined): readonly string[] {
  if (source === undefined) return [];
  try {
    const unknown = compileExpression(source)
      .references.map(({ path }) => String(path[0]))
      .find((name) => !TRANSFORM_NAMES.includes(name));
    return unknown === undefined ? [] : [`${where}: \`${unknown}\` is not known here; known are row, index and inputs`];
  } catch (thrown) {
    if (thrown instanceof ExpressionError)
      return [`${where}: ${thrown.message} (column ${thrown.offset + 1} of ${JSON.stringify(source.slice(0, 200))})`];
    throw thrown;
  }
}

async function execute(input: Input, context: TaskContext): Promise<JsonObject> {
  const keep = input.where === undefined ? undefined : compileExpression(input.where);
  const reshape = compileSelect(input.select);
  const inputs = prepare(input.inputs ?? {});
  const limit = input.limit ?? Number.POSITIVE_INFINITY;
  const sink = await openSink(input, context);
  let rows = 0;
  let kept = 0;
  try {
    for await (const row of readRows(sourceOf(input, context))) {
      const scope: Scope = { row: prepare(row), index: BigInt(rows), inputs };
      rows += 1;
      if (keep === undefined || isKept(keep, scope, rows)) {
        await sink.write(reshape === undefined ? row : attempt(() => reshape(scope), rows));
        kept += 1;
      }
      if (kept >= limit) break;
      if (rows % ROWS_PER_BREATH === 0) {
        if (rows % (ROWS_PER_BREATH * 50) === 0) context.emit({ kind: "progress", done: rows });
        await breathe(context.signal);
      }
    }
    return { rows, kept, ...(await sink.close()) };
  } catch (thrown) {
    await sink.abandon();
    throw thrown;
  }
}

function sourceOf({ from }: Input, context: TaskContext): RowSource {
  const { value = null, path, format, delimiter, header } = from;
  return {
    from: path === undefined ? { value } : { file: inputPath(context, path) },
    format: format ?? (path === undefined ? "json" : formatOf(path)),
    ...(delimiter === undefined ? {} : { delimiter }),
    ...(header === undefined ? {} : { header }),
  };
}

function compileSelect(select: Input["select"]): ((scope: Scope) => JsonValue) | undefined {
  if (select === undefined) return undefined;
  if (typeof select === "string") {
    const expression = compileExpression(select);
    return (scope) => expression.evaluate(scope);
  }
  const members = Object.entries(select).map(([name, source]) => [name, compileExpression(source)] as const);
  return (scope) =>
    Object.fromEntries(members.map(([name, expression]) => [name, named(name, () => expression.evaluate(scope))]));
}

function isKept(keep: Expression, scope: Scope, row: number): boolean {
  const answer = attempt(() => named("where", () => keep.evaluate(scope)), row);
  if (typeof answer === "boolean") return answer;
  throw rowFailure(row, `\`where\` must be true or false, and is ${JSON.stringify(answer).slice(0, 100)}.`);
}

function named<T>(name: string, work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    if (thrown instanceof ExpressionError) throw new ExpressionError(`\`${name}\`: ${thrown.message}`, thrown);
    throw thrown;
  }
}

function attempt<T>(work: () => T, row: number): T {
  try {
    return work();
  } catch (thrown) {
    if (thrown instanceof ExpressionError) throw rowFailure(row, `${thrown.message}.`, thrown);
    throw thrown;
  }
}

/** Where kept rows go. */
interface Sink {
  write(row: JsonValue): Promise<void> | void;
  close(): Promise<JsonObject> | JsonObject;
  abandon(): Promise<void> | void;
}

async function openSink({ to }: Input, context: TaskContext): Promise<Sink> {
  if (to === undefined) return valueSink();
  const path = pathWithin(context.dir(), to.path);
  if (path === undefined) throw new Error("validate() let a path out of the folder through");
  const writer = await RowWriter.open(path, to.format ?? formatOf(to.path), to.delimiter);
  return {
    write: (row) => writer.write(row),
    abandon: () => writer.abandon(),
    close: async () => {
      const written = await writer.close();
      context.emit({ kind: "artifact", name: to.path, path: written.path });
      return { ...written };
    },
  };
}

function valueSink(): Sink {
  const value: JsonValue[] = [];
  return {
    write: (row) => {
      if (value.length === MAX_INLINE_ROWS) {
        throw new TaskFailure({
          code: "TOO_LARGE",
          message: `More than ${MAX_INLINE_ROWS} rows were kept, which is too much for a value. Write them to a file with \`to\`, or stop earlier with \`limit\`.`,
          final: true,
        });
      }
      value.push(row);
    },
    close: () => ({ value }),
    abandon: () => undefined,
  };
}
