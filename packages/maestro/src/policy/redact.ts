import type { Tokens } from "../core/json-pointer.ts";
import { parsePointer } from "../core/json-pointer.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";

/** A JSON Pointer in which `*` is any one member and `**` any number of them, none included. */
export type Pattern = Tokens;

/** Deeper than any answer is read. */
const MAX_TOKENS = 32;

/** Throws a SyntaxError that says what is wrong. */
export function readPattern(text: string): Pattern {
  // Two in a row mean what one means.
  const tokens = parsePointer(text).filter((token, i, all) => token !== "**" || all[i - 1] !== "**");
  if (tokens.length > MAX_TOKENS) throw new SyntaxError(`${text.slice(0, 100)} has more than ${MAX_TOKENS} parts`);
  const last = tokens.at(-1);
  if (last === undefined || last === "**")
    throw new SyntaxError(`${JSON.stringify(text)} means the whole answer; name what is to be hidden in it`);
  return tokens;
}

/** The value with a marker wherever a pattern fits. What holds a hidden value is copied, the rest is the same. */
export function redacted(value: JsonValue, patterns: readonly Pattern[], rule: string): JsonValue {
  return hide(value, patterns, { $redacted: { rule } });
}

function hide(value: JsonValue, patterns: readonly Pattern[], marker: JsonObject): JsonValue {
  if (patterns.length === 0) return value;
  // `**` also fits nothing.
  const open = unique(patterns.flatMap(withoutStars));
  if (open.some((tokens) => tokens.length === 0)) return marker;
  const inner = (name: string): readonly Pattern[] => open.flatMap((tokens) => rest(tokens, name));
  if (Array.isArray(value))
    return (value as readonly JsonValue[]).map((one, index) => hide(one, inner(String(index)), marker));
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, hide(one, inner(name), marker)]));
}

function withoutStars(tokens: Pattern): readonly Pattern[] {
  return tokens[0] === "**" ? [tokens, ...withoutStars(tokens.slice(1))] : [tokens];
}

/** With several `**` one rest is come by in more ways the deeper it goes. */
function unique(patterns: readonly Pattern[]): readonly Pattern[] {
  return patterns.length < 2
    ? patterns
    : [...new Map(patterns.map((tokens) => [JSON.stringify(tokens), tokens])).values()];
}

/** What is left of a pattern one member further down. */
function rest(tokens: Pattern, name: string): readonly Pattern[] {
  const [first] = tokens;
  if (first === "**") return [tokens];
  return first === "*" || first === name ? [tokens.slice(1)] : [];
}
