import type { JsonValue } from "./json.ts";

/**
 * The canonical bytes of a JSON value as text: RFC 8785 (JCS).
 * Strict: what JSON cannot carry (undefined, NaN, bigint, Date, class instances, lone surrogates, cycles) throws a
 * TypeError that names the place, because a silently dropped member would be signed as if it had never been there.
 */
export function canonical(value: JsonValue): string {
  return write(value, "", 0);
}

/** Deeper documents are refused: no manifest, plan or receipt of ours comes near, and recursion must end somewhere. */
const MAX_DEPTH = 512;

function write(value: unknown, path: string, depth: number): string {
  if (depth > MAX_DEPTH) throw new TypeError(`canonical JSON: ${at(path)} is nested deeper than ${MAX_DEPTH}`);
  if (value === null) return "null";
  switch (typeof value) {
    case "boolean":
      return value ? "true" : "false";
    case "number":
      // RFC 8785 3.2.2.3: ECMAScript number serialisation, which also writes -0 as 0.
      if (!Number.isFinite(value)) throw new TypeError(`canonical JSON: ${at(path)} is ${value}`);
      return String(Object.is(value, -0) ? 0 : value);
    case "string":
      return writeString(value, path);
    case "object":
      return Array.isArray(value) ? writeArray(value, path, depth) : writeObject(value, path, depth);
    default:
      throw new TypeError(`canonical JSON: ${at(path)} is ${typeof value}, which JSON cannot carry`);
  }
}

function writeString(value: string, path: string): string {
  // RFC 8785 3.2.2.2: lone surrogates have no UTF-8 form.
  if (!value.isWellFormed()) throw new TypeError(`canonical JSON: ${at(path)} holds a lone surrogate`);
  return JSON.stringify(value);
}

function writeArray(value: readonly unknown[], path: string, depth: number): string {
  const parts: string[] = [];
  for (let i = 0; i < value.length; i++) parts.push(write(value[i], `${path}/${i}`, depth + 1));
  return `[${parts.join(",")}]`;
}

function writeObject(value: object, path: string, depth: number): string {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    throw new TypeError(`canonical JSON: ${at(path)} is an instance of a class, which JSON cannot carry`);
  }
  const record = value as Readonly<Record<string, unknown>>;
  const parts: string[] = [];
  // RFC 8785 3.2.3: members sorted by UTF-16 code units, which is what sort() does by default.
  for (const key of Object.keys(record).sort()) {
    parts.push(`${writeString(key, `${path}/${key}`)}:${write(record[key], `${path}/${key}`, depth + 1)}`);
  }
  return `{${parts.join(",")}}`;
}

/** The place, for people: that of what is nested too deep is long. */
function at(path: string): string {
  if (path === "") return "the value";
  return path.length <= MAX_PLACE ? path : `${path.slice(0, MAX_PLACE)}…`;
}

const MAX_PLACE = 100;
