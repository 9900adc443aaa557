import { createRequire } from "node:module";
import type * as AjvModule from "ajv/dist/2020.js";
import type { Ajv2020, ErrorObject, ValidateFunction } from "ajv/dist/2020.js";
import type Formats from "ajv-formats";
import { RE2JS } from "re2js";
import { canonical } from "../core/canonical.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { MaestroError, messageOf } from "../core/problem.ts";
import { inspectSchema } from "./json-schema-limits.ts";

/** One thing about a value that its schema does not allow. `path` is a JSON Pointer (RFC 6901), empty for the value itself. */
export interface SchemaError {
  readonly path: string;
  readonly message: string;
  readonly keyword: string;
}

/** All that is wrong with a value; empty when it is valid. Never throws. */
export type SchemaCheck = (value: unknown) => readonly SchemaError[];

/** At most so many errors are told for one value. */
export const MAX_SCHEMA_ERRORS = 100;

/**
 * A JSON Schema 2020-12 as a function. Asking again for the same object costs nothing.
 *
 * Throws `invalid_schema` for what is no valid schema and for what we do not take: references to other documents,
 * `$dynamicRef`, unknown keywords (annotations begin with `x-`) and formats, patterns that RE2 lacks, more than 256 KiB of text, more than
 * 64 levels, more than 5,000 subschemas. Patterns are linear in time, so a value cannot stall the process through them.
 */
export function compileSchema(schema: JsonObject): SchemaCheck {
  return compiled.get(schema) ?? compile(schema, compiled, metaErrors);
}

/**
 * The same for a schema that is ours, or that was checked when it came to us: of a plan, of a task type. What it is checked with
 * takes 60 ms to compile in every process that runs something.
 */
export function compileChecked(schema: JsonObject): SchemaCheck {
  return compiledUnseen.get(schema) ?? compile(schema, compiledUnseen, () => undefined);
}

type Compiled = WeakMap<JsonObject, SchemaCheck>;
const compiled: Compiled = new WeakMap();
const compiledUnseen: Compiled = new WeakMap();

/** What is wrong with a schema, by the meta-schema. */
type Look = (schema: JsonObject) => string | undefined;

function compile(schema: JsonObject, known: Compiled, look: Look): SchemaCheck {
  const { extensions } = inspectSchema(schema);
  const validate = compileWithAjv(schema, extensions, look);
  const check: SchemaCheck = (value) => run(validate, value);
  known.set(schema, check);
  return check;
}

function compileWithAjv(schema: JsonObject, extensions: ReadonlySet<string>, look: Look): ValidateFunction {
  let problem: string | undefined;
  try {
    problem = look(schema);
    if (problem === undefined) {
      // One instance would keep all it ever saw, and refuse an `$id` twice.
      const ajv = makeAjv({ meta: false });
      for (const name of extensions) ajv.addKeyword(name);
      return ajv.compile(schema);
    }
  } catch (thrown) {
    if (thrown instanceof MaestroError) throw thrown;
    throw new MaestroError("invalid_schema", `the schema cannot be used: ${messageOf(thrown)}`, { cause: thrown });
  }
  throw new MaestroError("invalid_schema", `the schema is not valid JSON Schema 2020-12: ${problem}`);
}

let meta: Ajv2020 | undefined;

/** The meta-schema is compiled once. */
function metaErrors(schema: JsonObject): string | undefined {
  meta ??= makeAjv({ meta: true });
  if (meta.validateSchema(schema) === true) return undefined;
  return meta.errorsText(meta.errors, { dataVar: "schema", separator: "; " });
}

let ajvModules: ReturnType<typeof loadAjv> | undefined;

/** When the first schema is compiled: most commands compile none, and these are ninety modules. */
function loadAjv(): { readonly Library: typeof AjvModule.Ajv2020; readonly formats: typeof Formats.default } {
  const load = createRequire(import.meta.url);
  return {
    Library: (load("ajv/dist/2020.js") as typeof AjvModule).Ajv2020,
    formats: (load("ajv-formats") as typeof Formats).default,
  };
}

