import type { Ast, Reference } from "./cel-ast.ts";
import { ExpressionError } from "./expression-error.ts";
import { hasInterpolation, split } from "./interpolation.ts";
import type { JsonValue } from "./json.ts";
import { isJsonObject } from "./json.ts";
import { loadCel } from "./load-cel.ts";
import { EXPRESSION_LIMITS } from "./meter.ts";
import type { Scope } from "./scope.ts";

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

export interface ParsedExpression {
  readonly ast: Ast;
  /** Where a node of the tree begins in the source. */
  readonly offsetOf: (id: bigint) => number;
  readonly references: readonly Reference[];
}

/** Parses and plans an expression once; throws ExpressionError for bad syntax, unknown functions and passed limits. */
export function compileExpression(source: string): Expression {
  return loadCel().compileExpression(source);
}

/** The checked syntax tree of an expression, for the compiler's type inference. */
export function parseExpression(source: string): ParsedExpression {
  return loadCel().parseExpression(source);
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
