import { type CelError, type CelValue, celEnv, isCelError, parse, plan } from "@bufbuild/cel";
import { inspect } from "./cel-ast.ts";
import { CALLABLE, ENVIRONMENT, isFunction } from "./cel-functions.ts";
import { toJson } from "./cel-result.ts";
import type { EvaluationLimits, Expression, ParsedExpression } from "./expression.ts";
import { type Context, explain, ExpressionError } from "./expression-error.ts";
import type { JsonValue } from "./json.ts";
import type { Prepared } from "./lazy.ts";
import { EXPRESSION_LIMITS, LimitExceeded, metered } from "./meter.ts";
import { messageOf } from "./problem.ts";
import type { Scope } from "./scope.ts";
import { suggest } from "./suggest.ts";

// What compiles and evaluates: the library and all that is built on it. Loaded with the first expression (load-cel.ts).

/** Parses and plans an expression once; throws ExpressionError for bad syntax, unknown functions and passed limits. */
export function compileExpression(source: string): Expression {
  const { ast, offsetOf, references } = parseExpression(source);
  const evaluate = plan(ENVIRONMENT, ast);
  const roots = [...new Set(references.map((reference) => reference.path[0] ?? ""))];
  const context: Context = { source, offsetOf };
  return { source, references, evaluate: (scope, limits) => run(evaluate, roots, scope, limits, context) };
}

/** The checked syntax tree of an expression, for the compiler's type inference. */
export function parseExpression(source: string): ParsedExpression {
  if (source.length > EXPRESSION_LIMITS.sourceLength) {
    throw new ExpressionError(
      `an expression may have ${EXPRESSION_LIMITS.sourceLength} characters, and this one has ${source.length}`,
      { source, offset: 0 },
    );
  }
  if (source.trim() === "") throw new ExpressionError("the expression is empty", { source, offset: 0 });
  const { expr: ast, sourceInfo } = parseText(source);
  const offsetOf = (id: bigint): number => sourceInfo?.positions[id.toString()] ?? 0;
  const { references, calls, refused } = inspect(ast, offsetOf, isFunction);
  if (refused !== undefined)
    throw new ExpressionError(`the expression ${refused.message}`, { source, offset: refused.offset });
  const unknown = calls.find((call) => !isFunction(call.name));
  if (unknown !== undefined) {
    if (unknown.name === "now")
      throw new ExpressionError("`now` is a name, not a function: write `now`", {
        source,
        offset: unknown.offset,
        suggestion: "now",
      });
    const near = suggest(unknown.name, CALLABLE);
    throw new ExpressionError(
      `there is no function \`${unknown.name}\`${near === undefined ? "" : `; did you mean \`${near}\`?`}`,
      { source, offset: unknown.offset, suggestion: near },
    );
  }
  return { ast, offsetOf, references };
}

function parseText(source: string): ReturnType<typeof parse> {
  // The parser goes down one call per bracket, so brackets are counted before it does.
  const deep = tooDeep(source);
  if (deep !== -1)
    throw new ExpressionError(`the expression is nested deeper than ${EXPRESSION_LIMITS.depth} levels`, {
      source,
      offset: deep,
    });
  try {
    return parse(source);
  } catch (thrown) {
    if (thrown instanceof RangeError)
      throw new ExpressionError("the expression is nested too deeply", { source, offset: 0, cause: thrown });
    const offset = syntaxOffset(thrown) ?? 0;
    const rest = source.slice(offset, offset + 20).trim();
    const where =
      rest === ""
        ? "it ends too early"
        : `it cannot be read from \`${rest}${source.length > offset + 20 ? "…" : ""}\` on`;
    throw new ExpressionError(`the expression is not valid CEL: ${where}`, { source, offset, cause: thrown });
  }
}

function tooDeep(source: string): number {
  let depth = 0;
  for (let i = 0; i < source.length; i++) {
    const c = source[i];
    if (c === "(" || c === "[" || c === "{") depth++;
    else if (c === ")" || c === "]" || c === "}") depth--;
    // Brackets inside strings count too; no readable expression has this many.
    if (depth > EXPRESSION_LIMITS.depth * 4) return i;
  }
  return -1;
}

function syntaxOffset(thrown: unknown): number | undefined {
  if (!(thrown instanceof Error) || !("location" in thrown)) return undefined;
  const location = thrown.location as { readonly start?: { readonly offset?: number } } | undefined;
  return location?.start?.offset;
}

function run(
  evaluate: (scope: Record<string, CelValue>) => CelValue | CelError,
  roots: readonly string[],
  scope: Scope,
  limits: EvaluationLimits | undefined,
  context: Context,
): JsonValue {
  // Only the names it reads, without a prototype: the library looks names up as plain members.
  const names: Record<string, Prepared> = Object.create(null) as Record<string, Prepared>;
  for (const root of roots) {
    const value = Object.hasOwn(scope, root) ? scope[root] : undefined;
    if (value !== undefined) names[root] = value;
  }
  const { value: outcome, miss } = metered(EXPRESSION_LIMITS.steps, () => {
    const value = evaluate(names);
    if (isCelError(value)) return { error: value };
    try {
      return { json: toJson(value, limits?.resultSize ?? EXPRESSION_LIMITS.resultSize) };
    } catch (thrown) {
      return { thrown };
    }
  });
  if (outcome.json !== undefined) return outcome.json;
  if (outcome.error !== undefined) throw explain(outcome.error, miss, scope, context);
  const message = messageOf(outcome.thrown);
  throw new ExpressionError(outcome.thrown instanceof LimitExceeded ? `the expression ${message}` : message, {
    source: context.source,
    offset: 0,
    cause: outcome.thrown,
  });
}

const toTimestamp = plan(celEnv(), parse("timestamp(text)").expr);

/** As `prepareTime`. */
export function timestampOf(at: number): Prepared {
  const moment = toTimestamp({ text: new Date(at).toISOString() });
  if (isCelError(moment)) throw moment;
  return moment;
}
