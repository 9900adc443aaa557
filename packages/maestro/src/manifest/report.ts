import { type Diagnostic, formatPath } from "../core/diagnostic.ts";
import type { JsonObject } from "../core/json.ts";

/** A diagnostic with its place in a file. Lines and columns count from 1, columns in UTF-16 units; the end is exclusive. */
export interface LocatedDiagnostic extends Diagnostic {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly endLine: number;
  readonly endColumn: number;
  /** The line it is about. */
  readonly snippet: string;
}

/** For people: place, rule, message, the line with a caret, and what to do. Control characters in the source are not printed. */
export function formatHuman(diagnostics: readonly LocatedDiagnostic[]): string {
  return diagnostics.map(formatOne).join("\n");
}

const WINDOW = 120;

function formatOne(one: LocatedDiagnostic): string {
  const head = `${printable(one.file)}:${one.line}:${one.column}: ${one.severity}[${one.rule}] ${printable(one.message)}`;
  const gutter = " ".repeat(Math.max(2, String(one.line).length));
  const help = one.help === undefined ? "" : `${gutter} = ${printable(one.help)}\n`;
  if (one.snippet.trim() === "")
    return `${head}\n${one.fix === undefined ? "" : `${gutter} = ${printable(one.fix)}\n`}${help}`;
  const { text, column } = clip(one.snippet, one.column - 1);
  const width = Math.max(1, Math.min(one.endLine === one.line ? one.endColumn - one.column : 1, text.length - column));
  const caret = `${" ".repeat(column)}^${"~".repeat(width - 1)}${one.fix === undefined ? "" : ` ${printable(one.fix)}`}`;
  return `${head}\n${gutter} |\n${String(one.line).padStart(gutter.length)} | ${printable(text)}\n${gutter} | ${caret}\n${help}`;
}

/** A long line is cut to the neighbourhood of the caret. */
function clip(line: string, column: number): { readonly text: string; readonly column: number } {
  if (line.length <= WINDOW) return { text: line, column };
  const from = Math.max(0, Math.min(column - WINDOW / 3, line.length - WINDOW));
  const start = Math.floor(from);
  return {
    text: `${start > 0 ? "…" : ""}${line.slice(start + (start > 0 ? 1 : 0), start + WINDOW)}${start + WINDOW < line.length ? "…" : ""}`,
    column: column - start,
  };
}

/** One character for one, so that carets stay where they are. */
function printable(text: string): string {
  return text.replaceAll("\t", " ").replaceAll(/[\p{Cc}\p{Bidi_Control}]/gu, "\uFFFD");
}

/** As data, for `-o json` and the API. */
export function toJson(one: LocatedDiagnostic): JsonObject {
  return {
    file: one.file,
    line: one.line,
    column: one.column,
    endLine: one.endLine,
    endColumn: one.endColumn,
    rule: one.rule,
    severity: one.severity,
    message: one.message,
    path: formatPath(one.path),
    snippet: one.snippet,
    ...(one.fix === undefined ? {} : { fix: one.fix }),
    ...(one.help === undefined ? {} : { help: one.help }),
  };
}

/** Workflow commands that GitHub shows as annotations on the changed lines. */
export function formatGithub(diagnostics: readonly LocatedDiagnostic[]): string {
  return diagnostics
    .map((one) => {
      const properties = {
        file: one.file,
        line: one.line,
        endLine: one.endLine,
        col: one.column,
        endColumn: one.endColumn,
        title: one.rule,
      };
      const list = Object.entries(properties).map(([name, value]) => `${name}=${escapeProperty(String(value))}`);
      return `::${one.severity} ${list.join(",")}::${escapeData([one.message, one.fix, one.help].filter((part) => part !== undefined).join("\n"))}`;
    })
    .join("\n");
}

function escapeData(text: string): string {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

function escapeProperty(text: string): string {
  return escapeData(text).replaceAll(":", "%3A").replaceAll(",", "%2C");
}
