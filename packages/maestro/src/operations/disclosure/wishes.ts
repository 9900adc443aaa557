import type { Tokens } from "../../core/json-pointer.ts";
import { membersOf, writePointer } from "../../core/json-pointer.ts";
import type { JsonValue } from "../../core/json.ts";
import { MaestroError, messageOf } from "../../core/problem.ts";
import { isSecretName, redact } from "../../core/redact.ts";
import { suggest } from "../../core/suggest.ts";
import { readPattern } from "../../policy/redact.ts";
import type { Pattern } from "../../policy/redact.ts";
import { isDataAt } from "./documents.ts";
import type { Document } from "./documents.ts";

/** What is to be taken out, as whoever discloses or a policy says it. */
export type Wish = {
  /** As it was written. */
  readonly text: string;
  readonly by: "request" | "policy";
  /** Of a policy, its rule. */
  readonly rule?: string;
  /** It is an exact wish, so hitting nothing means that it was mistyped; a sweep may find nothing. */
  readonly mustHit: boolean;
} & (
  | { readonly kind: "pattern"; readonly pattern: Pattern }
  | { readonly kind: "name"; readonly parts: readonly string[] }
  | { readonly kind: "secrets" }
);

const RULES = ["inputs", "outputs", "secrets"] as const;

/** Errors: `invalid_request`; of a policy `denied`, because nobody else can carry out what it wants. */
export function readWish(text: string, rule?: string): Wish {
  try {
    return rule === undefined ? read(text, { by: "request" }) : read(text, { by: "policy", rule });
  } catch (error) {
    throw rule !== undefined && error instanceof MaestroError ? cannotBeDone(rule, error) : error;
  }
}

/** What a policy wants redacted and cannot be is not disclosed. */
export function cannotBeDone(rule: string, error: MaestroError): MaestroError {
  return new MaestroError(
    "denied",
    `It may be disclosed only with what rule ${rule} wants redacted, and that cannot be done: ${error.message}`,
    { cause: error, facts: { rule, obligation: "redact" } },
  );
}

function read(text: string, from: Pick<Wish, "by" | "rule">): Wish {
  const exact = { text, ...from, mustHit: from.by === "request" };
  if (text.startsWith("/")) return { ...exact, kind: "pattern", pattern: patternOf(text) };
  if (text.startsWith("key:") && text.length > "key:".length)
    return { ...exact, kind: "name", parts: text.slice("key:".length).toLowerCase().split("*") };
  const sweep = { text, ...from, mustHit: false };
  switch (text) {
    case "secrets":
      return { ...sweep, kind: "secrets" };
    case "inputs":
    case "outputs":
      return { ...sweep, kind: "pattern", pattern: [text, "*"] };
    default: {
      const near = suggest(text, RULES);
      throw new MaestroError(
        "invalid_request",
        `${JSON.stringify(text.slice(0, 100))} is neither a JSON Pointer, which begins with a slash, nor one of ${RULES.join(", ")} and key:NAME.${near === undefined ? "" : ` Did you mean ${near}?`}`,
      );
    }
  }
}

function patternOf(text: string): Pattern {
  try {
    return readPattern(text);
  } catch (error) {
    throw new MaestroError("invalid_request", `The redaction ${messageOf(error)}.`, { cause: error });
  }
}

/** The places in a document that a wish means, parents before what is in them. */
export function placesOf(wish: Wish, { prefix, value }: Document): readonly Tokens[] {
  const found: Tokens[] = [];
  if (wish.kind === "pattern") follow(value, prefix, [], [wish.pattern], found);
  else walk(wish, value, prefix, [], found);
  return found;
}

/** Goes along the patterns and nowhere else. `prefix` is where the document stands for them. */
function follow(value: JsonValue, prefix: Tokens, at: Tokens, patterns: readonly Pattern[], found: Tokens[]): void {
  const [name, ...rest] = prefix;
  if (name !== undefined) return follow(value, rest, at, step(patterns, name), found);
  const open = patterns.flatMap(withoutStars);
  if (open.some((pattern) => pattern.length === 0)) {
    found.push(at);
    return;
  }
  if (open.length === 0) return;
  for (const [member, inner] of membersOf(value)) follow(inner, [], [...at, member], step(open, member), found);
}

/** What is left of the patterns one member further down. */
function step(patterns: readonly Pattern[], name: string): readonly Pattern[] {
  return patterns.flatMap(withoutStars).flatMap((pattern) => {
    const [first] = pattern;
    if (first === "**") return [pattern];
    return first === "*" || first === name ? [pattern.slice(1)] : [];
  });
}

/** `**` also fits nothing. */
function withoutStars(pattern: Pattern): readonly Pattern[] {
  return pattern[0] === "**" ? [pattern, ...withoutStars(pattern.slice(1))] : [pattern];
}

function walk(
  wish: Extract<Wish, { readonly kind: "name" | "secrets" }>,
  value: JsonValue,
  prefix: Tokens,
  at: Tokens,
  found: Tokens[],
): void {
  const name = at.at(-1);
  if (name !== undefined && isMeant(wish, name, value, isDataAt([...prefix, ...at.slice(0, -1)]))) {
    found.push(at);
    return;
  }
  for (const [member, inner] of membersOf(value)) walk(wish, inner, prefix, [...at, member], found);
}

function isMeant(
  wish: Extract<Wish, { readonly kind: "name" | "secrets" }>,
  name: string,
  value: JsonValue,
  isData: boolean,
): boolean {
  if (wish.kind === "name") return isData && fits(wish.parts, name.toLowerCase());
  return (isData && isSecretName(name)) || (typeof value === "string" && redact(value) !== value);
}

/** What stands between stars, in order; the first part begins the name and the last one ends it. */
function fits([first = "", ...parts]: readonly string[], name: string): boolean {
  const last = parts.pop();
  if (last === undefined) return name === first;
  if (!name.startsWith(first)) return false;
  let at = first.length;
  for (const part of parts) {
    const next = name.indexOf(part, at);
    if (next === -1) return false;
    at = next + part.length;
  }
  return name.length - last.length >= at && name.endsWith(last);
}

/** An exact wish that means nothing in any document. Errors: `invalid_request` with the nearest place. */
export function hitsNothing(wish: Wish, documents: readonly Document[]): MaestroError {
  const known = new Set<string>();
  for (const { prefix, value } of documents) collect(value, prefix, known);
  const near = wish.kind === "pattern" ? (suggest(wish.text, known) ?? nearest(wish.text, known)) : undefined;
  const hint = near === undefined ? "" : ` The nearest place is ${near}.`;
  return new MaestroError("invalid_request", `The redaction ${wish.text} means nothing in these runs.${hint}`, {
    fix: "Look at what a package without it has: evidence/RUN/run.json; /plan and /events begin those of plan.json and events.jsonl.",
    facts: { redact: wish.text, ...(near === undefined ? {} : { nearest: near }) },
  });
}

/** Places worth naming; a run of a hundred thousand events has more than anybody looks through. */
const MAX_KNOWN = 20_000;

function collect(value: JsonValue, at: Tokens, known: Set<string>): void {
  if (known.size >= MAX_KNOWN) return;
  if (at.length > 0) known.add(writePointer(at));
  for (const [name, inner] of membersOf(value)) collect(inner, [...at, name], known);
}

/** The longest beginning of the pointer that there is. */
function nearest(pointer: string, known: ReadonlySet<string>): string | undefined {
  for (let end = pointer.lastIndexOf("/"); end > 0; end = pointer.lastIndexOf("/", end - 1))
    if (known.has(pointer.slice(0, end))) return pointer.slice(0, end);
  return undefined;
}
