import { CST, Lexer } from "yaml";
import type { SourceProblem } from "./source.ts";

/** What one pass over the tokens of a text tells, before anything is built from it. */
export interface Scan {
  readonly problems: readonly SourceProblem[];
  readonly comments: readonly { readonly offset: number; readonly text: string }[];
}

export const SOURCE_LIMITS = {
  /** Bytes of a manifest. */
  bytes: 1024 * 1024,
  /** Levels of nested maps and lists. */
  depth: 64,
  /** Tokens of YAML: keys, values, brackets, dashes. */
  tokens: 250_000,
} as const;

/** More of one kind are not worth listing. */
const MAX_PROBLEMS = 20;

/**
 * Finds what manifests may not hold (anchors, aliases, tags, directives, several documents, deep nesting) in the token
 * stream, which costs time in proportion to the text. The YAML composer behind it takes far longer on hostile input.
 */
export function scanTokens(text: string): Scan {
  const scanner = new Scanner();
  let offset = 0;
  let scalarNext = false;
  for (const token of new Lexer().lex(text)) {
    if (CONTROL.has(token)) {
      scalarNext = token === CST.SCALAR;
      continue;
    }
    const goesOn = scanner.take(scalarNext ? "scalar" : CST.tokenType(token), token, offset);
    if (!goesOn) break;
    scalarNext = false;
    offset += token.length;
  }
  return scanner;
}

class Scanner implements Scan {
  readonly problems: SourceProblem[] = [];
  readonly comments: { offset: number; text: string }[] = [];
  readonly #depth = new Depth();
  #tokens = 0;
  #document: "none" | "open" | "closed" = "none";

  /** False when there is no point in going on. */
  take(type: string | null, token: string, offset: number): boolean {
    if (type === "comment") this.comments.push({ offset, text: token });
    if (type === "newline") this.#depth.newLine();
    if (type === null || type === "space" || type === "newline" || type === "comment") return true;
    const refusal = REFUSED[type] ?? this.#secondDocument(type);
    if (refusal !== undefined && this.problems.length < MAX_PROBLEMS)
      this.#add("WF005", offset, refusal, token.trimEnd().length);
    if (++this.#tokens > SOURCE_LIMITS.tokens) {
      this.#add(
        "WF002",
        offset,
        `the manifest has more than ${SOURCE_LIMITS.tokens} parts; data belongs into files that tasks read`,
      );
      return false;
    }
    if (this.#depth.step(type) <= SOURCE_LIMITS.depth) return true;
    this.#add("WF006", offset, `nested deeper than ${SOURCE_LIMITS.depth} levels`);
    return false;
  }

  #secondDocument(type: string): string | undefined {
    const second = type === "doc-start" ? this.#document !== "none" : type !== "doc-end" && this.#document === "closed";
    this.#document = type === "doc-end" ? "closed" : "open";
    return second ? "a second document begins here, but a manifest is one document" : undefined;
  }

  #add(rule: SourceProblem["rule"], offset: number, message: string, length = 1): void {
    this.problems.push({ rule, offset, length: Math.max(1, length), message });
  }
}

const CONTROL: ReadonlySet<string> = new Set([CST.DOCUMENT, CST.FLOW_END, CST.SCALAR]);

const REFUSED: Readonly<Record<string, string>> = {
  anchor: "anchors have no form in JSON; write the value out where it is used",
  alias: "aliases have no form in JSON; write the value out",
  tag: "tags have no form in JSON; write the value as it is",
  "directive-line": "directives are not used; the text is YAML 1.2",
};

/** Open brackets, and dashes and question marks on one line. Nesting by indentation is bounded by the text's size and checked later. */
class Depth {
  #flow = 0;
  #line = 0;

  newLine(): void {
    this.#line = 0;
  }

  step(type: string): number {
    if (type === "flow-map-start" || type === "flow-seq-start") this.#flow++;
    else if (type === "flow-map-end" || type === "flow-seq-end") this.#flow = Math.max(0, this.#flow - 1);
    else if (type === "seq-item-ind" || type === "explicit-key-ind") this.#line++;
    return this.#flow + this.#line;
  }
}
