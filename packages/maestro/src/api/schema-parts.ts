import type { JsonObject } from "../core/json.ts";
import { API_VERSION } from "./respond.ts";

// What schemas of answers are put together from.

export const string: JsonObject = { type: "string" };
export const integer: JsonObject = { type: "integer" };
export const boolean: JsonObject = { type: "boolean" };
export const anything: JsonObject = {};
export const anyObject: JsonObject = { type: "object" };
export const time: JsonObject = { type: "integer", description: "Epoch milliseconds." };
export const digest: JsonObject = { type: "string", pattern: "^sha256:[0-9a-f]{64}$" };
export const orNull = (schema: JsonObject): JsonObject => ({ anyOf: [schema, { type: "null" }] });
export const listOf = (items: JsonObject): JsonObject => ({ type: "array", items });
export const oneOf = (...values: readonly string[]): JsonObject => ({ type: "string", enum: values });
export const ref = (name: string): JsonObject => ({ $ref: `#/components/schemas/${name}` });

/** All of them required, except those whose name ends in `?`. */
export function members(shape: Readonly<Record<string, JsonObject>>): JsonObject {
  const names = Object.keys(shape);
  return {
    type: "object",
    properties: Object.fromEntries(names.map((name) => [name.replace("?", ""), shape[name] ?? {}])),
    required: names.filter((name) => !name.endsWith("?")),
  };
}

/** The answer of that kind. */
export function answer(kind: string, shape: Readonly<Record<string, JsonObject>>): JsonObject {
  return members({ apiVersion: { const: API_VERSION }, kind: { const: kind }, ...shape });
}
