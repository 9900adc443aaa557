import { isMap, isScalar, isSeq, type Node, type Pair, parseDocument, type ParsedNode, type YAMLError } from "yaml";
import type { Path } from "../core/diagnostic.ts";
import type { JsonValue } from "../core/json.ts";
import type { RuleId } from "../core/rules.ts";
import { scanTokens, SOURCE_LIMITS } from "./scan.ts";

/** Something wrong with the text itself. Offsets are UTF-16 units of `Source.text`. */
export interface SourceProblem {
  readonly rule: RuleId;
  readonly offset: number;
  readonly length: number;
  readonly message: string;
  readonly help?: string;
}

/** A manifest's text as a JSON value, with the place of everything in it. */
export interface Source {
  /** Without a byte order mark. "" if the bytes are not text. */
  readonly text: string;
  /** Undefined if there are problems. */
  readonly value: JsonValue | undefined;
  readonly problems: readonly SourceProblem[];
  readonly comments: readonly { readonly offset: number; readonly text: string }[];
  /** Where a path is, or the nearest part of it that exists. */
  locate(path: Path, options?: LocateOptions): Place;
}

export interface LocateOptions {
  /** The member's name, not its value. */
  readonly key?: boolean;
  /** A part of the string at the path. */
  readonly span?: { readonly offset: number; readonly length: number };
}

export interface Place {
  readonly offset: number;
  readonly length: number;
}

/**
 * Reads YAML 1.2 (core schema) or JSON. Refuses what JSON cannot carry and what two readers could understand differently.
 * Never throws, and takes time in proportion to the text.
 */
export function readSource(bytes: Uint8Array | string): Source {
  const decoded = decode(bytes);
  if (typeof decoded !== "string") return failed("", [decoded]);
  const { problems, comments } = scanTokens(decoded);
  if (problems.length > 0) return { ...failed(decoded, problems), comments };
  return { ...compose(decoded), comments };
}

function decode(bytes: Uint8Array | string): string | SourceProblem {
  const size = typeof bytes === "string" ? new TextEncoder().encode(bytes).length : bytes.length;
  if (size > SOURCE_LIMITS.bytes) {
    return {
      rule: "WF002",
      offset: 0,
      length: 0,
      message: `the manifest has ${size} bytes, and ${SOURCE_LIMITS.bytes} (1 MiB) are allowed; data belongs into files that tasks read`,
    };
  }
  if (typeof bytes === "string") return bytes.replace(/^\uFEFF/, "");
  try {
    // Strips a byte order mark.
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return {
      rule: "WF001",
      offset: 0,
      length: 0,
      message: `the file is not UTF-8${looksUtf16(bytes) ? "; it looks like UTF-16" : ""}`,
      help: "Save it as UTF-8.",
    };
  }
}

function looksUtf16(bytes: Uint8Array): boolean {
  return (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
}

function failed(text: string, problems: readonly SourceProblem[]): Source {
  return { text, value: undefined, problems, comments: [], locate: () => ({ offset: 0, length: 0 }) };
}

function compose(text: string): Source {
  let document: ReturnType<typeof parseDocument>;
  try {
    // uniqueKeys compares all pairs of keys; `convert` looks for repetitions in linear time.
    document = parseDocument(text, {
      version: "1.2",
      schema: "core",
      strict: true,
      uniqueKeys: false,
      merge: false,
      stringKeys: true,
      prettyErrors: false,
      logLevel: "silent",
    });
  } catch (thrown) {
    if (thrown instanceof RangeError)
      return failed(text, [
        { rule: "WF006", offset: 0, length: 1, message: `nested deeper than ${SOURCE_LIMITS.depth} levels` },
      ]);
    throw thrown;
  }
  if (document.errors.length > 0) return failed(text, syntaxProblems(document.errors, text));
  const problems: SourceProblem[] = [];
  const root = document.contents as ParsedNode | null;
  if (root === null) return failed(text, [{ rule: "WF003", offset: 0, length: 1, message: "the manifest is empty" }]);
  const value = new Converter(text, problems).convert(root, 0);
  return {
    text,
    value: problems.length > 0 ? undefined : value,
    problems,
    comments: [],
    locate: (path, options) => locate(text, root, path, options ?? {}),
  };
}

function syntaxProblems(errors: readonly YAMLError[], text: string): SourceProblem[] {
  const deep = errors.find((error) => error.code === "RESOURCE_EXHAUSTION");
  if (deep !== undefined)
    return [
      { rule: "WF006", offset: deep.pos[0], length: 1, message: `nested deeper than ${SOURCE_LIMITS.depth} levels` },
    ];
  // What follows the first few is mostly their echo.
  return errors.slice(0, 5).map((error) => {
    const offset = Math.min(error.pos[0], Math.max(0, text.length - 1));
    const rule: RuleId = error.code === "NON_STRING_KEY" || error.code === "MULTIPLE_DOCS" ? "WF005" : "WF003";
    const message = rule === "WF005" ? "keys must be strings" : lowerFirst(error.message.replace(/:$/, ""));
    const help = error.code === "TAB_AS_INDENT" ? { help: "YAML is indented with spaces." } : {};
    return { rule, offset, length: Math.max(1, Math.min(error.pos[1], text.length) - offset), message, ...help };
  });
}

function lowerFirst(text: string): string {
  return /^[A-Z][a-z ]/.test(text) ? text.charAt(0).toLowerCase() + text.slice(1) : text;
}

class Converter {
  readonly #text: string;
  readonly #problems: SourceProblem[];

  constructor(text: string, problems: SourceProblem[]) {
    this.#text = text;
    this.#problems = problems;
  }

  convert(node: unknown, depth: number): JsonValue {
    if (this.#problems.length >= 50) return null;
    if (depth > SOURCE_LIMITS.depth) {
      this.#add("WF006", node, `nested deeper than ${SOURCE_LIMITS.depth} levels`);
      return null;
    }
    if (isScalar(node)) return this.#scalar(node.value, node);
    if (isSeq(node)) return node.items.map((item) => this.convert(item, depth + 1));
    if (!isMap(node)) return null;
    const members = new Map<string, JsonValue>();
    for (const { key, value } of node.items) {
      const name = this.#key(key);
      if (name === undefined) continue;
      if (members.has(name)) this.#add("WF004", key, `\`${name.slice(0, 64)}\` is given twice`);
      members.set(name, value === null ? null : this.convert(value, depth + 1));
    }
    // fromEntries defines own members, so that `__proto__` is a key like any other.
    return Object.fromEntries(members);
  }

  #key(key: unknown): string | undefined {
    if (!isScalar(key) || typeof key.value !== "string") {
      this.#add("WF005", key, "keys must be strings");
      return undefined;
    }
    if (key.value === "<<") this.#add("WF005", key, "merge keys have no form in JSON; write the members out");
    if (!key.value.isWellFormed()) this.#add("WF003", key, "the key holds half a character (a lone surrogate)");
    return key.value;
  }

  #scalar(value: unknown, node: Node): JsonValue {
    if (value === null || typeof value === "boolean") return value;
    if (typeof value === "string") {
      if (!value.isWellFormed()) this.#add("WF003", node, "the text holds half a character (a lone surrogate)");
      return value;
    }
    if (typeof value === "number") {
      if (!Number.isFinite(value))
        this.#add("WF005", node, "JSON has no infinity and no NaN; write a number, or text in quotes");
      else if (Number.isInteger(value) && !Number.isSafeInteger(value) && /^[-+]?\d+$/.test(this.#raw(node))) {
        this.#add("WF005", node, "the number is too large to be kept exactly; write it in quotes");
      }
      return value;
    }
    this.#add("WF005", node, "this value has no form in JSON");
    return null;
  }

  #raw(node: Node): string {
    const { range } = node;
    return range === undefined || range === null ? "" : this.#text.slice(range[0], range[1]);
  }

  #add(rule: RuleId, node: unknown, message: string): void {
    const place = placeOf(node) ?? { offset: 0, length: 1 };
    this.#problems.push({ rule, ...place, message });
  }
}

