/* oxlint-disable no-control-regex -- control characters are this file's subject */
/**
 * Text for a terminal: what it shows in how many columns, and without what it would obey. Task output, names and
 * error messages come from outside, and a terminal carries out what it reads.
 */

/** Columns the text takes in a terminal. Control characters count as nothing; make the text safe first. */
export function displayWidth(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let width = 0;
  for (const { segment } of segmenter().segment(text)) width += graphemeWidth(segment);
  return width;
}

/** At most `width` columns; what is cut off is replaced by one `…`. */
export function truncate(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  if (width <= 0) return "";
  let kept = "";
  let used = 0;
  for (const { segment } of segmenter().segment(text)) {
    const next = graphemeWidth(segment);
    if (used + next > width - 1) break;
    kept += segment;
    used += next;
  }
  return `${kept}…`;
}

/** Broken between words into lines of at most `width` columns; a word that is longer has a line of its own. */
export function wrapped(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  const [first = "", ...words] = text.split(" ");
  let line = first;
  for (const word of words) {
    const longer = `${line} ${word}`;
    if (displayWidth(longer) > width) {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  return [...lines, line];
}

/** Filled with spaces to `width` columns; longer texts stay as they are. */
export function pad(text: string, width: number, align: "left" | "right" = "left"): string {
  const fill = " ".repeat(Math.max(0, width - displayWidth(text)));
  return align === "left" ? text + fill : fill + text;
}

/** One line that obeys nothing: control characters, line breaks and text-direction overrides are written as escapes. */
export function safe(text: string): string {
  return text.replaceAll(UNSAFE, escapeOf);
}

/** Words of somebody who wrote several lines, on one: what stands between the lines is a blank. */
export function oneLine(text: string): string {
  return safe(text.trim().replaceAll(/[ \t]*[\r\n]\s*/g, " "));
}

/**
 * Task output for a terminal, line breaks and tabs kept. Colours (SGR sequences) may stay when `colour`; every other
 * sequence, which could move the cursor, rename the window or ask the terminal to type, is removed.
 */
export function safeOutput(text: string, colour: boolean): string {
  let coloured = false;
  const clean = text
    .replaceAll(/\r+\n/g, "\n")
    .replaceAll("\r", "\n")
    .replaceAll(ESCAPE_SEQUENCE, (sequence) => {
      const isColour = colour && /^\x1b\[[0-9;:]*m$/.test(sequence);
      coloured ||= isColour;
      // Kept under another name until the lone control characters are escaped.
      return isColour ? `\uFFF9${sequence.slice(1)}` : "";
    })
    .replaceAll(UNSAFE_BUT_LINES, escapeOf)
    .replaceAll("\uFFF9", "\x1b");
  return coloured ? `${clean}\x1b[0m` : clean;
}

// C0 and C1 controls, DEL, line and paragraph separators, bidirectional overrides and isolates (CVE-2021-42574), half characters, and the mark used above.
const UNSAFE =
  /[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\uFFF9]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
const UNSAFE_BUT_LINES =
  /[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
// ECMA-48: CSI; OSC, DCS, SOS, PM, APC up to their end; two- and three-character sequences.
const ESCAPE_SEQUENCE =
  /\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c|$)|\x1b[ -/]*[0-~]|\uFFF9/g;

function escapeOf(character: string): string {
  if (character === "\n") return "\\n";
  if (character === "\r") return "\\r";
  if (character === "\t") return "\\t";
  const code = character.charCodeAt(0);
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16)}`;
}

let shared: Intl.Segmenter | undefined;

function segmenter(): Intl.Segmenter {
  return (shared ??= new Intl.Segmenter("en", { granularity: "grapheme" }));
}

function graphemeWidth(grapheme: string): number {
  const code = grapheme.codePointAt(0) ?? 0;
  if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return 0;
  if (/^[\p{Mark}\p{Format}]+$/u.test(grapheme)) return 0;
  if (grapheme.includes("\ufe0f") || /^\p{Emoji_Presentation}/u.test(grapheme)) return 2;
  return WIDE.some(([from, to]) => code >= from && code <= to) ? 2 : 1;
}

/** East Asian Width W and F (Unicode TR 11), in whole blocks. */
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0x4dbf],
  [0x4e00, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f300, 0x1f64f],
  [0x1f900, 0x1f9ff],
  [0x20000, 0x3fffd],
];
