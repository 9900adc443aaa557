/** What is wrong with a text that JSON.parse refused, with line and column: V8's own message leaves them out for most mistakes. */
export function explainJsonError(text: string): string {
  const offset = firstError(text);
  const before = text.slice(0, offset);
  const place = `(line ${before.split("\n").length} column ${offset - before.lastIndexOf("\n")})`;
  if (offset >= text.length) return `it ends too early ${place}`;
  const rest = text.slice(offset, offset + 20).split("\n")[0] ?? "";
  return `it cannot be read from ${JSON.stringify(rest)} on ${place}`;
}

const SPACE = /[ \t\r\n]*/y;
const SCALAR = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.+-])|(?:true|false|null)\b/y;
const ESCAPE = /["\\/bfnrt]|u[0-9a-fA-F]{4}/y;

/** The offset of the first character at which the text is no longer the beginning of any JSON text (RFC 8259); its length if only the end is missing. */
function firstError(text: string): number {
  const closers: string[] = [];
  let at = skip(SPACE, text, 0);
  let expect: "value" | "value or ]" | "name" | "name or }" | "more" = "value";
  for (;;) {
    const char = text.charAt(at);
    if (expect === "more") {
      if (closers.length === 0) return at;
      if (char === closers.at(-1)) closers.pop();
      else if (char === ",") expect = closers.at(-1) === "}" ? "name" : "value";
      else return at;
      at += 1;
    } else if (expect === "name" || expect === "name or }") {
      if (char === "}" && expect === "name or }") {
        closers.pop();
        expect = "more";
        at += 1;
      } else {
        if (char !== '"') return at;
        const end = endOfString(text, at);
        if (!end.closed) return end.at;
        at = skip(SPACE, text, end.at);
        if (text.charAt(at) !== ":") return at;
        at += 1;
        expect = "value";
      }
    } else if (char === "]" && expect === "value or ]") {
      closers.pop();
      expect = "more";
      at += 1;
    } else if (char === "{" || char === "[") {
      closers.push(char === "{" ? "}" : "]");
      expect = char === "{" ? "name or }" : "value or ]";
      at += 1;
    } else {
      const end = char === '"' ? endOfString(text, at) : { at: skip(SCALAR, text, at), closed: true };
      if (!end.closed || end.at === at) return end.at;
      at = end.at;
      expect = "more";
    }
    at = skip(SPACE, text, at);
  }
}

function skip(pattern: RegExp, text: string, from: number): number {
  pattern.lastIndex = from;
  return pattern.test(text) ? pattern.lastIndex : from;
}

function endOfString(text: string, open: number): { readonly at: number; readonly closed: boolean } {
  for (let i = open + 1; i < text.length; i++) {
    const char = text.charAt(i);
    if (char === '"') return { at: i + 1, closed: true };
    if (char < " ") return { at: i, closed: false };
    if (char === "\\") {
      const end = skip(ESCAPE, text, i + 1);
      if (end === i + 1) return { at: i, closed: false };
      i = end - 1;
    }
  }
  return { at: text.length, closed: false };
}