function placeOf(node: unknown): Place | undefined {
  if (typeof node !== "object" || node === null || !("range" in node) || !Array.isArray(node.range)) return undefined;
  const [start, end] = node.range as readonly number[];
  return start === undefined || end === undefined ? undefined : { offset: start, length: Math.max(1, end - start) };
}

function locate(text: string, root: ParsedNode, path: Path, options: LocateOptions): Place {
  let node: unknown = root;
  let key: unknown;
  let whole = true;
  for (const part of path) {
    const next: { readonly key: unknown; readonly value: unknown } | undefined = step(node, part);
    if (next === undefined) {
      whole = false;
      break;
    }
    // The end of a path may be a member without a value: `needs:`.
    key = next.key ?? key;
    node = next.value;
  }
  const value = placeOf(node);
  if (whole && options.key !== true && value !== undefined && isScalar(node))
    return options.span === undefined ? oneLine(text, value) : within(text, value, node.value, options.span);
  const name = placeOf(key);
  // A list or map on one line can be pointed at; a block is pointed at by its name.
  if (whole && options.key !== true && value !== undefined && isFlow(node)) return oneLine(text, value);
  return name ?? oneLine(text, value ?? { offset: 0, length: 1 });
}

function step(node: unknown, part: string | number): { readonly key: unknown; readonly value: unknown } | undefined {
  if (isMap(node)) {
    const pair = node.items.find((item: Pair) => isScalar(item.key) && item.key.value === part);
    return pair === undefined ? undefined : { key: pair.key, value: pair.value };
  }
  return isSeq(node) && typeof part === "number" && part < node.items.length
    ? { key: undefined, value: node.items[part] }
    : undefined;
}

function isFlow(node: unknown): boolean {
  return (isMap(node) || isSeq(node)) && node.flow === true;
}

function oneLine(text: string, place: Place): Place {
  const end = text.slice(place.offset, place.offset + place.length).search(/[\r\n]/);
  return end === -1 ? place : { offset: place.offset, length: Math.max(1, end) };
}

/** Where a part of a string's value stands in its source, which may be quoted, escaped, folded or indented. */
function within(
  text: string,
  place: Place,
  value: unknown,
  span: { readonly offset: number; readonly length: number },
): Place {
  if (typeof value !== "string") return oneLine(text, place);
  const raw = text.slice(place.offset, place.offset + place.length);
  const part = value.slice(span.offset, span.offset + span.length).split("\n")[0] ?? "";
  if (part.trim() === "") return oneLine(text, place);
  const lead = raw.startsWith('"') || raw.startsWith("'") ? 1 : 0;
  if (raw.startsWith(part, span.offset + lead))
    return { offset: place.offset + span.offset + lead, length: part.length };
  // The same occurrence of the same characters.
  let count = 0;
  for (let at = value.indexOf(part); at !== -1 && at < span.offset; at = value.indexOf(part, at + 1)) count++;
  let at = raw.indexOf(part);
  for (; count > 0 && at !== -1; count--) at = raw.indexOf(part, at + 1);
  return at === -1 ? oneLine(text, place) : { offset: place.offset + at, length: part.length };
}
