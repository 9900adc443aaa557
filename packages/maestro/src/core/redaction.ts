import type { Digest } from "./digest.ts";
import { digestOf } from "./digest.ts";
import type { Tokens } from "./json-pointer.ts";
import { parsePointer, valueAt, writePointer } from "./json-pointer.ts";
import type { JsonObject, JsonValue } from "./json.ts";
import { isJsonObject } from "./json.ts";

// Values taken out of a document so that their holder can show them one by one later. In the place of each stands a digest
// over it and a salt of its own: without the salt nobody can tell by trying which value it was, however few there are.

/** What it takes to put one value back. Whoever has this knows the value. */
export interface RevealedField {
  /** The file in the package, and where in it. Of a file of lines the first token is the line, from 0. */
  readonly path: string;
  readonly pointer: string;
  /** 128 bits, base64url. */
  readonly salt: string;
  readonly value: JsonValue;
}

const ALGORITHM = "sha256-salted";

/** Over the place as well, so that what stands in one cannot be passed off as what stood in another. */
export function fieldDigest({ salt, path, pointer, value }: RevealedField): Digest {
  return digestOf([salt, path, pointer, value]);
}

/** Takes out what is at the places; none lies within another. `at`: where in its file the document stands. Throws a RangeError where nothing is. */
export function hide(
  document: JsonValue,
  places: readonly Tokens[],
  field: { readonly path: string; readonly at?: Tokens; readonly salt: (pointer: string) => string },
): { readonly document: JsonValue; readonly fields: readonly RevealedField[] } {
  const fields = places.map((tokens): RevealedField => {
    const pointer = writePointer([...(field.at ?? []), ...tokens]);
    const value = valueAt(document, tokens);
    if (value === undefined) throw new RangeError(`there is nothing at ${pointer}`);
    return { path: field.path, pointer, salt: field.salt(pointer), value };
  });
  const rest = new Draft(document);
  fields.forEach((taken, i) => rest.put(places[i]!, marker(fieldDigest(taken))));
  return { document: rest.root, fields };
}

/** Puts values back, each checked; `depth` is that of the document in its file. Throws a SyntaxError that names the one that does not fit. */
export function reveal(document: JsonValue, fields: readonly RevealedField[], depth = 0): JsonValue {
  const whole = new Draft(document);
  for (const field of fields) {
    const tokens = parsePointer(field.pointer).slice(depth);
    const found = markerDigest(valueAt(whole.root, tokens));
    if (found === undefined) throw new SyntaxError(`${field.path} has nothing redacted at ${field.pointer}`);
    if (fieldDigest(field) !== found)
      throw new SyntaxError(`the value given for ${field.pointer} in ${field.path} is not the one that was redacted`);
    whole.put(tokens, field.value);
  }
  return whole.root;
}

/** The digest in the place of a value that was taken out; undefined for anything else. */
export function markerDigest(value: JsonValue | undefined): string | undefined {
  if (!isJsonObject(value) || Object.keys(value).length !== 1) return undefined;
  const inner = value["$redacted"];
  if (!isJsonObject(inner) || Object.keys(inner).length !== 2 || inner["alg"] !== ALGORITHM) return undefined;
  const digest = inner["digest"];
  return typeof digest === "string" && /^sha256:[0-9a-f]{64}$/.test(digest) ? digest : undefined;
}

function marker(digest: Digest): JsonObject {
  return { $redacted: { alg: ALGORITHM, digest } };
}

/** A copy that may be changed. Members keep their order, so that texts come out again as they were. */
class Draft {
  root: JsonValue;

  constructor(document: JsonValue) {
    // Not structuredClone: what stands in two places would still be one.
    this.root = JSON.parse(JSON.stringify(document)) as JsonValue;
  }

  put(tokens: Tokens, value: JsonValue): void {
    const name = tokens.at(-1);
    if (name === undefined) this.root = value;
    // Defined, not assigned: a member may be called __proto__.
    else Object.defineProperty(valueAt(this.root, tokens.slice(0, -1)), name, { ...PLAIN, value });
  }
}

const PLAIN = { configurable: true, enumerable: true, writable: true } as const;
