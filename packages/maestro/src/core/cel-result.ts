import { type CelValue, isCelList, isCelMap, isCelUint, celType } from "@bufbuild/cel";
import { isTimelike, type Timelike } from "./cel-functions.ts";
import type { JsonObject, JsonValue } from "./json.ts";
import { isJsonObject } from "./json.ts";
import { LimitExceeded } from "./meter.ts";
import { JsonList, JsonMap } from "./lazy.ts";

/**
 * A result as JSON. A value that the expression only passes on is returned as it is, whatever its size: whoever made it
 * has answered for that. What the expression builds may not exceed `size` characters of JSON.
 * Throws LimitExceeded, or Error where JSON has no form for the value.
 */
export function toJson(value: CelValue, size: number): JsonValue {
  const raw = rawOf(value);
  return raw === undefined ? convert(value, { left: size, size }, 0) : raw;
}

interface Budget {
  left: number;
  readonly size: number;
}

const MAX_DEPTH = 256;

function rawOf(value: CelValue): JsonValue | undefined {
  return value instanceof JsonList || value instanceof JsonMap ? (value as JsonList | JsonMap).raw : undefined;
}

function convert(value: CelValue, budget: Budget, depth: number): JsonValue {
  const raw = rawOf(value);
  if (raw !== undefined) {
    spendJson(raw, budget, depth);
    return raw;
  }
  switch (typeof value) {
    case "string":
      spend(budget, value.length + 2);
      return wellFormed(value);
    case "boolean":
      spend(budget, 5);
      return value;
    case "bigint":
      spend(budget, 8);
      return integer(value);
    case "number":
      spend(budget, 8);
      return finite(value);
    default:
      break;
  }
  if (depth > MAX_DEPTH) throw new LimitExceeded(`makes a value nested deeper than ${MAX_DEPTH} levels`);
  spend(budget, 4);
  if (value === null) return null;
  if (isCelList(value)) return Array.from(value, (element) => convert(element, budget, depth + 1));
  if (isCelMap(value)) {
    const members: [string, JsonValue][] = [];
    for (const [key, member] of value) {
      if (typeof key !== "string")
        throw new Error(
          `an object's keys must be strings, and ${isCelUint(key) ? key.value : key} is not; write "${isCelUint(key) ? key.value : key}"`,
        );
      spend(budget, key.length + 4);
      members.push([key, convert(member, budget, depth + 1)]);
    }
    return Object.fromEntries(members) satisfies JsonObject;
  }
  if (isCelUint(value)) return integer(value.value);
  if (isTimelike(value)) return timeText(value, celType(value).name);
  if (value instanceof Uint8Array) throw new Error("bytes have no form in JSON; use string(…) for text");
  throw new Error("the result is a type, not a value; use string comparison such as `type(x) == string`");
}

/** A text cut in the middle of a character has no form that can be stored and signed. */
function wellFormed(value: string): string {
  if (value.isWellFormed()) return value;
  throw new Error("the result is a text cut in the middle of a character; cut it elsewhere");
}

function integer(value: bigint): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number))
    throw new Error(`${value} is beyond the whole numbers that JSON carries exactly (2^53 - 1); use string(…)`);
  return number;
}

function finite(value: number): number {
  if (!Number.isFinite(value)) throw new Error(`the result is ${value}, which JSON cannot carry`);
  return Object.is(value, -0) ? 0 : value;
}

/** RFC 3339 in UTC with milliseconds, or seconds with an `s` as in "90s", the text forms that CEL itself uses. */
function timeText({ message }: Timelike, type: string): string {
  if (type === "google.protobuf.Timestamp")
    return new Date(Number(message.seconds) * 1000 + Math.floor(message.nanos / 1e6)).toISOString();
  return `${Number(message.seconds) + message.nanos / 1e9}s`;
}

function spend(budget: Budget, characters: number): void {
  budget.left -= characters;
  if (budget.left < 0) throw new LimitExceeded(`makes a value larger than ${budget.size} characters of JSON`);
}

function spendJson(value: JsonValue, budget: Budget, depth: number): void {
  if (depth > MAX_DEPTH) throw new LimitExceeded(`makes a value nested deeper than ${MAX_DEPTH} levels`);
  if (typeof value === "string") return spend(budget, value.length + 2);
  spend(budget, 4);
  if (typeof value !== "object" || value === null) return;
  if (isJsonObject(value)) {
    for (const key of Object.keys(value)) {
      spend(budget, key.length + 4);
      spendJson(value[key] ?? null, budget, depth + 1);
    }
  } else for (const element of value) spendJson(element, budget, depth + 1);
}
