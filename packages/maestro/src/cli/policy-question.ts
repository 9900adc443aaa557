import type { JsonObject, JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import { messageOf } from "../core/problem.ts";
import type { Explanation } from "../policy/explanation.ts";
import { usage } from "./cli.ts";
import type { Cli, Input } from "./cli.ts";
import { readNamed } from "./named-file.ts";
import { isData } from "./output.ts";
import { safe } from "./terminal/text.ts";

/** The question that the options ask, in the words of AuthZEN; with --request the file's. */
export async function questionBody(cli: Cli, input: Input, action: string | undefined): Promise<JsonObject> {
  const file = input.text("request");
  if (file !== undefined) return readRequest(cli, file);
  if (action === undefined) throw usage("Say what is to be done: --action ACTION, or --request FILE.");
  const context: Record<string, JsonValue> = {};
  for (const name of ["purpose", "authority", "environment"] as const) {
    const value = input.text(name);
    if (value !== undefined) context[name] = value;
  }
  const subject = subjectOf(input);
  return {
    ...(subject === undefined ? {} : { subject }),
    action: { name: action },
    resource: resourceOf(input.text("resource") ?? input.optionalArg("resource"), input),
    ...(Object.keys(context).length === 0 ? {} : { context }),
  };
}

/** `runbook:shop/orders@1.0.0`; without one the namespace, or the installation. */
export function resourceOf(text: string | undefined, input: Input): JsonObject {
  const namespace = input.text("namespace");
  const properties: Record<string, JsonValue> = namespace === undefined ? {} : { namespace };
  for (const pair of input.texts("property")) {
    const equals = pair.indexOf("=");
    if (equals < 1) throw usage(`--property takes NAME=VALUE, not ${JSON.stringify(pair)}.`);
    properties[pair.slice(0, equals)] = valueOf(pair.slice(equals + 1));
  }
  const named = Object.keys(properties).length === 0 ? {} : { properties };
  if (text === undefined)
    return namespace === undefined
      ? { type: "installation", id: "*", ...named }
      : { type: "namespace", id: namespace, ...named };
  const { type, id } = typed(text, "A resource");
  return { type, id, ...named };
}

function subjectOf(input: Input): JsonObject | undefined {
  const text = input.text("as");
  const roles = input.texts("role");
  if (text === undefined && roles.length === 0) return undefined;
  const { type, id } = text === undefined ? { type: "user", id: "somebody" } : typed(text, "A subject", "user");
  return { type, id, properties: { roles } };
}

function typed(text: string, what: string, usual?: string): { readonly type: string; readonly id: string } {
  const colon = text.indexOf(":");
  if (colon > 0 && colon < text.length - 1) return { type: text.slice(0, colon), id: text.slice(colon + 1) };
  if (colon === -1 && usual !== undefined && text !== "") return { type: usual, id: text };
  throw usage(`${what} is TYPE:ID, such as runbook:shop/orders@1.0.0 or user:anna, not ${JSON.stringify(text)}.`);
}

/** JSON where it is some, else the text. */
function valueOf(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch (error) {
    if (error instanceof SyntaxError) return text;
    throw error;
  }
}

async function readRequest(cli: Cli, file: string): Promise<JsonObject> {
  const text = await readNamed(cli, file);
  const { parse } = await import("yaml");
  let value: JsonValue;
  try {
    value = parse(text, { maxAliasCount: 0 }) as JsonValue;
  } catch (error) {
    throw usage(`${file} is neither JSON nor YAML: ${messageOf(error)}`);
  }
  if (!isJsonObject(value)) throw usage(`${file} is not an object with subject, action and resource.`);
  const { subject, action, resource, context } = value;
  return {
    ...(subject === undefined ? {} : { subject }),
    ...(action === undefined ? {} : { action }),
    ...(resource === undefined ? {} : { resource }),
    ...(context === undefined ? {} : { context }),
  };
}

/** What the control plane was asked and what it says, with what the answer lacks. */
export interface PolicyAnswer {
  readonly allow: boolean;
  readonly explanation: Explanation;
  readonly unknown: readonly string[];
}

/** Beside the answer, since it is none. */
export function sayUnknown(cli: Cli, unknown: readonly string[]): void {
  if (!isData(cli)) for (const one of unknown) cli.terminal.say(`not known: ${safe(one)}`);
}
