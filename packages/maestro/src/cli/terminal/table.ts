import { displayWidth, pad, safe, truncate } from "./text.ts";

/** A column of a table; the same columns serve the aligned form for people and the tab-separated one for programs. */
export interface Column<T> {
  readonly head: string;
  /** Raw; made safe here. */
  readonly value: (row: T) => string;
  /** Colours the finished cell; columns stay where they are. */
  readonly decorate?: (cell: string, row: T) => string;
  /** Put in front of the value for people only, e.g. a glyph; `width` columns wide. */
  readonly mark?: { readonly width: number; readonly of: (row: T) => string };
  /** Shortened for people, whole for programs. */
  readonly short?: (row: T) => string;
  readonly align?: "left" | "right";
  /** Gives way first when the terminal is narrow. */
  readonly flexible?: true;
  /** Only with `-o wide`, and always for programs that name it by --fields. */
  readonly wide?: true;
}

/** Aligned lines, the head first, none wider than `width`. */
export function tableLines<T>(columns: readonly Column<T>[], rows: readonly T[], width: number): readonly string[] {
  const cells = rows.map((row) => columns.map((column) => safe((column.short ?? column.value)(row))));
  const widths = columns.map((column, i) =>
    Math.max(
      displayWidth(column.head),
      ...cells.map((row) => displayWidth(row[i] ?? "") + (column.mark === undefined ? 0 : column.mark.width + 1)),
    ),
  );
  shrink(columns, widths, width);
  const head = columns.map((column, i) => pad(column.head, widths[i] ?? 0, column.align)).join(GAP);
  return [head.trimEnd(), ...rows.map((row, r) => line(columns, widths, row, cells[r] ?? []))];
}

/** One line per row, values whole, separated by tabs; no head, so that every line is a row. */
export function tabLines<T>(columns: readonly Column<T>[], rows: readonly T[]): readonly string[] {
  return rows.map((row) => columns.map((column) => safe(column.value(row))).join("\t"));
}

const GAP = "  ";
const MIN_FLEXIBLE = 8;

function shrink<T>(columns: readonly Column<T>[], widths: number[], width: number): void {
  let over = widths.reduce((sum, one) => sum + one, 0) + GAP.length * (columns.length - 1) - width;
  for (const [i, column] of columns.entries()) {
    if (over <= 0) return;
    if (column.flexible !== true) continue;
    const present = widths[i] ?? 0;
    const next = Math.max(MIN_FLEXIBLE, present - over);
    if (next >= present) continue;
    over -= present - next;
    widths[i] = next;
  }
}

function line<T>(columns: readonly Column<T>[], widths: readonly number[], row: T, cells: readonly string[]): string {
  const parts = columns.map((column, i) => {
    const width = (widths[i] ?? 0) - (column.mark === undefined ? 0 : column.mark.width + 1);
    const cell = pad(
      truncate(cells[i] ?? "", width),
      i === columns.length - 1 && column.align !== "right" ? 0 : width,
      column.align,
    );
    const decorated = column.decorate === undefined ? cell : column.decorate(cell, row);
    return column.mark === undefined ? decorated : `${column.mark.of(row)} ${decorated}`;
  });
  return parts.join(GAP).trimEnd();
}
