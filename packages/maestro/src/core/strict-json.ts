import type { JsonValue } from "./json.ts";

/** Bounds of a document from outside. Bytes are counted by whoever reads it, before it becomes text. */
export interface JsonLimits {
  /** UTF-16 code units. Default 32 Mi. */
  readonly length?: number;
  /** Nested arrays and objects. Default 64. */
  readonly depth?: number;
}

const DEFAULTS = { length: 32 * 1024 * 1024, depth: 64 } as const;

/**
 * Parses a received JSON document under I-JSON's rules (RFC 7493), where `JSON.parse` would silently choose for us:
 * no duplicate member names (it keeps the last), no lone surrogates, no number that would change its value.
 * Throws a SyntaxError that says what and where.
 */
export function parseStrict(text: string, limits: JsonLimits = {}): JsonValue {
  const { length, depth } = { ...DEFAULTS, ...limits };
  if (text.length > length)
    throw new SyntaxError(`the document has ${text.length} characters, more than the ${length} allowed`);
  checkDepth(text, depth);
  const value = JSON.parse(text) as JsonValue;
  // A document that comes out of its own value again can hold none of the three: a duplicate or a changed number would
  // make the texts differ. That is the form Maestro writes, and several times faster than looking at every token.
  if (!text.includes("\\u") && JSON.stringify(value) === text) return value;
  checkTokens(text);
  return value;
}

function checkDepth(text: string, max: number): void {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) i = endOfString(text, i);
    else if (code === OPEN_OBJECT || code === OPEN_ARRAY) {
      if (++depth > max) throw new SyntaxError(`${place(text, i)}: nested deeper than ${max}`);
    } else if (code === CLOSE_OBJECT || code === CLOSE_ARRAY) depth--;
  }
}

/** `text` has passed JSON.parse, so this only looks for what that accepts. */
function checkTokens(text: string): void {
  /** For each open object its names so far; null for an array. */
  const open: (Set<string> | null)[] = [];
  let nameNext = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) {
      const end = endOfString(text, i);
      const content = JSON.parse(text.slice(i, end + 1)) as string;
      if (!content.isWellFormed()) throw new SyntaxError(`${place(text, i)}: a string holds a lone surrogate`);
      if (nameNext) addName(open.at(-1), content, text, i);
      nameNext = false;
      i = end;
    } else if (code === OPEN_OBJECT) {
      open.push(new Set());
      nameNext = true;
    } else if (code === OPEN_ARRAY) {
      open.push(null);
    } else if (code === CLOSE_OBJECT || code === CLOSE_ARRAY) {
      open.pop();
      nameNext = false;
    } else if (code === COMMA) {
      nameNext = open.at(-1) instanceof Set;
    } else if (code === MINUS || isDigit(code)) {
      i = checkNumber(text, i);
    }
  }
}

function addName(names: Set<string> | null | undefined, name: string, text: string, at: number): void {
  if (names === undefined || names === null) return;
  if (names.has(name))
    throw new SyntaxError(`${place(text, at)}: the name ${JSON.stringify(name)} occurs twice in one object`);
  names.add(name);
}

/** Returns the index of the number's last character. */
function checkNumber(text: string, start: number): number {
  let end = start;
  while (end + 1 < text.length && NUMBER_PART.test(text.charAt(end + 1))) end++;
  const literal = text.slice(start, end + 1);
  const value = Number(literal);
  if (!Number.isFinite(value))
    throw new SyntaxError(`${place(text, start)}: ${literal} is beyond what a number can hold`);
  const whole = !/[.eE]/.test(literal);
  if (whole && literal !== "-0" && String(value) !== literal) {
    throw new SyntaxError(`${place(text, start)}: ${literal} would become ${value}; write it as a string`);
  }
  return end;
}

/** Index of the closing quote, or the end of the text where there is none (JSON.parse then reports it). */
function endOfString(text: string, start: number): number {
  for (let i = start + 1; i < text.length;) {
    const end = text.indexOf('"', i);
    if (end === -1) return text.length;
    let slashes = 0;
    while (text.charCodeAt(end - 1 - slashes) === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return end;
    i = end + 1;
  }
  return text.length;
}

function place(text: string, index: number): string {
  const before = text.slice(0, index);
  const line = before.split("\n").length;
  return `line ${line}, column ${index - before.lastIndexOf("\n")}`;
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

const NUMBER_PART = /[0-9.eE+-]/;
const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const OPEN_ARRAY = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
