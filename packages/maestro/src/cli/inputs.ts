import { isJsonObject } from "../core/json.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { MaestroError, messageOf } from "../core/problem.ts";
import { suggest } from "../core/suggest.ts";
import { usage } from "./cli.ts";
import type { Cli } from "./cli.ts";
import { decode, readStdin, readText } from "./manifest-source.ts";

/** Inputs from `-f` and `-i`, the latter typed by the workflow's schema. The control plane checks them; this only reads. */
export async function readInputs(
  cli: Cli,
  given: { readonly file: string | undefined; readonly pairs: readonly string[] },
  schema: JsonObject,
): Promise<JsonObject> {
  const base = given.file === undefined ? {} : await readInputFile(cli, given.file);
  return { ...base, ...pairInputs(given.pairs, schema) };
}

/** `key=value` pairs as values of the schema's types. A key that repeats makes a list where the schema has one. */
export function pairInputs(pairs: readonly string[], schema: JsonObject): JsonObject {
  const properties = isJsonObject(schema["properties"]) ? schema["properties"] : {};
  const texts = new Map<string, string[]>();
  for (const pair of pairs) {
    const at = pair.indexOf("=");
    if (at <= 0) throw usage(`-i takes key=value, not ${JSON.stringify(pair)}.`);
    const key = pair.slice(0, at);
    if (!Object.hasOwn(properties, key) && schema["additionalProperties"] !== true)
      throw unknownInput(key, Object.keys(properties));
    texts.set(key, [...(texts.get(key) ?? []), pair.slice(at + 1)]);
  }
  return Object.fromEntries([...texts].map(([key, values]) => [key, inputValue(key, values, properties[key])]));
}

function inputValue(key: string, texts: readonly string[], schema: JsonValue | undefined): JsonValue {
  const types = typesOf(schema);
  const last = texts.at(-1) ?? "";
  if (types.includes("array")) {
    if (texts.length === 1 && last.trimStart().startsWith("[")) return parseJson(key, last);
    const items = isJsonObject(schema) ? schema["items"] : undefined;
    return texts.map((text) => scalar(key, text, items));
  }
  if (texts.length > 1) throw usage(`-i ${key} is given ${texts.length} times and is not a list.`);
  return scalar(key, last, schema);
}

function scalar(key: string, text: string, schema: JsonValue | undefined): JsonValue {
  const types = typesOf(schema);
  // A text wins where one is allowed: "007" and "true" stay what was typed.
  if (types.includes("string")) return text;
  if ((types.includes("integer") || types.includes("number")) && /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(text))
    return Number(text);
  if (types.includes("boolean") && (text === "true" || text === "false")) return text === "true";
  if (types.includes("null") && text === "null") return null;
  if (types.includes("object") || types.includes("array") || types.length === 0) return parseJson(key, text);
  throw new MaestroError("invalid_input", `Input ${key} is ${types.join(" or ")}, not ${JSON.stringify(text)}.`);
}

function typesOf(schema: JsonValue | undefined): readonly string[] {
  if (!isJsonObject(schema)) return [];
  const type = schema["type"];
  if (typeof type === "string") return [type];
  if (Array.isArray(type)) return type.filter((one) => typeof one === "string");
  const values = schema["enum"];
  return Array.isArray(values) && values.every((value) => typeof value === "string") ? ["string"] : [];
}

function parseJson(key: string, text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch (error) {
    throw new MaestroError(
      "invalid_input",
      `Input ${key} must be JSON, and ${JSON.stringify(text.slice(0, 100))} is not: ${messageOf(error)}`,
      { cause: error, fix: `Quote it for the shell: -i '${key}={"a":1}'.` },
    );
  }
}

function unknownInput(key: string, known: readonly string[]): MaestroError {
  const near = suggest(key, known);
  const there = known.length === 0 ? "It takes none." : `It takes ${known.join(", ")}.`;
  return new MaestroError(
    "invalid_input",
    `The runbook has no input ${key}. ${near === undefined ? there : `Did you mean ${near}?`}`,
  );
}

async function readInputFile(cli: Cli, path: string): Promise<JsonObject> {
  const text = path === "-" ? decode(await readStdin(cli), "stdin") : await readText(cli, path);
  const { parse } = await import("yaml");
  let value: unknown;
  try {
    // YAML reads JSON too; aliases could make a small file enormous.
    value = text.trim() === "" ? {} : parse(text, { maxAliasCount: 0, uniqueKeys: true });
  } catch (error) {
    throw new MaestroError(
      "invalid_input",
      `${path === "-" ? "stdin" : path} is neither JSON nor YAML: ${messageOf(error)}`,
      { cause: error },
    );
  }
  if (!isJsonObject(value))
    throw new MaestroError(
      "invalid_input",
      `${path === "-" ? "stdin" : path} must hold an object: input names with their values.`,
    );
  return value;
}
