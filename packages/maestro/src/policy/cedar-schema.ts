import type { JsonObject, JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";

/** A schema of Cedar, as far as a request must be cut to it. */
export interface CedarSchema {
  /** By qualified name, `Maestro::User`. */
  readonly entities: ReadonlyMap<string, CedarEntity>;
  /** By the id of the action. */
  readonly actions: ReadonlyMap<string, CedarAction>;
}

export interface CedarAction {
  readonly context: CedarType;
  /** What it can be done with, by qualified name. */
  readonly resources: ReadonlySet<string>;
}

export interface CedarEntity {
  readonly attributes: CedarType;
  readonly parents: readonly string[];
}

/** As the schema's JSON has them, names resolved. */
export type CedarType =
  | { readonly kind: "record"; readonly attributes: ReadonlyMap<string, CedarType> }
  | { readonly kind: "set"; readonly element: CedarType }
  | { readonly kind: "decimal" | "datetime" | "other" };

const OTHER: CedarType = { kind: "other" };
const EMPTY: CedarType = { kind: "record", attributes: new Map() };

/** `schema` is what Cedar answers to `schemaToJsonWithResolvedTypes`: it has checked it, and nothing is recursive. */
export function readCedarSchema(schema: JsonObject): CedarSchema {
  const entities = new Map<string, CedarEntity>();
  const actions = new Map<string, CedarAction>();
  const common = new Map<string, JsonValue>();
  for (const [namespace, definition] of objects(schema))
    for (const [name, type] of objects(definition["commonTypes"])) common.set(qualified(namespace, name), type);
  const typeOf = (type: JsonValue | undefined): CedarType => {
    if (!isJsonObject(type)) return EMPTY;
    const name = type["type"];
    const known = typeof name === "string" ? common.get(name) : undefined;
    if (known !== undefined) return typeOf(known);
    if (name === "Record") {
      const attributes = objects(type["attributes"]).map(([key, one]) => [key, typeOf(one)] as const);
      return { kind: "record", attributes: new Map(attributes) };
    }
    if (name === "Set") return { kind: "set", element: typeOf(type["element"]) };
    return name === "decimal" || name === "datetime" ? { kind: name } : OTHER;
  };
  for (const [namespace, definition] of objects(schema)) {
    for (const [name, entity] of objects(definition["entityTypes"]))
      entities.set(qualified(namespace, name), {
        attributes: typeOf(entity["shape"]),
        parents: Array.isArray(entity["memberOfTypes"]) ? (entity["memberOfTypes"] as readonly string[]) : [],
      });
    if (namespace !== NAMESPACE) continue;
    for (const [name, action] of objects(definition["actions"])) {
      const { context, resourceTypes } = isJsonObject(action["appliesTo"]) ? action["appliesTo"] : {};
      actions.set(name, {
        context: typeOf(context),
        resources: new Set(Array.isArray(resourceTypes) ? (resourceTypes as readonly string[]) : []),
      });
    }
  }
  return { entities, actions };
}

/** What policies of Maestro speak of: `Maestro::User`, `Maestro::Action::"run.start"`. */
export const NAMESPACE = "Maestro";

/**
 * The part of a value that the schema knows, as Cedar reads it. What it does not know no policy can look at, since policies
 * are checked against the same schema; so a newer Maestro may tell more than a policy was written for. What is null is left
 * out: Cedar has none. What does not fit is handed on as it is, and Cedar refuses the request.
 */
export function project(value: JsonValue, type: CedarType): JsonValue {
  switch (type.kind) {
    case "record": {
      if (!isJsonObject(value)) return value;
      const known: Record<string, JsonValue> = {};
      for (const [name, inner] of type.attributes) {
        const found = Object.hasOwn(value, name) ? value[name] : undefined;
        if (found !== undefined && found !== null) known[name] = project(found, inner);
      }
      return known;
    }
    case "set":
      return Array.isArray(value) ? value.map((one: JsonValue) => project(one, type.element)) : value;
    case "decimal":
      return typeof value === "number" ? decimal(value) : value;
    case "datetime":
      return typeof value === "number" && Number.isFinite(value) ? new Date(value).toISOString() : value;
    case "other":
      return value;
  }
}

/** Whether a schema wants an attribute in any of its contexts. */
export function asksFor(schema: CedarSchema, attribute: string): boolean {
  return [...schema.actions.values()].some(
    ({ context }) => context.kind === "record" && context.attributes.has(attribute),
  );
}

/** Cedar's decimals have four places; rounding to them could carry a number across a limit. */
function decimal(value: number): JsonValue {
  const text = value.toFixed(4);
  return Number(text) === value ? text : value;
}

function qualified(namespace: string, name: string): string {
  return namespace === "" ? name : `${namespace}::${name}`;
}

function objects(value: JsonValue | undefined): readonly (readonly [string, JsonObject])[] {
  if (!isJsonObject(value)) return [];
  return Object.entries(value).flatMap(([name, one]) => (isJsonObject(one) ? [[name, one] as const] : []));
}
