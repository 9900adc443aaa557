import type { LocatedDiagnostic } from "./report.ts";

/** A misspelt name, and the one that was probably meant. */
export interface Replacement {
  readonly from: string;
  readonly to: string;
  /** From 1, as in the diagnostic; afterwards the new name begins there. */
  readonly line: number;
  readonly column: number;
}

/** Names that need no quotes anywhere. */
const NAME = /^[\w@./-]+$/;

/** What could be written instead, one for each place, from the end of the text to its beginning. */
export function replacementsOf(diagnostics: readonly LocatedDiagnostic[]): readonly Replacement[] {
  const found = new Map<string, Replacement>();
  for (const { fix, snippet, line, column, endLine, endColumn } of diagnostics) {
    const to = /^did you mean [`"](.+)[`"]\?$/.exec(fix ?? "")?.[1];
    if (to === undefined || endLine !== line) continue;
    const written = snippet.slice(column - 1, endColumn - 1);
    const quotes = /^(["']).*\1$/.test(written) ? 1 : 0;
    const from = written.slice(quotes, written.length - quotes);
    if (NAME.test(to) && NAME.test(from)) found.set(`${line}:${column}`, { from, to, line, column: column + quotes });
  }
  return [...found.values()].toSorted((a, b) => b.line - a.line || b.column - a.column);
}

/** The text with these names replaced, which must come as `replacementsOf` gives them. */
export function replaceNames(text: string, replacements: readonly Replacement[]): string {
  // Ends of lines stay as they are.
  const lines = text.split(/(?<=\r\n|\n|\r(?!\n))/);
  for (const { from, to, line, column } of replacements) {
    const old = lines[line - 1] ?? "";
    lines[line - 1] = `${old.slice(0, column - 1)}${to}${old.slice(column - 1 + from.length)}`;
  }
  return lines.join("");
}
