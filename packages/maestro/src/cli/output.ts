import type { JsonValue } from "../core/json.ts";
import { usage } from "./cli.ts";
import type { Cli } from "./cli.ts";
import { tableLines, tabLines } from "./terminal/table.ts";
import type { Column } from "./terminal/table.ts";

/** A list as it is printed in every format. */
export interface Listing<T> {
  readonly columns: readonly Column<T>[];
  readonly rows: readonly T[];
  /** What `-o name` prints: what other commands take. */
  readonly name: (row: T) => string;
  /** The API's answer, for `-o json` and `-o yaml`; the member that holds the rows is `member`. */
  readonly answer: Readonly<Record<string, unknown>>;
  readonly member: string;
  /** Said to a person when there are no rows: what this is and how to get one. */
  readonly empty: string;
}

/** Prints a list. Data to stdout; where there is none, a sentence to stderr for whoever looks. */
export async function printList<T extends object>(cli: Cli, listing: Listing<T>): Promise<void> {
  const { terminal, output, fields } = cli;
  const { rows } = listing;
  if (output === "json" || output === "yaml")
    return printObject(cli, { ...listing.answer, [listing.member]: rows.map((row) => pick(row, fields)) });
  if (output === "jsonl")
    return printLines(
      cli,
      rows.map((row) => JSON.stringify(pick(row, fields))),
    );
  if (output === "name") return printLines(cli, rows.map(listing.name));
  if (rows.length === 0) {
    if (terminal.errIsTty) terminal.say(listing.empty);
    return;
  }
  const columns = chooseColumns(listing.columns, output === "wide", fields);
  await printLines(
    cli,
    terminal.outIsTty
      ? tableLines(columns, rows, output === "wide" ? Infinity : terminal.width())
      : tabLines(columns, rows),
  );
}

/** Prints one object as JSON or YAML; the caller has dealt with the formats for people. */
export async function printObject(cli: Cli, value: object): Promise<void> {
  if (cli.output === "yaml") {
    const { stringify } = await import("yaml");
    return cli.terminal.write(stringify(value, { lineWidth: 0, aliasDuplicateObjects: false }));
  }
  // Indented for eyes, one line for programs.
  await printLines(cli, [
    cli.output === "json" && cli.terminal.outIsTty ? JSON.stringify(value, null, 2) : JSON.stringify(value),
  ]);
}

export function isData(cli: Cli): boolean {
  return cli.output === "json" || cli.output === "jsonl" || cli.output === "yaml";
}

export async function printLines(cli: Cli, lines: readonly string[]): Promise<void> {
  // In parts, so that a reader that leaves early stops us early.
  for (let i = 0; i < lines.length; i += 500) await cli.terminal.write(`${lines.slice(i, i + 500).join("\n")}\n`);
}

function pick(row: object, fields: readonly string[] | undefined): object {
  if (fields === undefined) return row;
  const known = Object.keys(row);
  const record = row as Readonly<Record<string, JsonValue>>;
  return Object.fromEntries(
    fields.map((field) => {
      if (!Object.hasOwn(record, field))
        throw usage(`--fields: there is no field ${field}; there are ${known.join(", ")}.`);
      return [field, record[field]];
    }),
  );
}

function chooseColumns<T>(
  columns: readonly Column<T>[],
  wide: boolean,
  fields: readonly string[] | undefined,
): readonly Column<T>[] {
  if (fields === undefined) return columns.filter((column) => wide || column.wide !== true);
  return fields.map((field) => {
    const found = columns.find((column) => column.head.toLowerCase() === field.toLowerCase());
    if (found === undefined)
      throw usage(
        `--fields: there is no column ${field}; there are ${columns.map(({ head }) => head.toLowerCase()).join(", ")}.`,
      );
    return found;
  });
}
