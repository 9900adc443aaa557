import { type CelError, type CelValue, isCelError, parse, plan } from "@bufbuild/cel";
import { type Ast, inspect, type Reference } from "./cel-ast.ts";
import { CALLABLE, ENVIRONMENT, isFunction } from "./cel-functions.ts";
import { toJson } from "./cel-result.ts";
import { type Context, explain, ExpressionError } from "./expression-error.ts";
import { hasInterpolation, split } from "./interpolation.ts";
import type { JsonValue } from "./json.ts";
import { isJsonObject } from "./json.ts";
import { EXPRESSION_LIMITS, LimitExceeded, metered } from "./meter.ts";
import { messageOf } from "./problem.ts";
import type { Prepared } from "./lazy.ts";
import type { Scope } from "./scope.ts";
import { suggest } from "./suggest.ts";

export type { Reference } from "./cel-ast.ts";
export { ExpressionError } from "./expression-error.ts";
export { prepare, type Prepared } from "./lazy.ts";
export { prepareTask, prepareTasks, prepareTime, type Scope } from "./scope.ts";

/** A compiled CEL expression. Pure: the same scope gives the same value. */
export interface Expression {
  readonly source: string;
  /** Every name it reads, loop variables left out. */
  readonly references: readonly Reference[];
  /** Throws ExpressionError. */
  evaluate(scope: Scope, limits?: EvaluationLimits): JsonValue;
}

export interface EvaluationLimits {
  /** Characters of JSON that the result may have where the expression builds it; 1 MiB if absent. */
  readonly resultSize?: number;
}

/** Parses and plans an expression once; throws ExpressionError for bad syntax, unknown functions and passed limits. */
export function compileExpression(source: string): Expression {
  const { ast, offsetOf, references } = parseExpression(source);
  const evaluate = plan(ENVIRONMENT, ast);
  const roots = [...new Set(references.map((reference) => reference.path[0] ?? ""))];
  const context: Context = { source, offsetOf };
  return { source, references, evaluate: (scope, limits) => run(evaluate, roots, scope, limits, context) };
}

/** The checked syntax tree of an expression, for the compiler's type inference. */
export function parseExpression(source: string): {
  readonly ast: Ast;
  readonly offsetOf: (id: bigint) => number;
  readonly references: readonly Reference[];
} {
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

/** A value in which strings may hold `${{ … }}`. */
export interface Template {
  /** There is nothing to evaluate; `evaluate` returns the same frozen value each time. */
  readonly constant: boolean;
  readonly references: readonly Reference[];
  /** Reads `task.dir`. */
  readonly usesDir: boolean;
  /** Every expression in it, with its place. */
  readonly expressions: readonly TemplateExpression[];
  /** Throws ExpressionError. */
  evaluate(scope: Scope, limits?: EvaluationLimits): JsonValue;
}

export interface TemplateExpression {
  /** Members and indices from the template's root to the string. */
  readonly at: readonly (string | number)[];
  /** Where the expression begins in that string, in UTF-16 units. */
  readonly offset: number;
  /** The string is this expression and nothing else, so the value keeps its type. */
  readonly whole: boolean;
  readonly expression: Expression;
}

/**
 * A string that is exactly one `${{ … }}` becomes that expression's value; inside a longer string values become text
 * (strings as they are, anything else as JSON), once: what comes out is never scanned again. `$${{` is a literal `${{`.
 * Throws ExpressionError.
 */
export function compileTemplate(value: JsonValue): Template {
  const expressions: TemplateExpression[] = [];
  const node = compileNode(value, [], expressions);
  const references = expressions.flatMap((entry) => entry.expression.references);
  const usesDir = references.some(
    (reference) => reference.path[0] === "task" && (reference.path[1] === "dir" || reference.path[1] === "[]"),
  );
  if (node.kind === "constant") return { constant: true, references, usesDir, expressions, evaluate: () => node.value };
  return {
    constant: false,
    references,
    usesDir,
    expressions,
    evaluate: (scope, limits) => {
      const budget = { left: limits?.resultSize ?? EXPRESSION_LIMITS.resultSize };
      return node.evaluate(scope, budget);
    },
  };
}

type TemplateNode =
  | { readonly kind: "constant"; readonly value: JsonValue }
  | { readonly kind: "dynamic"; readonly evaluate: (scope: Scope, budget: { left: number }) => JsonValue };

function compileNode(value: JsonValue, at: readonly (string | number)[], found: TemplateExpression[]): TemplateNode {
  if (typeof value === "string") return compileString(value, at, found);
  if (typeof value !== "object" || value === null) return { kind: "constant", value };
  if (!isJsonObject(value)) {
    const nodes = value.map((element, i) => compileNode(element, [...at, i], found));
    if (nodes.every((node) => node.kind === "constant"))
      return { kind: "constant", value: Object.freeze(nodes.map((node) => node.value)) };
    return { kind: "dynamic", evaluate: (scope, budget) => nodes.map((node) => valueOf(node, scope, budget)) };
  }
  const members = Object.entries(value).map(
    ([key, member]) => [key, compileNode(member, [...at, key], found)] as const,
  );
  const constants = members.flatMap(([key, node]) => (node.kind === "constant" ? [[key, node.value] as const] : []));
  if (constants.length === members.length)
    return { kind: "constant", value: Object.freeze(Object.fromEntries(constants)) };
  return {
    kind: "dynamic",
    evaluate: (scope, budget) => Object.fromEntries(members.map(([key, node]) => [key, valueOf(node, scope, budget)])),
  };
}

function valueOf(node: TemplateNode, scope: Scope, budget: { left: number }): JsonValue {
  return node.kind === "constant" ? node.value : node.evaluate(scope, budget);
}

function compileString(text: string, at: readonly (string | number)[], found: TemplateExpression[]): TemplateNode {
  if (!hasInterpolation(text)) return { kind: "constant", value: text };
  const pieces = split(text);
  const compiled = pieces.map((piece) => {
    if (piece.kind === "text") return piece.text;
    if (piece.kind === "unclosed")
      throw new ExpressionError("`${{` is not closed by `}}`; write `$${{` for the characters themselves", {
        source: text,
        offset: piece.offset,
      });
    const expression = compileExpression(piece.source);
    found.push({ at, offset: piece.offset, whole: pieces.length === 1, expression });
    return expression;
  });
  const only = compiled[0];
  if (compiled.length === 1 && only !== undefined) {
    if (typeof only === "string") return { kind: "constant", value: only };
    return { kind: "dynamic", evaluate: (scope) => only.evaluate(scope) };
  }
  return {
    kind: "dynamic",
    evaluate: (scope, budget) => {
      let result = "";
      for (const part of compiled) {
        const piece = typeof part === "string" ? part : asText(part.evaluate(scope));
        budget.left -= piece.length;
        if (budget.left < 0) throw new ExpressionError("the text it makes is too long", { source: text, offset: 0 });
        result += piece;
      }
      return result;
    },
  };
}

function asText(value: JsonValue): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
