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
  const problems: SourceProblem[] = [];
  const comments: { offset: number; text: string }[] = [];
  const depth = new Depth();
  let offset = 0;
  let tokens = 0;
  let documents = 0;
  let scalarNext = false;
  for (const token of new Lexer().lex(text)) {
    const at = offset;
    if (CONTROL.has(token)) {
      scalarNext = token === CST.SCALAR;
      continue;
    }
    offset += token.length;
    if (scalarNext) {
      scalarNext = false;
      tokens++;
      continue;
    }
    const type = CST.tokenType(token);
    if (type === "comment") comments.push({ offset: at, text: token });
    if (type === "doc-start") documents++;
    if (type === "space" || type === "newline" || type === "comment" || type === null) {
      if (type === "newline") depth.newLine();
      continue;
    }
    tokens++;
    const refusal =
      REFUSED[type] ??
      (type === "doc-start" && documents > 1 ? "holds a second document, but a manifest is one document" : undefined);
    if (refusal !== undefined && problems.length < MAX_PROBLEMS)
      problems.push({ rule: "WF005", offset: at, length: Math.max(1, token.trimEnd().length), message: refusal });
    if (tokens > SOURCE_LIMITS.tokens) {
      problems.push({
        rule: "WF002",
        offset: at,
        length: 1,
        message: `the manifest has more than ${SOURCE_LIMITS.tokens} parts; data belongs into files that tasks read`,
      });
      break;
    }
    if (depth.step(type) > SOURCE_LIMITS.depth) {
      problems.push({
        rule: "WF006",
        offset: at,
        length: 1,
        message: `nested deeper than ${SOURCE_LIMITS.depth} levels`,
      });
      break;
    }
  }
  return { problems, comments };
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
