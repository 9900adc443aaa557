import type { JsonObject, JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import { MaestroError } from "../core/problem.ts";
import { suggest } from "../core/suggest.ts";

/**
 * How one value of a request is read and described: the same object validates it, gives it its type and is its
 * JSON Schema in the API's description, so the three cannot drift apart.
 */
export interface Field<T> {
  readonly schema: JsonObject;
  /** The value, or undefined after noting what is wrong with it. */
  read(value: unknown, path: string, wrong: Wrong): T | undefined;
}

export interface OptionalField<T> extends Field<T> {
  readonly optional: true;
}

export type Shape = Readonly<Record<string, Field<unknown> | OptionalField<unknown>>>;
type RequiredKeys<S extends Shape> = { [K in keyof S]: S[K] extends OptionalField<unknown> ? never : K }[keyof S];
type ValueOf<F> = F extends Field<infer T> ? T : never;
/** The value an object of these fields reads as: unknown members are refused, optional ones may be absent. */
export type Read<S extends Shape> = { readonly [K in RequiredKeys<S>]: ValueOf<S[K]> } & {
  readonly [K in Exclude<keyof S, RequiredKeys<S>>]?: ValueOf<S[K]>;
};

type Wrong = (path: string, message: string) => void;

export function text(
  description: string,
  limits: { readonly max: number; readonly min?: number; readonly pattern?: string },
): Field<string> {
  const { max, min = 1, pattern } = limits;
  const expression = pattern === undefined ? undefined : new RegExp(pattern, "u");
  return {
    schema: {
      type: "string",
      description,
      minLength: min,
      maxLength: max,
      ...(pattern === undefined ? {} : { pattern }),
    },
    read(value, path, wrong) {
      if (typeof value !== "string") return void wrong(path, `must be a text, not ${kindOf(value)}`);
      if (!value.isWellFormed()) return void wrong(path, "holds half a character (a lone surrogate)");
      if (value.length < min)
        return void wrong(path, min === 1 ? "must not be empty" : `must have at least ${min} characters`);
      if (value.length > max) return void wrong(path, `has ${value.length} characters; at most ${max} are allowed`);
      if (expression?.test(value) === false) return void wrong(path, `must match ${pattern}`);
      return value;
    },
  };
}

export function choice<const T extends string>(description: string, values: readonly T[]): Field<T> {
  return {
    schema: { type: "string", description, enum: values },
    read(value, path, wrong) {
      const found = values.find((candidate) => candidate === value);
      if (found !== undefined) return found;
      const near = typeof value === "string" ? suggest(value, values) : undefined;
      return void wrong(
        path,
        `must be one of ${values.join(", ")}${near === undefined ? "" : `; did you mean ${near}?`}`,
      );
    },
  };
}

export function integer(description: string, limits: { readonly min: number; readonly max: number }): Field<number> {
  return {
    schema: { type: "integer", description, minimum: limits.min, maximum: limits.max },
    read(value, path, wrong) {
      if (typeof value !== "number" || !Number.isInteger(value))
        return void wrong(path, `must be a whole number, not ${kindOf(value)}`);
      if (value < limits.min || value > limits.max)
        return void wrong(path, `must be from ${limits.min} to ${limits.max}, not ${value}`);
      return value;
    },
  };
}

export function flag(description: string): Field<boolean> {
  return {
    schema: { type: "boolean", description },
    read: (value, path, wrong) =>
      typeof value === "boolean" ? value : void wrong(path, `must be true or false, not ${kindOf(value)}`),
  };
}

export function json(description: string): Field<JsonValue> {
  // JSON.parse made the body, so that every value in it is one.
  return { schema: { description }, read: (value) => value as JsonValue };
}

export function jsonObject(description: string): Field<JsonObject> {
  return {
    schema: { type: "object", description },
    read: (value, path, wrong) =>
      isJsonObject(value) ? value : void wrong(path, `must be an object, not ${kindOf(value)}`),
  };
}

export function list<T>(description: string, item: Field<T>, max: number): Field<readonly T[]> {
  return {
    schema: { type: "array", description, items: item.schema, maxItems: max },
    read(value, path, wrong) {
      if (!Array.isArray(value)) return void wrong(path, `must be a list, not ${kindOf(value)}`);
      if (value.length > max) return void wrong(path, `has ${value.length} entries; at most ${max} are allowed`);
      const read: T[] = [];
      for (const [i, entry] of value.entries()) {
        const one = item.read(entry, `${path}/${i}`, wrong);
        if (one !== undefined) read.push(one);
      }
      return read;
    },
  };
}

/** Names to texts, such as labels. */
export function textMap(
  description: string,
  key: { readonly pattern: string },
  value: Field<string>,
  max: number,
): Field<Readonly<Record<string, string>>> {
  const expression = new RegExp(key.pattern, "u");
  return {
    schema: {
      type: "object",
      description,
      propertyNames: { pattern: key.pattern },
      additionalProperties: value.schema,
      maxProperties: max,
    },
    read(given, path, wrong) {
      if (!isJsonObject(given)) return void wrong(path, `must be an object, not ${kindOf(given)}`);
      const entries = Object.entries(given);
      if (entries.length > max) return void wrong(path, `has ${entries.length} entries; at most ${max} are allowed`);
      const read: Record<string, string> = {};
      for (const [name, entry] of entries) {
        if (!expression.test(name)) wrong(`${path}/${name}`, `the name must match ${key.pattern}`);
        const one = value.read(entry, `${path}/${name}`, wrong);
        if (one !== undefined) read[name] = one;
      }
      return read;
    },
  };
}

export function objectOf<S extends Shape>(description: string, shape: S): Field<Read<S>> {
  return {
    schema: { ...objectSchema(shape), description },
    read: (value, path, wrong) => readMembers(shape, value, path, wrong) as Read<S>,
  };
}

export function optional<T>(field: Field<T>): OptionalField<T> {
  return { ...field, optional: true };
}

/** JSON Schema of an object with these fields and no others. */
export function objectSchema(shape: Shape): JsonObject {
  const properties = Object.fromEntries(Object.entries(shape).map(([name, field]) => [name, field.schema]));
  const required = Object.entries(shape).flatMap(([name, field]) => ("optional" in field ? [] : [name]));
  return { type: "object", properties, required, additionalProperties: false };
}

/** Reads an object with exactly these fields. Throws `invalid_request` with every problem in `facts.problems`. */
export function readObject<S extends Shape>(shape: S, value: unknown, what: string): Read<S> {
  const problems: { path: string; message: string }[] = [];
  const wrong: Wrong = (path, message) => void problems.push({ path, message });
  const read = readMembers(shape, value, "", wrong);
  if (problems.length > 0) {
    const shown = problems.slice(0, 20);
    const sentence = shown.map(({ path, message }) => `${path === "" ? what : path.slice(1)} ${message}`).join("; ");
    throw new MaestroError("invalid_request", `${what}: ${sentence}`, { facts: { problems: shown } });
  }
  return read as Read<S>;
}

function readMembers(shape: Shape, value: unknown, at: string, wrong: Wrong): Record<string, unknown> {
  const read: Record<string, unknown> = {};
  if (!isJsonObject(value)) {
    wrong(at, `must be an object, not ${kindOf(value)}`);
    return read;
  }
  for (const name of Object.keys(value)) {
    if (Object.hasOwn(shape, name)) continue;
    const near = suggest(name, Object.keys(shape));
    wrong(`${at}/${name}`, `is not known here${near === undefined ? "" : `; did you mean "${near}"?`}`);
  }
  for (const [name, field] of Object.entries(shape)) {
    const given = Object.hasOwn(value, name) ? value[name] : undefined;
    if (given === undefined) {
      if (!("optional" in field)) wrong(`${at}/${name}`, "is missing");
      continue;
    }
    const one = field.read(given, `${at}/${name}`, wrong);
    if (one !== undefined) read[name] = one;
  }
  return read;
}

/** Reads query parameters: texts, numbers where the field is one, lists where a name repeats or holds commas. */
export function readQuery<S extends Shape>(shape: S, query: URLSearchParams): Read<S> {
  // fromEntries, because a parameter named __proto__ must become a member and be refused.
  const value = Object.fromEntries(
    [...new Set(query.keys())].map((name) => [name, queryValue(shape, name, query.getAll(name))]),
  );
  return readObject(shape, value, "the query");
}

function queryValue(shape: Shape, name: string, given: readonly string[]): JsonValue {
  const type = Object.hasOwn(shape, name) ? shape[name]?.schema["type"] : undefined;
  const last = given.at(-1) ?? "";
  if (type === "array") return given.flatMap((entry) => entry.split(",")).filter((entry) => entry !== "");
  if (type === "integer") return /^-?\d{1,17}$/.test(last) ? Number(last) : last;
  if (type === "boolean" && ["true", "false", ""].includes(last)) return last !== "false";
  return last;
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  switch (typeof value) {
    case "string":
      return `the text ${JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)}`;
    case "number":
    case "boolean":
      return String(value);
    default:
      return "an object";
  }
}
