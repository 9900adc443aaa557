import { isJsonObject } from "../core/json.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { MaestroError } from "../core/problem.ts";

const MAX_TEXT = 256 * 1024;
const MAX_DEPTH = 64;
const MAX_SUBSCHEMAS = 5000;

/** Keywords whose value is a schema, a list of schemas, or a map of names to schemas (JSON Schema 2020-12, applicator vocabulary). */
const SCHEMA = [
  "items",
  "contains",
  "additionalProperties",
  "propertyNames",
  "if",
  "then",
  "else",
  "not",
  "unevaluatedItems",
  "unevaluatedProperties",
  "contentSchema",
];
const SCHEMA_LIST = ["allOf", "anyOf", "oneOf", "prefixItems"];
const SCHEMA_MAP = ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];

/** Keywords that the validator would honour, but not as JSON Schema 2020-12 says, with what to write instead. */
const REFUSED: Readonly<Record<string, string>> = {
  $dynamicRef: "$dynamicRef is not taken; use $ref",
  $recursiveRef: "$recursiveRef is of an older draft; use $ref",
  $async: "$async is no keyword of JSON Schema",
  nullable: 'nullable is no keyword of JSON Schema; write type: ["string", "null"]',
  dependencies: "dependencies is of an older draft; use dependentRequired or dependentSchemas",
};

/**
 * Checks what must hold before a schema is compiled: its size and depth, that it stays within itself, and that it is of our draft.
 * Returns the annotations (`x-…`) in it. Throws `invalid_schema` with the JSON Pointer of the place.
 */
export function inspectSchema(schema: JsonObject): { readonly extensions: ReadonlySet<string> } {
  const walk: Walk = { extensions: new Set(), subschemas: 0 };
  visit(schema, "", 0, walk);
  const length = JSON.stringify(schema).length;
  if (length > MAX_TEXT) throw refuse("", `it has ${length} characters; at most ${MAX_TEXT} are taken`);
  return walk;
}

interface Walk {
  readonly extensions: Set<string>;
  subschemas: number;
}

function visit(schema: JsonValue, path: string, depth: number, walk: Walk): void {
  if (depth > MAX_DEPTH) throw refuse(path, `it is nested deeper than ${MAX_DEPTH} levels`);
  walk.subschemas += 1;
  if (walk.subschemas > MAX_SUBSCHEMAS) throw refuse(path, `it has more than ${MAX_SUBSCHEMAS} subschemas`);
  if (!isJsonObject(schema)) return; // true, false, or something that the meta-schema refuses
  for (const [keyword, value] of Object.entries(schema)) {
    const here = `${path}/${keyword}`;
    checkKeyword(keyword, value, here);
    if (keyword.startsWith("x-")) walk.extensions.add(keyword);
    else if (SCHEMA.includes(keyword)) visit(value, here, depth + 1, walk);
    else if (SCHEMA_LIST.includes(keyword) && Array.isArray(value))
      value.forEach((entry, i) => visit(entry as JsonValue, `${here}/${i}`, depth + 1, walk));
    else if (SCHEMA_MAP.includes(keyword) && isJsonObject(value)) {
      for (const [name, entry] of Object.entries(value))
        visit(entry, `${here}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`, depth + 1, walk);
    }
  }
}

function checkKeyword(keyword: string, value: JsonValue, path: string): void {
  const advice = Object.hasOwn(REFUSED, keyword) ? REFUSED[keyword] : undefined;
  if (advice !== undefined) throw refuse(path, advice);
  if (keyword === "$ref" && typeof value === "string" && !value.startsWith("#")) {
    throw refuse(
      path,
      `${JSON.stringify(value)} points out of the schema, and nothing is fetched; put the target under $defs and write "#/$defs/NAME"`,
    );
  }
  if (
    keyword === "$schema" &&
    typeof value === "string" &&
    value.replace(/#$/, "") !== "https://json-schema.org/draft/2020-12/schema"
  ) {
    throw refuse(
      path,
      `${JSON.stringify(value)} is another draft; write it for https://json-schema.org/draft/2020-12/schema`,
    );
  }
}

function refuse(path: string, why: string): MaestroError {
  return new MaestroError("invalid_schema", `the schema cannot be used${path === "" ? "" : ` at ${path}`}: ${why}`, {
    facts: { path },
  });
}
