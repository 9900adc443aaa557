import type { JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";

// Values between JSON and databases, without loss: what a JSON number cannot hold is text, bytes are { base64 }.

/** One value, and in SQLite one row: it is held whole. */
export const MAX_VALUE_BYTES = 64 * 1024 * 1024;

/** A whole number: a JSON number where it is exact, else its decimal digits as text. */
export function wholeNumber(value: bigint): number | string {
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value.toString();
}

/** JSON has no words for these three. */
export function realNumber(value: number): number | string {
  return Number.isFinite(value) ? value : String(value);
}

export function bytesOf(value: Uint8Array): JsonValue {
  return { base64: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64") };
}

/** `{ base64: "…" }` is bytes and `{ json: … }` a JSON document; undefined for any other value. */
export function wrapped(value: JsonValue): { readonly bytes: Buffer } | { readonly json: string } | undefined {
  if (!isJsonObject(value)) return undefined;
  const [first, ...rest] = Object.keys(value);
  if (rest.length > 0) return undefined;
  if (first === "base64" && typeof value["base64"] === "string")
    return { bytes: Buffer.from(value["base64"], "base64") };
  return first === "json" ? { json: JSON.stringify(value["json"]) } : undefined;
}

/** What is wrong with a value for a database. */
export function valueProblem(value: JsonValue): string | undefined {
  if (!isJsonObject(value) || typeof value["base64"] !== "string" || Object.keys(value).length !== 1) return undefined;
  // Node decodes what it can and leaves out the rest, which would store other bytes than were meant.
  return /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(value["base64"])
    ? undefined
    : "`base64` is not base64 (RFC 4648, section 4, with padding)";
}

export type SqliteValue = null | bigint | number | string | Uint8Array;

/** A JSON value as SQLite takes it. true is 1; lists and objects are JSON text. */
export function toSqlite(value: JsonValue): SqliteValue {
  if (value === null || typeof value === "string") return value;
  // A whole number must arrive as INTEGER: as REAL, 5 / 2 is 2.5.
  if (typeof value === "number") return Number.isSafeInteger(value) ? BigInt(value) : value;
  if (typeof value === "boolean") return value ? 1n : 0n;
  const special = wrapped(value);
  if (special === undefined) return JSON.stringify(value);
  return "bytes" in special ? special.bytes : special.json;
}

export function fromSqlite(value: unknown): JsonValue {
  if (value === null || typeof value === "string") return value;
  if (typeof value === "bigint") return wholeNumber(value);
  if (typeof value === "number") return realNumber(value);
  if (value instanceof Uint8Array) return bytesOf(value);
  throw new TypeError(`SQLite has no values of type ${typeof value}`);
}

export type PostgresValue = null | string | Buffer | readonly PostgresValue[];

/** A JSON value as PostgreSQL's driver takes it: text, whose type the statement decides. Lists are arrays, objects JSON. */
export function toPostgres(value: JsonValue): PostgresValue {
  if (value === null || typeof value === "string") return value;
  if (typeof value !== "object") return String(value);
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map(toPostgres);
  const special = wrapped(value);
  if (special === undefined) return JSON.stringify(value);
  return "bytes" in special ? special.bytes : special.json;
}

/** The value of one column of PostgreSQL, from its text form. */
export function fromPostgres(type: number): (text: string) => JsonValue {
  const element = ARRAYS[type];
  if (element !== undefined) return (text) => arrayOf(text, SCALARS[element] ?? asText);
  return SCALARS[type] ?? asText;
}

const asText = (text: string): JsonValue => text;

/** By the numbers of pg_type, which never change. What is missing is text as PostgreSQL writes it: numeric, date, time, uuid, .... */
const SCALARS: Readonly<Record<number, (text: string) => JsonValue>> = {
  16: (text) => text === "t",
  17: (text) => ({ base64: Buffer.from(text.slice(2), "hex").toString("base64") }),
  20: (text) => wholeNumber(BigInt(text)),
  21: Number,
  23: Number,
  26: Number,
  114: exactJson,
  700: (text) => realNumber(Number(text)),
  701: (text) => realNumber(Number(text)),
  1114: (text) => text.replace(" ", "T"),
  1184: (text) => text.replace(" ", "T").replace(/\+00$/, "Z"),
  3802: exactJson,
};

/** Type of a list to the type of its elements. */
const ARRAYS: Readonly<Record<number, number>> = {
  199: 114,
  1000: 16,
  1001: 17,
  1005: 21,
  1007: 23,
  1009: 25,
  1014: 1042,
  1015: 1043,
  1016: 20,
  1021: 700,
  1022: 701,
  1028: 26,
  1115: 1114,
  1182: 1082,
  1185: 1184,
  1231: 1700,
  2951: 2950,
  3807: 3802,
};

/** JSON, in which a whole number beyond 2^53 stays exact as text. */
function exactJson(text: string): JsonValue {
  return JSON.parse(text, (_key, value: unknown, context?: { readonly source?: string }) =>
    typeof value === "number" &&
    context?.source !== undefined &&
    /^-?\d+$/.test(context.source) &&
    !Number.isSafeInteger(value)
      ? context.source
      : value,
  ) as JsonValue;
}

/** PostgreSQL's text form of an array: {1,NULL,"a \"b\"",{…}}, perhaps after its bounds, [0:1]={…}. */
function arrayOf(text: string, element: (text: string) => JsonValue): JsonValue {
  const lists: JsonValue[][] = [[]];
  const tokens = /[{},]|"([^"\\]*(?:\\[\s\S][^"\\]*)*)"|[^{},"]+/g;
  tokens.lastIndex = text.startsWith("[") ? text.indexOf("=") + 1 : 0;
  for (let match = tokens.exec(text); match !== null; match = tokens.exec(text)) {
    const [token, quoted] = match;
    if (token === "{") lists.push([]);
    else if (token === "}") {
      const done = lists.pop() ?? [];
      lists.at(-1)?.push(done);
    } else if (quoted !== undefined) lists.at(-1)?.push(element(quoted.replaceAll(/\\([\s\S])/g, "$1")));
    else if (token !== ",") lists.at(-1)?.push(token === "NULL" ? null : element(token));
  }
  return lists[0]?.[0] ?? text;
}
