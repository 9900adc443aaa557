import type { parse } from "@bufbuild/cel";
import { EXPRESSION_LIMITS } from "./meter.ts";

export type Ast = ReturnType<typeof parse>["expr"];
type Comprehension = Extract<Ast["exprKind"], { case: "comprehensionExpr" }>["value"];

/**
 * A name that an expression reads, with the members it follows: `tasks.check.output.list[0].id` is
 * ["tasks", "check", "output", "list", "[]", "id"], where "[]" stands for an element, by number or computed.
 */
export interface Reference {
  readonly path: readonly string[];
  /** Where the name begins in the source, in UTF-16 units. */
  readonly offset: number;
  /** Asked for by `has(…)` only, so it need not be there. */
  readonly optional?: true;
}

/** Names the library gives to what the grammar writes with signs. */
export const RANGE = "@range";
const INDEX = "_[_]";

export interface TreeFacts {
  readonly references: readonly Reference[];
  /** Every function and operator called, with its place. */
  readonly calls: readonly { readonly name: string; readonly offset: number }[];
  /** A message such as "is nested too deep", if a limit is passed. */
  readonly refused?: { readonly message: string; readonly offset: number };
}

/**
 * One walk over a parsed expression: collects what it reads and calls, checks its limits, and puts a call of `@range`
 * around whatever a comprehension runs over, which is where loops are counted before they start.
 */
export function inspect(root: Ast, offsetOf: (id: bigint) => number, isFunction: (name: string) => boolean): TreeFacts {
  const references: Reference[] = [];
  const calls: { name: string; offset: number }[] = [];
  let refused: TreeFacts["refused"];
  let nodes = 0;
  walk(root, new Map(), 1, 1);
  return { references, calls, ...(refused === undefined ? {} : { refused }) };

  function walk(node: Ast, bound: Bound, depth: number, chain: number): void {
    nodes++;
    if (nodes > EXPRESSION_LIMITS.nodes)
      refused ??= { message: `has more than ${EXPRESSION_LIMITS.nodes} parts`, offset: offsetOf(node.id) };
    if (depth > EXPRESSION_LIMITS.depth)
      refused ??= { message: `is nested deeper than ${EXPRESSION_LIMITS.depth} levels`, offset: offsetOf(node.id) };
    if (chain > EXPRESSION_LIMITS.chain)
      refused ??= { message: `chains more than ${EXPRESSION_LIMITS.chain} operations`, offset: offsetOf(node.id) };
    if (refused !== undefined) return;
    const path = pathOf(node, bound);
    if (path !== undefined) return reference(node, path, bound, depth);
    const kind = node.exprKind;
    switch (kind.case) {
      case "callExpr": {
        const { function: name, target, args } = kind.value;
        const qualified = target?.exprKind.case === "identExpr" ? `${target.exprKind.value.name}.${name}` : undefined;
        const isQualified = qualified !== undefined && isFunction(qualified);
        calls.push({ name: isQualified ? qualified : name, offset: offsetOf(node.id) });
        if (target !== undefined && !isQualified) walk(target, bound, depth, chain + 1);
        // The first operand continues a chain (`a + b + c`), the others begin a level of their own.
        args.forEach((arg, i) =>
          i === 0 && target === undefined && isChain(name)
            ? walk(arg, bound, depth, chain + 1)
            : walk(arg, bound, depth + 1, 1),
        );
        return;
      }
      case "selectExpr":
        if (kind.value.operand !== undefined) walk(kind.value.operand, bound, depth, chain + 1);
        return;
      case "listExpr":
        for (const element of kind.value.elements) walk(element, bound, depth + 1, 1);
        return;
      case "structExpr":
        if (kind.value.messageName !== "") {
          refused ??= {
            message: `makes a ${kind.value.messageName}, but only plain objects such as {"key": 1} can be made`,
            offset: offsetOf(node.id),
          };
          return;
        }
        for (const entry of kind.value.entries) {
          if (entry.keyKind.case === "mapKey") walk(entry.keyKind.value, bound, depth + 1, 1);
          if (entry.value !== undefined) walk(entry.value, bound, depth + 1, 1);
        }
        return;
      case "comprehensionExpr":
        return comprehension(kind.value, node.id, bound, depth, chain);
      default:
        return;
    }
  }

  function reference(node: Ast, path: Path, bound: Bound, depth: number): void {
    if (path.names.length > EXPRESSION_LIMITS.chain) {
      refused ??= { message: `chains more than ${EXPRESSION_LIMITS.chain} operations`, offset: offsetOf(path.root.id) };
      return;
    }
    if (path.names[0] !== undefined && !path.names[0].startsWith("@")) {
      references.push({
        path: path.names,
        offset: offsetOf(path.root.id),
        ...(path.optional ? { optional: true } : {}),
      });
    }
    // Computed keys inside the path read names of their own.
    for (let at: Ast | undefined = node; at !== undefined; at = operandOf(at)) {
      const key = keyOf(at);
      if (key !== undefined && key.exprKind.case !== "constExpr") walk(key, bound, depth + 1, 1);
    }
  }

  function comprehension(loop: Comprehension, id: bigint, bound: Bound, depth: number, chain: number): void {
    const range = loop.iterRange;
    if (range === undefined) return;
    walk(range, bound, depth, chain + 1);
    const rangePath = pathOf(range, bound);
    const inner = new Map(bound)
      .set(loop.accuVar, undefined)
      .set(loop.iterVar, rangePath === undefined ? undefined : { ...rangePath, names: [...rangePath.names, "[]"] });
    for (const part of [loop.accuInit, loop.loopCondition, loop.loopStep, loop.result]) {
      if (part !== undefined) walk(part, inner, depth + 1, 1);
    }
    loop.iterRange = {
      $typeName: "cel.expr.Expr",
      id,
      exprKind: { case: "callExpr", value: { $typeName: "cel.expr.Expr.Call", function: RANGE, args: [range] } },
    };
  }
}

