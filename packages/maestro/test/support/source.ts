/** Reading TypeScript just well enough to guard the house rules: what is comment, what is text, what is imported. */

export interface Import {
  /** As written: `./plan.ts`, `node:fs`, `yaml`. */
  readonly from: string;
  readonly kind: "value" | "type" | "dynamic";
  /** Counted from 1. */
  readonly line: number;
}

/**
 * The imports and re-exports of a module, in order. `import { type A }` counts as a value import, because with
 * `verbatimModuleSyntax` it stays in the program as one.
 */
export function importsOf(text: string): readonly Import[] {
  const code = withoutComments(text);
  const found: (Import & { readonly at: number })[] = [];
  const note = (match: RegExpExecArray, from: string | undefined, kind: Import["kind"]): void => {
    if (from !== undefined) found.push({ from, kind, line: lineAt(code, match.index), at: match.index });
  };
  for (const match of code.matchAll(/^[ \t]*import\s+(type\s+)?(?:[\w$*{}\s,]+?\s*from\s*)?(["'])([^"'\n]+)\2/gm)) {
    note(match, match[3], match[1] === undefined ? "value" : "type");
  }
  for (const match of code.matchAll(/^[ \t]*export\s+(type\s+)?[\w$*{}\s,]+?\s*from\s*(["'])([^"'\n]+)\2/gm)) {
    note(match, match[3], match[1] === undefined ? "value" : "type");
  }
  for (const match of code.matchAll(/\bimport\(\s*(["'])([^"'\n]+)\1\s*[),]/g)) note(match, match[2], "dynamic");
  return found.sort((a, b) => a.at - b.at).map(({ from, kind, line }) => ({ from, kind, line }));
}

export function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let i = text.indexOf("\n"); i !== -1 && i < offset; i = text.indexOf("\n", i + 1)) line++;
  return line;
}

/** The text with comments and the contents of templates as spaces; every other character stays at its place. */
export function withoutComments(text: string): string {
  return blank(text, (kind) => kind === "comment" || kind === "template");
}

/** The text with strings, templates and regular expressions as spaces; comments stay. */
export function withoutTexts(text: string): string {
  return blank(text, (kind) => kind !== "comment");
}

/** The text with everything as spaces that is not program: comments, strings, templates and regular expressions. */
export function codeOnly(text: string): string {
  return blank(text, () => true);
}

interface Part {
  readonly kind: "comment" | "string" | "template" | "regex";
  readonly start: number;
  readonly end: number;
}

function blank(text: string, drop: (kind: Part["kind"]) => boolean): string {
  let out = "";
  let done = 0;
  for (const part of partsOf(text)) {
    if (!drop(part.kind)) continue;
    out += text.slice(done, part.start) + text.slice(part.start, part.end).replace(/[^\n]/g, " ");
    done = part.end;
  }
  return out + text.slice(done);
}

/** Everything that is not program, in order. A template with `${…}` gives one part per piece of text. */
function partsOf(text: string): readonly Part[] {
  const parts: Part[] = [];
  /** Open braces since each `${` that is still open. */
  const holes: number[] = [];
  let i = 0;
  const take = (kind: Part["kind"], end: number): void => {
    parts.push({ kind, start: i, end });
    i = end;
  };
  const takeTemplate = (): void => {
    const end = templateEnd(text, i + 1);
    if (text.startsWith("${", end - 2) && text[end - 1] === "{") holes.push(0);
    take("template", end);
  };
  while (i < text.length) {
    const character = text.charAt(i);
    const open = holes.at(-1);
    if (text.startsWith("//", i)) take("comment", endOf(text, "\n", i));
    else if (text.startsWith("/*", i)) take("comment", endOf(text, "*/", i + 2) + 2);
    else if (character === '"' || character === "'") take("string", quoteEnd(text, i + 1, character));
    else if (character === "`") takeTemplate();
    else if (character === "}" && open === 0) {
      holes.pop();
      takeTemplate();
    } else if (character === "/" && regexMayStart(text, i)) take("regex", regexEnd(text, i + 1));
    else {
      if (open !== undefined && character === "{") holes[holes.length - 1] = open + 1;
      if (open !== undefined && character === "}") holes[holes.length - 1] = open - 1;
      i++;
    }
  }
  return parts;
}

function endOf(text: string, mark: string, from: number): number {
  const at = text.indexOf(mark, from);
  return at === -1 ? text.length : at;
}

function quoteEnd(text: string, from: number, quote: string): number {
  for (let i = from; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === quote || text[i] === "\n") return i + 1;
  }
  return text.length;
}

/** After the closing back-tick, or after the `${` that interrupts the text. */
function templateEnd(text: string, from: number): number {
  for (let i = from; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === "`") return i + 1;
    else if (text.startsWith("${", i)) return i + 2;
  }
  return text.length;
}

function regexEnd(text: string, from: number): number {
  let inClass = false;
  for (let i = from; i < text.length && text[i] !== "\n"; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === "[") inClass = true;
    else if (text[i] === "]") inClass = false;
    else if (text[i] === "/" && !inClass) return i + 1;
  }
  return from;
}

/** A slash divides after a value and starts a regular expression after anything else. */
function regexMayStart(text: string, at: number): boolean {
  const before = text.slice(Math.max(0, at - 40), at).trimEnd();
  return before === "" || /[(,=:[!&|?{};+\-*%<>~^]$|\b(?:return|typeof|case|in|of|await|yield|void)$/.test(before);
}