function makeAjv(options: { readonly meta: boolean }): Ajv2020 {
  const { Library, formats } = (ajvModules ??= loadAjv());
  const ajv = new Library({
    allErrors: true,
    // Unknown keywords and formats are errors: a misspelt `requierd` would otherwise check nothing.
    strictSchema: true,
    strictNumbers: true,
    strictTypes: false,
    strictTuples: false,
    strictRequired: false,
    // Without it `required: ["toString"]` is fulfilled by every object; also 4 more cases of the official suite pass.
    ownProperties: true,
    // Inlined references can double a schema's code with each level.
    inlineRefs: false,
    verbose: true,
    logger: false,
    meta: options.meta,
    validateSchema: false,
    code: { regExp: linearRegExp },
  });
  formats(ajv);
  ajv.addFormat("regex", { type: "string", validate: isPattern });
  // Ajv compares all pairs; a list of 100,000 objects would take minutes.
  ajv.removeKeyword("uniqueItems");
  ajv.addKeyword({
    keyword: "uniqueItems",
    type: "array",
    schemaType: "boolean",
    validate: hasUniqueItems,
    error: { message: "must not have equal items" },
  });
  return ajv;
}

/** RE2 in the place of RegExp. Ajv tells patterns apart by `toString()`: without it all patterns of a schema would be the first one. */
function linearRegExp(pattern: string): { test(text: string): boolean; toString(): string } {
  let compiledPattern: RE2JS;
  try {
    compiledPattern = RE2JS.compile(RE2JS.translateRegExp(pattern));
  } catch (thrown) {
    throw new MaestroError(
      "invalid_schema",
      `the pattern ${JSON.stringify(pattern)} is not a regular expression of RE2: ${messageOf(thrown)}`,
      {
        cause: thrown,
        fix: "Use RE2 syntax: it has no look-around and no back-references, and in return no input can stall it.",
      },
    );
  }
  return { test: (text) => compiledPattern.test(text), toString: () => `/${pattern}/u` };
}
linearRegExp.code = "linearRegExp";

function isPattern(pattern: string): boolean {
  try {
    RE2JS.compile(RE2JS.translateRegExp(pattern));
    return true;
  } catch {
    return false;
  }
}

function hasUniqueItems(wanted: boolean, items: readonly JsonValue[]): boolean {
  return !wanted || new Set(items.map((item) => canonical(item))).size === items.length;
}

function run(validate: ValidateFunction, value: unknown): readonly SchemaError[] {
  try {
    if (validate(value)) return [];
  } catch (thrown) {
    // A recursive schema on a value nested thousands deep, or one that refers to itself without end; or no JSON at all.
    const message =
      thrown instanceof RangeError ? "is nested too deeply to be checked" : `cannot be checked: ${messageOf(thrown)}`;
    return [{ path: "", message, keyword: "$ref" }];
  }
  const errors: SchemaError[] = [];
  for (const error of validate.errors ?? []) {
    if (errors.length === MAX_SCHEMA_ERRORS) break;
    // `if` only repeats what its `then` or `else` has already said.
    if (error.keyword !== "if")
      errors.push({ path: error.instancePath, message: describe(error), keyword: error.keyword });
  }
  return errors;
}

function describe(error: ErrorObject): string {
  const params = error.params as Readonly<Record<string, unknown>>;
  switch (error.keyword) {
    case "required":
    case "dependentRequired":
      return `lacks the property ${quote(params["missingProperty"])}`;
    case "additionalProperties":
      return `has the unknown property ${quote(params["additionalProperty"])}${knownProperties(error.parentSchema)}`;
    case "unevaluatedProperties":
      return `has the unknown property ${quote(params["unevaluatedProperty"])}`;
    case "enum":
      return `must be one of ${list(params["allowedValues"])}, is ${show(error.data)}`;
    case "const":
      return `must be ${quote(params["allowedValue"])}, is ${show(error.data)}`;
    case "type":
      return `must be ${[params["type"]].flat().join(" or ")}, is ${typeName(error.data)}`;
    case "pattern":
    case "format":
      return `${error.message ?? "is not valid"}, is ${show(error.data)}`;
    case "false schema":
      return "is not allowed here";
    default:
      return error.message ?? `breaks ${quote(error.keyword)}`;
  }
}

function knownProperties(schema: unknown): string {
  const properties = (schema as { readonly properties?: object } | undefined)?.properties;
  const names = properties === undefined ? [] : Object.keys(properties);
  return names.length === 0 || names.length > 30 ? "" : ` (known: ${names.join(", ")})`;
}

function list(values: unknown): string {
  return Array.isArray(values)
    ? values.slice(0, 20).map(quote).join(", ") + (values.length > 20 ? ", …" : "")
    : quote(values);
}

function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? typeof value;
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

/** The value where it is short and plain, its type where it is not. */
function show(value: unknown): string {
  return typeof value === "object" && value !== null ? typeName(value) : quote(value);
}

function typeName(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}
