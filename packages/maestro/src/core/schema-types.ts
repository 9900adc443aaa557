import type { JsonObject, JsonValue } from "./json.ts";
import { isJsonObject } from "./json.ts";

/** A schema with its `$ref` into `#/$defs/…` followed; members beside the `$ref` are laid over. */
export function resolveRef(schema: JsonObject, root: JsonObject): JsonObject {
  let at = schema;
  for (let hops = 0; typeof at["$ref"] === "string" && hops < 16; hops++) {
    let target: JsonValue | undefined = root;
    for (const part of at["$ref"].replace(/^#\/?/, "").split("/")) {
      target = isJsonObject(target) ? target[part.replaceAll("~1", "/").replaceAll("~0", "~")] : undefined;
    }
    if (!isJsonObject(target)) return {};
    const { $ref: _, ...beside } = at;
    at = { ...target, ...beside };
  }
  return at;
}

/** The JSON types a schema allows; undefined where it does not say. */
export function typesOf(schema: JsonObject): readonly string[] | undefined {
  const { type } = schema;
  if (typeof type === "string") return [type];
  if (Array.isArray(type)) return type as readonly string[];
  if (schema["const"] !== undefined) return [schemaOf(schema["const"])];
  if (Array.isArray(schema["enum"])) return [...new Set((schema["enum"] as readonly JsonValue[]).map(schemaOf))];
  return undefined;
}

/** The JSON type of a value; whole numbers are "integer". */
export function schemaOf(value: JsonValue): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}

const WORDS: Readonly<Record<string, string>> = {
  object: "a map",
  array: "a list",
  string: "text",
  number: "a number",
  integer: "a whole number",
  boolean: "true or false",
  null: "null",
};

/** Why no value of schema `from` can be one of schema `to`; undefined where one may. Errs on the side of silence. */
export function mismatch(from: JsonObject, to: JsonObject, root: JsonObject = to, depth = 0): string | undefined {
  const target = resolveRef(to, root);
  const given = typesOf(from);
  const wanted = typesOf(target);
  if (given !== undefined && wanted !== undefined && !given.some((a) => wanted.some((b) => overlap(a, b)))) {
    return `must be ${wanted.map((type) => WORDS[type] ?? type).join(" or ")}, but the expression gives ${given.map((type) => WORDS[type] ?? type).join(" or ")}`;
  }
  if (
    depth < 8 &&
    given?.length === 1 &&
    given[0] === "array" &&
    isJsonObject(from["items"]) &&
    isJsonObject(target["items"])
  ) {
    const inner = mismatch(from["items"], target["items"], root, depth + 1);
    if (inner !== undefined) return `is a list whose elements do not fit: each ${inner}`;
  }
  if (
    given?.length === 1 &&
    given[0] === "object" &&
    Array.isArray(target["required"]) &&
    isJsonObject(from["properties"]) &&
    from["additionalProperties"] === false
  ) {
    const lacking = (target["required"] as readonly string[]).find(
      (name) => !Object.hasOwn(from["properties"] as JsonObject, name),
    );
    if (lacking !== undefined) return `needs a member \`${lacking}\`, which the expression's value never has`;
  }
  return undefined;
}

function overlap(a: string, b: string): boolean {
  return a === b || (a === "integer" && b === "number") || (a === "number" && b === "integer");
}

/** What a step from a value of a schema leads to: a schema, "unknown" where it does not say, or why there is nothing. */
export type Member =
  | { readonly kind: "schema"; readonly schema: JsonObject; readonly certain: boolean }
  | { readonly kind: "unknown" }
  | { readonly kind: "absent"; readonly known: readonly string[] }
  | { readonly kind: "not_a_container"; readonly type: string };

/** The schema of member `name` of values of `schema`, or of a list's elements for "[]". */
export function memberOf(schema: JsonObject, name: string, root: JsonObject): Member {
  const at = resolveRef(schema, root);
  const types = typesOf(at);
  if (types !== undefined && !types.includes("object") && !(name === "[]" && types.includes("array"))) {
    return { kind: "not_a_container", type: types.map((type) => WORDS[type] ?? type).join(" or ") };
  }
  if (name === "[]")
    return isJsonObject(at["items"]) ? { kind: "schema", schema: at["items"], certain: true } : { kind: "unknown" };
  const properties = isJsonObject(at["properties"]) ? at["properties"] : undefined;
  const found = properties !== undefined && Object.hasOwn(properties, name) ? properties[name] : undefined;
  if (isJsonObject(found))
    return { kind: "schema", schema: found, certain: Array.isArray(at["required"]) && at["required"].includes(name) };
  if (found !== undefined) return { kind: "unknown" };
  const open = at["additionalProperties"];
  if (isJsonObject(open)) return { kind: "schema", schema: open, certain: false };
  if (
    open === true ||
    at["patternProperties"] !== undefined ||
    at["oneOf"] !== undefined ||
    at["anyOf"] !== undefined ||
    at["allOf"] !== undefined
  )
    return { kind: "unknown" };
  // A schema that lists members means these; one that lists none says nothing, unless it says that there are none.
  const known = Object.keys(properties ?? {});
  return known.length === 0 && open !== false ? { kind: "unknown" } : { kind: "absent", known };
}
