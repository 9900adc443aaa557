import { type Ast, pathOf, RANGE } from "./cel-ast.ts";
import type { JsonObject } from "./json.ts";
import { typesOf } from "./schema-types.ts";

const BOOLEAN: JsonObject = { type: "boolean" };
const INTEGER: JsonObject = { type: "integer" };
const NUMBER: JsonObject = { type: "number" };
const TEXT: JsonObject = { type: "string" };

const RESULTS: Readonly<Record<string, JsonObject>> = {
  ...Object.fromEntries(
    [
      "_==_",
      "_!=_",
      "_<_",
      "_<=_",
      "_>_",
      "_>=_",
      "_&&_",
      "_||_",
      "!_",
      "@in",
      "contains",
      "startsWith",
      "endsWith",
      "matches",
      "bool",
    ].map((name) => [name, BOOLEAN]),
  ),
  ...Object.fromEntries(["size", "indexOf", "lastIndexOf", "int"].map((name) => [name, INTEGER])),
  ...Object.fromEntries(
    [
      "string",
      "charAt",
      "lowerAscii",
      "upperAscii",
      "replace",
      "substring",
      "trim",
      "join",
      "format",
      "strings.quote",
    ].map((name) => [name, TEXT]),
  ),
  double: NUMBER,
  split: { type: "array", items: TEXT },
};

/**
 * What values an expression can give, as a JSON Schema; undefined where that cannot be told. `lookup` knows the schemas
 * of paths. Never claims more than is certain: a wrong claim would refuse a good manifest.
 */
export function inferType(
  node: Ast,
  lookup: (path: readonly string[]) => JsonObject | undefined,
): JsonObject | undefined {
  const path = pathOf(node);
  if (path !== undefined) return path.optional === true ? BOOLEAN : lookup(path.names);
  const kind = node.exprKind;
  switch (kind.case) {
    case "constExpr":
      return inferConstant(kind.value.constantKind);
    case "callExpr":
      return inferCall(kind.value.function, kind.value.args, lookup);
    case "listExpr": {
      const elements = kind.value.elements.map((element) => inferType(element, lookup));
      const first = elements[0];
      const uniform =
        first !== undefined && elements.every((element) => element !== undefined && sameTypes(element, first));
      return uniform ? { type: "array", items: { type: typesOf(first) ?? [] } } : { type: "array" };
    }
    case "structExpr":
      return { type: "object" };
    case "comprehensionExpr":
      // `map` and `filter` begin with an empty list, the others with a truth value or a count that becomes one.
      return kind.value.accuInit?.exprKind.case === "listExpr" ? { type: "array" } : BOOLEAN;
    default:
      return undefined;
  }
}

function inferConstant(constant: {
  readonly case?: string | undefined;
  readonly value?: unknown;
}): JsonObject | undefined {
  if (constant.case === "stringValue" && typeof constant.value === "string")
    return { type: "string", const: constant.value };
  if (constant.case === "int64Value" || constant.case === "uint64Value") return INTEGER;
  if (constant.case === "boolValue") return BOOLEAN;
  if (constant.case === "doubleValue")
    return typeof constant.value === "number" && Number.isInteger(constant.value) ? INTEGER : NUMBER;
  return constant.case === "nullValue" ? { type: "null" } : undefined;
}

function inferCall(
  name: string,
  args: readonly Ast[],
  lookup: (path: readonly string[]) => JsonObject | undefined,
): JsonObject | undefined {
  const known = Object.hasOwn(RESULTS, name) ? RESULTS[name] : undefined;
  if (known !== undefined) return known;
  const [a, b, c] = args.map((arg) => inferType(arg, lookup));
  if (name === RANGE) return a;
  if (name === "_?_:_") return b !== undefined && c !== undefined ? union(b, c) : undefined;
  if (name === "-_") return a;
  if (!["_+_", "_-_", "_*_", "_/_", "_%_"].includes(name) || a === undefined || b === undefined) return undefined;
  if (isOnly(a, "integer") && isOnly(b, "integer")) return INTEGER;
  if (isNumeric(a) && isNumeric(b)) return NUMBER;
  if (name === "_+_" && isOnly(a, "string") && isOnly(b, "string")) return TEXT;
  return name === "_+_" && isOnly(a, "array") && isOnly(b, "array") ? { type: "array" } : undefined;
}

function union(a: JsonObject, b: JsonObject): JsonObject | undefined {
  const types = [typesOf(a), typesOf(b)];
  return types[0] === undefined || types[1] === undefined
    ? undefined
    : { type: [...new Set([...types[0], ...types[1]])] };
}

function sameTypes(a: JsonObject, b: JsonObject): boolean {
  const x = typesOf(a);
  return x !== undefined && x.join() === typesOf(b)?.join();
}

function isOnly(schema: JsonObject, type: string): boolean {
  const types = typesOf(schema);
  return types?.length === 1 && types[0] === type;
}

function isNumeric(schema: JsonObject): boolean {
  return typesOf(schema)?.every((type) => type === "integer" || type === "number") === true;
}
