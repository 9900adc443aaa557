import type { JsonObject, JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";

/** Members whose entries are taken over one by one; all others are replaced as a whole. */
const BY_ENTRY: ReadonlySet<string> = new Set([
  "inputs",
  "labels",
  "files",
  "environment",
  "fakes",
  "approvals",
  "limits",
  "expect",
  "outputs",
  "tasks",
]);

/** A case on top of what it inherits. */
export function mergeCase(base: JsonObject, over: JsonObject): JsonObject {
  const merged: Record<string, JsonValue> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = base[key];
    merged[key] =
      BY_ENTRY.has(key) && isJsonObject(below) && isJsonObject(value)
        ? key === "expect"
          ? mergeCase(below, value)
          : { ...below, ...value }
        : value;
  }
  return merged;
}
