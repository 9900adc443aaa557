import { RE2JS } from "re2js";
import { digestOf } from "./digest.ts";
import type { JsonObject, JsonValue } from "./json.ts";
import { isJsonObject } from "./json.ts";
import { mismatch, resolveRef, schemaOf, typesOf } from "./schema-types.ts";
import { suggest } from "./suggest.ts";

export type Path = readonly (string | number)[];

/** One thing that a value has and its schema does not allow. */
export interface SchemaIssue {
  readonly path: Path;
  readonly kind: "unknown" | "missing" | "invalid" | "mismatch";
  /** A clause that follows the value's name: "must be text, is 5". */
  readonly message: string;
  /** Of an unknown key: the one that was probably meant. Of a missing key: its name. */
  readonly name?: string;
}

export interface CheckOptions {
  /** Where `#/$defs/…` is looked up; the schema itself if absent. */
  readonly root?: JsonObject;
  /** What stands for a value that is not known yet: a schema of it, or "unknown". Undefined: the value is what it is. */
  readonly standIn?: (value: JsonValue, path: Path) => JsonObject | "unknown" | undefined;
}

/**
 * Checks a value against a schema and tells everything at once, in words for people. Knows the part of JSON Schema
 * 2020-12 that our own schemas use and lets the rest pass: the full validator runs when the value is complete.
 */
export function checkValue(value: JsonValue, schema: JsonObject, options: CheckOptions = {}): readonly SchemaIssue[] {
  const issues: SchemaIssue[] = [];
  new Check(options.root ?? schema, options.standIn ?? (() => undefined), issues).run(value, schema, []);
  return issues;
}

const MAX_ISSUES = 100;

class Check {
  readonly #root: JsonObject;
  readonly #standIn: NonNullable<CheckOptions["standIn"]>;
  readonly #issues: SchemaIssue[];

  constructor(root: JsonObject, standIn: NonNullable<CheckOptions["standIn"]>, issues: SchemaIssue[]) {
    this.#root = root;
    this.#standIn = standIn;
    this.#issues = issues;
  }

  run(value: JsonValue, given: JsonObject, path: Path): void {
    if (this.#issues.length >= MAX_ISSUES) return;
    const schema = resolveRef(given, this.#root);
    const stand = this.#standIn(value, path);
    if (stand === "unknown") return;
    if (stand !== undefined) {
      const wrong = mismatch(stand, schema, this.#root);
      if (wrong !== undefined) this.#issues.push({ path, kind: "mismatch", message: wrong });
      return;
    }
    if (!this.#type(value, schema, path)) return;
    this.#choices(value, schema, path);
    if (typeof value === "string") this.#string(value, schema, path);
    else if (typeof value === "number") this.#number(value, schema, path);
    else if (isJsonObject(value)) this.#object(value, schema, path);
    else if (Array.isArray(value)) this.#array(value as readonly JsonValue[], schema, path);
    this.#combinations(value, schema, path);
  }

  #add(path: Path, message: string): void {
    this.#issues.push({ path, kind: "invalid", message });
  }

  #type(value: JsonValue, schema: JsonObject, path: Path): boolean {
    const allowed = typesOf(schema);
    if (allowed === undefined || allowed.some((type) => isOfType(value, type))) return true;
    this.#add(path, `must be ${allowed.map((type) => WORDS[type] ?? type).join(" or ")}, is ${show(value)}`);
    return false;
  }

  #choices(value: JsonValue, schema: JsonObject, path: Path): void {
    if (schema["const"] !== undefined && !same(value, schema["const"]))
      this.#add(path, `must be ${show(schema["const"])}, is ${show(value)}`);
    const choices = schema["enum"];
    if (!Array.isArray(choices) || choices.some((choice) => same(value, choice as JsonValue))) return;
    const near =
      typeof value === "string"
        ? suggest(
            value,
            choices.filter((choice): choice is string => typeof choice === "string"),
          )
        : undefined;
    const message = `must be ${choices.map((choice) => show(choice as JsonValue)).join(", ")}; is ${show(value)}`;
    this.#issues.push({ path, kind: "invalid", message, ...(near === undefined ? {} : { name: near }) });
  }

  #string(value: string, schema: JsonObject, path: Path): void {
    const { minLength, maxLength, pattern } = schema;
    if (typeof minLength === "number" && value.length < minLength)
      this.#add(path, value === "" ? "must not be empty" : `must have at least ${minLength} characters`);
    else if (typeof maxLength === "number" && value.length > maxLength)
      this.#add(path, `may have ${maxLength} characters, has ${value.length}`);
    else if (typeof pattern === "string" && matches(pattern, value) === false) {
      const examples = schema["examples"];
      const example =
        Array.isArray(examples) && examples.length > 0
          ? `, such as ${examples.map((one) => show(one as JsonValue)).join(" or ")}`
          : ` (${pattern})`;
      this.#add(path, `is not of the right form${example}; is ${show(value)}`);
    }
  }

