import { formatDuration, parseDuration } from "../core/duration.ts";
import type { JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import { suggest } from "../core/suggest.ts";
import type { Fault } from "../manifest/settings.ts";
import { IDENTITY_LIMITS } from "./settings.ts";

/** Names of issuers and services. No colon: it ends the issuer's name in a caller's id. */
const NAME = /^[a-z][a-z0-9-]{0,31}$/;

export function named(
  value: JsonValue | undefined,
  at: string,
  max: number,
  fault: Fault,
): readonly (readonly [string, JsonValue])[] {
  if (value === undefined || value === null) return [];
  if (!isJsonObject(value)) {
    fault(at, "is not a mapping of names");
    return [];
  }
  const entries = Object.entries(value);
  if (entries.length > max) fault(at, `has ${entries.length} entries; at most ${max} are read`);
  for (const [name] of entries)
    if (!NAME.test(name))
      fault(`${at}.${name}`, "is no name: small letters, digits and -, a letter first, at most 32 characters");
  return entries.slice(0, max);
}

export function requiredText(value: JsonValue | undefined, at: string, missing: string, fault: Fault): string {
  if (typeof value === "string" && value !== "" && value.length <= 2_000) return value;
  fault(at, value === undefined ? missing : `is ${JSON.stringify(value)}; it is a text of at most 2,000 characters`);
  return "";
}

/** One text, or a list of them. */
export function texts(value: JsonValue | undefined, at: string, fault: Fault): readonly string[] {
  const all = value === undefined ? [] : Array.isArray(value) ? value : [value];
  if (all.length > IDENTITY_LIMITS.values)
    fault(at, `has ${all.length} values; at most ${IDENTITY_LIMITS.values} are read`);
  return all.flatMap((one: JsonValue) => {
    if (typeof one === "string" && one !== "" && one.length <= 2_000) return [one];
    fault(
      at,
      `holds ${JSON.stringify(one)}; it is a text or a list of texts${typeof one === "number" ? " (put it in quotation marks)" : ""}`,
    );
    return [];
  });
}

export function list<const T extends string>(
  value: JsonValue | undefined,
  at: string,
  known: readonly T[],
  fault: Fault,
  missing: string,
): readonly T[] {
  const given = texts(value, at, fault);
  if (given.length === 0) fault(at, missing);
  return given.flatMap((one) => known.find((name) => name === one) ?? (unknown(one, at, known, fault), []));
}

export function choice<const T extends string>(
  value: JsonValue | undefined,
  at: string,
  known: readonly T[],
  otherwise: T,
  fault: Fault,
): T {
  if (value === undefined) return otherwise;
  const found = known.find((name) => name === value);
  if (found === undefined) unknown(typeof value === "string" ? value : JSON.stringify(value), at, known, fault);
  return found ?? otherwise;
}

function unknown(value: string, at: string, known: readonly string[], fault: Fault): void {
  const near = suggest(value, known);
  fault(
    at,
    `is ${JSON.stringify(value)}; it is ${known.join(", ")}${near === undefined ? "" : `. Did you mean ${near}?`}`,
  );
}

export function duration(
  value: JsonValue | undefined,
  at: string,
  { min, max }: { readonly min: number; readonly max: number },
  otherwise: number,
  fault: Fault,
): number {
  if (value === undefined) return otherwise;
  const ms = typeof value === "string" ? parseDuration(value) : undefined;
  if (ms !== undefined && ms >= min && ms <= max) return ms;
  fault(
    at,
    `is ${JSON.stringify(value)}; it is a duration from ${formatDuration(min)} to ${formatDuration(max)}, such as ${formatDuration(otherwise)}`,
  );
  return otherwise;
}
