import type { JsonObject, JsonValue } from "./json.ts";
import { resolveRef } from "./schema-types.ts";

// What expressions can see, as JSON Schemas: the compiler walks a reference through them like a reader would.

/** A schema in which `#/$defs/…` refers to itself: the walk changes its root there. */
const ROOT = "x-maestro-root";

export function asRoot(schema: JsonObject): JsonObject {
  return { ...schema, [ROOT]: true };
}

export function isRoot(schema: JsonObject): boolean {
  return schema[ROOT] === true;
}

/** A part of `root` that keeps what its `$ref`s mean. */
export function carry(schema: JsonObject, root: JsonObject): JsonObject {
  const whole = resolveRef(schema, root);
  return root["$defs"] === undefined ? whole : asRoot({ ...whole, $defs: root["$defs"] });
}

function closed(properties: JsonObject, required: readonly string[] = Object.keys(properties)): JsonObject {
  return { type: "object", properties, required, additionalProperties: false };
}

const TEXT: JsonObject = { type: "string" };
const COUNT: JsonObject = { type: "integer" };
const ARTIFACTS: JsonObject = { type: "array", items: closed({ name: TEXT, path: TEXT, digest: TEXT, size: COUNT }) };

export const RUN_SCHEMA: JsonObject = closed({
  id: TEXT,
  name: TEXT,
  namespace: TEXT,
  status: TEXT,
  purpose: TEXT,
  authority: TEXT,
  initiator: TEXT,
  labels: { type: "object", additionalProperties: TEXT },
});

export const ERROR_SCHEMA: JsonObject = closed({ code: TEXT, message: TEXT, details: {} });
export const ITEM_SCHEMA: JsonObject = closed({ index: COUNT });
export const ATTEMPT_SCHEMA: JsonObject = closed({ id: TEXT, attempt: COUNT, dir: TEXT });

/** `task` in `until.condition`. */
export function roundSchema(output: JsonObject): JsonObject {
  return closed({ id: TEXT, attempt: COUNT, output });
}

/** `tasks.ID`. A fan-out is a list of items and a map of counts at once. */
export function taskSchema(output: JsonObject, fanOut: boolean): JsonObject {
  const counts = { status: TEXT, artifacts: ARTIFACTS, failed: COUNT, succeeded: COUNT };
  if (!fanOut) return closed({ ...counts, output });
  const item = closed({ status: TEXT, output, artifacts: ARTIFACTS, error: {} });
  const items: JsonObject = { type: "array", items: item };
  return {
    ...closed({ ...counts, output: { type: "array", items: output }, items }),
    type: ["object", "array"],
    items: item,
  };
}

/** The names of one place. `tasks` is whatever tasks it may read. */
export function scopeSchema(names: Readonly<Record<string, JsonValue>>): JsonObject {
  return closed(names);
}

export function tasksSchema(tasks: Readonly<Record<string, JsonObject>>): JsonObject {
  return closed(tasks, []);
}
