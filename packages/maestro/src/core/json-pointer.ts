import { isJsonObject, type JsonValue } from "./json.ts";

/** Names and indices from the root down; RFC 6901 writes them as one text. */
export type Tokens = readonly string[];

/** Throws a SyntaxError that says what is wrong. */
export function parsePointer(text: string): Tokens {
  if (text === "") return [];
  if (!text.startsWith("/")) throw new SyntaxError(`${JSON.stringify(text.slice(0, 100))} does not begin with a slash`);
  return text
    .slice(1)
    .split("/")
    .map((token) => {
      if (/~(?![01])/.test(token))
        throw new SyntaxError(`${JSON.stringify(text.slice(0, 100))} has a ~ that is neither ~0 nor ~1`);
      return token.replaceAll("~1", "/").replaceAll("~0", "~");
    });
}

export function writePointer(tokens: Tokens): string {
  return tokens.map((token) => `/${token.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

/** What is there; undefined where nothing is. */
export function valueAt(root: JsonValue, tokens: Tokens): JsonValue | undefined {
  let value: JsonValue | undefined = root;
  for (const token of tokens) {
    if (value === undefined) return undefined;
    value = memberOf(value, token);
  }
  return value;
}

/** Every place below a value and its own, parents first. */
export function* placesIn(value: JsonValue, tokens: Tokens = []): Generator<{ tokens: Tokens; value: JsonValue }> {
  yield { tokens, value };
  for (const [name, member] of membersOf(value)) yield* placesIn(member, [...tokens, name]);
}

/** Of an object by name, of a list by index; of anything else none. */
export function membersOf(value: JsonValue): readonly (readonly [string, JsonValue])[] {
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map((one, index) => [String(index), one] as const);
  return isJsonObject(value) ? Object.entries(value) : [];
}

function memberOf(value: JsonValue, token: string): JsonValue | undefined {
  if (Array.isArray(value))
    return /^(?:0|[1-9]\d{0,9})$/.test(token) ? (value[Number(token)] as JsonValue | undefined) : undefined;
  return isJsonObject(value) && Object.hasOwn(value, token) ? value[token] : undefined;
}