  #number(value: number, schema: JsonObject, path: Path): void {
    const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = schema;
    if (typeof minimum === "number" && value < minimum) this.#add(path, `must be at least ${minimum}, is ${value}`);
    if (typeof maximum === "number" && value > maximum) this.#add(path, `must be at most ${maximum}, is ${value}`);
    if (typeof exclusiveMinimum === "number" && value <= exclusiveMinimum)
      this.#add(path, `must be more than ${exclusiveMinimum}, is ${value}`);
    if (typeof exclusiveMaximum === "number" && value >= exclusiveMaximum)
      this.#add(path, `must be less than ${exclusiveMaximum}, is ${value}`);
    if (typeof multipleOf === "number" && !Number.isInteger(value / multipleOf))
      this.#add(path, `must be a multiple of ${multipleOf}, is ${value}`);
  }

  #array(value: readonly JsonValue[], schema: JsonObject, path: Path): void {
    const { minItems, maxItems, uniqueItems, items } = schema;
    if (typeof minItems === "number" && value.length < minItems)
      this.#add(path, `must have at least ${minItems} element${minItems === 1 ? "" : "s"}`);
    if (typeof maxItems === "number" && value.length > maxItems)
      this.#add(path, `may have ${maxItems} elements, has ${value.length}`);
    if (uniqueItems === true) {
      const seen = new Map<string, number>();
      value.forEach((element, i) => {
        const key = typeof element === "string" ? element : digestOf(element);
        const first = seen.get(key);
        if (first === undefined) seen.set(key, i);
        else this.#add([...path, i], `repeats element ${first}`);
      });
    }
    if (isJsonObject(items)) value.forEach((element, i) => this.run(element, items, [...path, i]));
  }

  #object(value: JsonObject, schema: JsonObject, path: Path): void {
    const properties = isJsonObject(schema["properties"]) ? schema["properties"] : {};
    const keys = Object.keys(value);
    const { required, minProperties, maxProperties, additionalProperties, propertyNames } = schema;
    for (const name of Array.isArray(required) ? (required as readonly string[]) : []) {
      if (!Object.hasOwn(value, name)) this.#issues.push({ path, kind: "missing", name, message: `lacks \`${name}\`` });
    }
    if (typeof minProperties === "number" && keys.length < minProperties)
      this.#add(path, keys.length === 0 ? "must not be empty" : `must have at least ${minProperties} entries`);
    if (typeof maxProperties === "number" && keys.length > maxProperties)
      this.#add(path, `may have ${maxProperties} entries, has ${keys.length}`);
    for (const key of keys) {
      const member = value[key] ?? null;
      const known = Object.hasOwn(properties, key) ? properties[key] : undefined;
      if (isJsonObject(known)) this.run(member, known, [...path, key]);
      else if (
        isJsonObject(propertyNames) &&
        typeof propertyNames["pattern"] === "string" &&
        matches(propertyNames["pattern"], key) === false
      ) {
        this.#add([...path, key], nameAdvice(key, propertyNames["pattern"]));
      } else if (isJsonObject(additionalProperties)) this.run(member, additionalProperties, [...path, key]);
      else if (additionalProperties === false) this.#unknown(key, Object.keys(properties), path);
    }
  }

  #unknown(key: string, known: readonly string[], path: Path): void {
    const near = suggest(key, known);
    const list =
      known.length === 0 ? "there are none" : `there ${known.length === 1 ? "is" : "are"} ${known.join(", ")}`;
    this.#issues.push({
      path: [...path, key],
      kind: "unknown",
      message: `\`${key}\` is no field here; ${list}`,
      ...(near === undefined ? {} : { name: near }),
    });
  }

  #combinations(value: JsonValue, schema: JsonObject, path: Path): void {
    for (const part of list(schema["allOf"])) this.run(value, part, path);
    const dependent = schema["dependentSchemas"];
    if (isJsonObject(dependent) && isJsonObject(value)) {
      for (const [key, part] of Object.entries(dependent))
        if (Object.hasOwn(value, key) && isJsonObject(part)) this.run(value, part, path);
    }
    const any = list(schema["anyOf"]);
    if (any.length > 0 && !any.some((part) => this.#fits(value, part, path)))
      this.#add(path, alternatives(any) ?? "fits none of the forms that are allowed here");
    const one = list(schema["oneOf"]);
    if (one.length > 0) {
      const fitting = one.filter((part) => this.#fits(value, part, path)).length;
      if (fitting === 0) this.#add(path, alternatives(one) ?? "fits none of the forms that are allowed here");
      // Values that are not known yet fit everything, so only those alternatives count that tell members apart.
      else if (fitting > 1 && alternatives(one) !== undefined)
        this.#add(path, `${alternatives(one)}, and not several of them`);
    }
  }

  #fits(value: JsonValue, schema: JsonObject, path: Path): boolean {
    const issues: SchemaIssue[] = [];
    new Check(this.#root, this.#standIn, issues).run(value, schema, path);
    return issues.length === 0;
  }
}

/** "needs one of `argv`, `script`", where that is what the alternatives say. */
function alternatives(parts: readonly JsonObject[]): string | undefined {
  const names = parts.map((part) =>
    Array.isArray(part["required"]) && Object.keys(part).length === 1
      ? (part["required"] as readonly string[]).map((name) => `\`${name}\``).join(" with ")
      : undefined,
  );
  return names.every((name) => name !== undefined) ? `needs one of ${names.join(", ")}` : undefined;
}

function list(value: JsonValue | undefined): readonly JsonObject[] {
  return Array.isArray(value)
    ? (value as readonly JsonValue[]).filter((part): part is JsonObject => isJsonObject(part))
    : [];
}

function nameAdvice(name: string, pattern: string): string {
  if (matches(pattern, "a_B1") !== true || matches(pattern, "a-b") === true)
    return `\`${name.slice(0, 64)}\` cannot be a name here: it must match ${pattern}`;
  const fixed = name.replaceAll(/[^A-Za-z0-9_]+/g, "_");
  const advice = matches(pattern, fixed) === true && fixed !== name ? `; write \`${fixed}\`` : "";
  return `\`${name.slice(0, 64)}\` cannot be a name here: letters, digits and _ only, up to 64, and no digit first${advice}`;
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

function isOfType(value: JsonValue, type: string): boolean {
  if (type === "integer") return Number.isInteger(value);
  return schemaOf(value) === type || (type === "number" && typeof value === "number");
}

export function show(value: JsonValue): string {
  if (isJsonObject(value)) return "a map";
  if (Array.isArray(value)) return "a list";
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 56)}…"` : text;
}

function same(a: JsonValue, b: JsonValue): boolean {
  return (
    a === b ||
    (typeof a === "object" && typeof b === "object" && a !== null && b !== null && digestOf(a) === digestOf(b))
  );
}

const PATTERNS = new Map<string, RE2JS | null>();

/** Undefined for a pattern that RE2 cannot read: not this value's fault. */
function matches(pattern: string, text: string): boolean | undefined {
  let compiled = PATTERNS.get(pattern);
  if (compiled === undefined) {
    if (PATTERNS.size > 256) PATTERNS.clear();
    try {
      compiled = RE2JS.compile(RE2JS.translateRegExp(pattern));
    } catch {
      compiled = null;
    }
    PATTERNS.set(pattern, compiled);
  }
  return compiled === null ? undefined : compiled.matcher(text).find();
}
