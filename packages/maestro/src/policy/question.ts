import type { JsonObject, JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import type { GateRequest } from "./gate.ts";

/** A question in the words of whoever asks, as far as they know them. */
export interface LooseQuestion {
  readonly subject: { readonly type: string; readonly id: string; readonly properties?: JsonObject };
  readonly action: { readonly name: string; readonly properties?: JsonObject };
  readonly resource: { readonly type: string; readonly id: string; readonly properties?: JsonObject };
  readonly context?: JsonObject;
}

/** The question as policies of Maestro read it: what they can rely on is there, be it empty. */
export function questionOf(
  { subject, action, resource, context = {} }: LooseQuestion,
  environment: string,
): GateRequest {
  return {
    subject: {
      // Of another type than Maestro has, a policy may know it all the same.
      type: subject.type as GateRequest["subject"]["type"],
      id: subject.id,
      properties: { ...subject.properties, roles: rolesIn(subject.properties?.["roles"]) },
    },
    action:
      action.properties === undefined ? { name: action.name } : { name: action.name, properties: action.properties },
    resource: {
      type: resource.type,
      id: resource.id,
      properties: { ...resource.properties, namespace: namespaceOf(resource) },
    },
    context: {
      environment,
      ...context,
      purpose: textOf(context["purpose"]),
      authority: textOf(context["authority"]),
    },
  };
}

/** `shop/orders` is in shop, and a namespace in itself. */
function namespaceOf({ type, id, properties = {} }: LooseQuestion["resource"]): string {
  const { namespace } = properties;
  if (typeof namespace === "string" && namespace !== "") return namespace;
  if (type === "namespace") return id;
  const slash = id.indexOf("/");
  return slash > 0 ? id.slice(0, slash) : "*";
}

function rolesIn(value: JsonValue | undefined): readonly string[] {
  return Array.isArray(value) ? (value as readonly JsonValue[]).filter((one) => typeof one === "string") : [];
}

function textOf(value: JsonValue | undefined): string {
  return typeof value === "string" ? value : "";
}

/** `what` of a JSON object that has to be one; a member that is missing is said by its path. Throws a SyntaxError. */
export function readLoose(value: JsonObject): LooseQuestion {
  const context = readContext(value["context"]);
  const subject = readEntity(value["subject"], "subject");
  const action = readAction(value["action"]);
  const resource = readEntity(value["resource"], "resource");
  return { subject, action, resource, ...context };
}

export function readContext(value: JsonValue | undefined): Pick<LooseQuestion, "context"> {
  if (value === undefined) return {};
  if (!isJsonObject(value)) throw new SyntaxError("context is not an object");
  refuseLarge(value, "context");
  return { context: value };
}

export function readEntity(value: JsonValue | undefined, where: string): LooseQuestion["subject"] {
  const { type, id, properties } = members(value, where);
  return { type: needed(type, `${where}.type`), id: needed(id, `${where}.id`), ...readProperties(properties, where) };
}

export function readAction(value: JsonValue | undefined): LooseQuestion["action"] {
  const { name, properties } = members(value, "action");
  return { name: needed(name, "action.name"), ...readProperties(properties, "action") };
}

export function members(value: JsonValue | undefined, where: string): JsonObject {
  if (isJsonObject(value)) return value;
  throw new SyntaxError(value === undefined ? `${where} is missing` : `${where} is not an object`);
}

export function needed(value: JsonValue | undefined, where: string): string {
  if (value === undefined) throw new SyntaxError(`${where} is missing`);
  if (typeof value !== "string" || value === "") throw new SyntaxError(`${where} is not a text`);
  if (value.length > MAX_TEXT || !value.isWellFormed())
    throw new SyntaxError(`${where} is no text of at most ${MAX_TEXT} characters`);
  return value;
}

const MAX_TEXT = 1_000;

export function readProperties(value: JsonValue | undefined, where: string): { readonly properties?: JsonObject } {
  if (value === undefined) return {};
  if (!isJsonObject(value)) throw new SyntaxError(`${where}.properties is not an object`);
  refuseLarge(value, `${where}.properties`);
  return { properties: value };
}

/** Of what a question may hold beside its names. Each is remembered and kept, and what many of one request have in common is kept with each. */
export const QUESTION_LIMITS = { memberCharacters: 16_384 } as const;

function refuseLarge(value: JsonObject, where: string): void {
  const { memberCharacters } = QUESTION_LIMITS;
  if (JSON.stringify(value).length > memberCharacters)
    throw new SyntaxError(`${where} has more than ${memberCharacters} characters of JSON`);
}