interface Path {
  readonly names: readonly string[];
  readonly root: Ast;
  readonly optional?: true;
}

/** Loop variables: what they run over, where that is a plain path. */
type Bound = ReadonlyMap<string, Path | undefined>;

/** The path a node reads, if it is a plain chain of members and elements from a name that is not a computed loop variable. */
export function pathOf(node: Ast, bound: Bound = new Map()): Path | undefined {
  const names: string[] = [];
  let optional = false;
  let at = node;
  for (;;) {
    const kind = at.exprKind;
    if (kind.case === "identExpr") {
      const { name } = kind.value;
      if (!bound.has(name)) return { names: [name, ...names.reverse()], root: at, ...(optional ? { optional } : {}) };
      const range = bound.get(name);
      // A loop over something computed: its variable is known, what it holds is not.
      if (range === undefined) return { names: ["@computed"], root: at };
      return { names: [...range.names, ...names.reverse()], root: at, ...(optional ? { optional } : {}) };
    }
    const operand = operandOf(at);
    if (operand === undefined) return undefined;
    if (kind.case === "selectExpr") {
      if (kind.value.testOnly) optional = true;
      names.push(kind.value.field);
    } else {
      const key = keyOf(at);
      const constant = key?.exprKind.case === "constExpr" ? key.exprKind.value.constantKind : undefined;
      names.push(constant?.case === "stringValue" ? constant.value : "[]");
    }
    at = operand;
  }
}

function operandOf(node: Ast): Ast | undefined {
  if (node.exprKind.case === "selectExpr") return node.exprKind.value.operand;
  return node.exprKind.case === "callExpr" && node.exprKind.value.function === INDEX
    ? node.exprKind.value.args[0]
    : undefined;
}

function keyOf(node: Ast): Ast | undefined {
  return node.exprKind.case === "callExpr" && node.exprKind.value.function === INDEX
    ? node.exprKind.value.args[1]
    : undefined;
}

function isChain(name: string): boolean {
  return name.startsWith("_") && name !== "_?_:_";
}
