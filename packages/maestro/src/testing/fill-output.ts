import type { JsonObject, JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";

/**
 * What a task type always gives and a fake leaves out, filled in with neutral values, so that a fake says only what the
 * test is about. What cannot be made up from the schema is left to the check of the output, which names it.
 */
export function fillOutput(output: JsonValue | undefined, schema: JsonObject): JsonValue {
  const given = output ?? (schema["type"] === "object" || schema["type"] === undefined ? {} : null);
  if (!isJsonObject(given)) return given;
  const required = Array.isArray(schema["required"]) ? (schema["required"] as readonly string[]) : [];
  const properties = isJsonObject(schema["properties"]) ? schema["properties"] : {};
  const missing = required.flatMap((name) => {
    const property = properties[name];
    if (Object.hasOwn(given, name) || !isJsonObject(property)) return [];
    const value = neutral(property);
    return value === undefined ? [] : [[name, value] as const];
  });
  return missing.length === 0 ? given : { ...Object.fromEntries(missing), ...given };
}

function neutral(schema: JsonObject): JsonValue | undefined {
  if (schema["default"] !== undefined) return schema["default"];
  if (schema["const"] !== undefined) return schema["const"];
  const choices = schema["enum"];
  if (Array.isArray(choices)) return (choices as readonly JsonValue[])[0];
  const { type } = schema;
  switch (Array.isArray(type) ? (type as readonly JsonValue[])[0] : type) {
    case "string":
      return typeof schema["pattern"] === "string" && schema["pattern"].includes("sha256:")
        ? `sha256:${"0".repeat(64)}`
        : "";
    case "integer":
    case "number":
      return typeof schema["minimum"] === "number" ? schema["minimum"] : 0;
    case "boolean":
      return true;
    case "array":
      return [];
    case "object":
      return {};
    case "null":
      return null;
    default:
      return undefined;
  }
}
