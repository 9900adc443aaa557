/** A piece of a string with `${{ … }}` in it: text as it stands, or the source of an expression and where it begins. */
export type Piece =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "expression"; readonly source: string; readonly offset: number }
  /** `${{` without its `}}`. */
  | { readonly kind: "unclosed"; readonly offset: number };

const OPEN = "${{";

/** Is there anything to evaluate or unescape in this text? */
export function hasInterpolation(text: string): boolean {
  return text.includes(OPEN);
}

/**
 * Cuts a string at its `${{ … }}`. `$${{` stands for the characters `${{`. Braces and quotes inside an expression are
 * followed, so that `${{ {"a": {"b": 1}} }}` and `${{ "}}" }}` end where a reader thinks they end.
 */
export function split(text: string): readonly Piece[] {
  const pieces: Piece[] = [];
  let plain = "";
  let at = 0;
  for (;;) {
    const open = text.indexOf(OPEN, at);
    if (open === -1) break;
    if (text[open - 1] === "$" && open > at) {
      plain += text.slice(at, open - 1) + OPEN;
      at = open + OPEN.length;
      continue;
    }
    plain += text.slice(at, open);
    if (plain !== "") pieces.push({ kind: "text", text: plain });
    plain = "";
    const close = closing(text, open + OPEN.length);
    if (close === -1) {
      pieces.push({ kind: "unclosed", offset: open });
      return pieces;
    }
    pieces.push(expression(text, open + OPEN.length, close));
    at = close + 2;
  }
  plain += text.slice(at);
  if (plain !== "" || pieces.length === 0) pieces.push({ kind: "text", text: plain });
  return pieces;
}

function expression(text: string, from: number, to: number): Piece {
  const source = text.slice(from, to);
  const lead = source.length - source.trimStart().length;
  return { kind: "expression", source: source.trim(), offset: from + lead };
}

/** Where the `}}` begins that closes an expression, or -1. */
function closing(text: string, from: number): number {
  let depth = 0;
  for (let i = from; i < text.length; i++) {
    const c = text[i];
    if (c === '"' || c === "'") {
      i = afterString(text, i) - 1;
      continue;
    }
    if (c === "{") depth++;
    else if (c === "}" && depth > 0) depth--;
    else if (c === "}" && text[i + 1] === "}") return i;
  }
  return -1;
}

/** The index after a CEL string literal that begins at `at`; knows triple quotes, escapes and raw strings. */
function afterString(text: string, at: number): number {
  const quote = text.charAt(at);
  const mark = text.startsWith(quote.repeat(3), at) ? quote.repeat(3) : quote;
  const raw = /[rR]/.test(text.charAt(at - 1)) && !/[\w]/.test(text.charAt(at - 2));
  for (let i = at + mark.length; i < text.length; i++) {
    if (!raw && text[i] === "\\") i++;
    else if (text.startsWith(mark, i)) return i + mark.length;
  }
  return text.length;
}
