import type { CommandRun, OutputFormat } from "./cli.ts";

/** One command as data: the parser, `--help`, `maestro help` and docs/reference/cli.md are made from it. */
export interface CommandSpec {
  /** One word, or two: `receipt show`. */
  readonly name: string;
  readonly group: CommandGroup;
  /** One line, starting with a verb, no full stop. */
  readonly summary: string;
  /** Paragraphs of Markdown: what it does, what it prints, what its exit code says. */
  readonly description: string;
  readonly args: readonly ArgSpec[];
  readonly options: readonly OptionSpec[];
  /** Command line and what it does, the commonest first. */
  readonly examples: readonly (readonly [line: string, meaning: string])[];
  /** What `-o` takes here; absent: the common ones. The first is the default. */
  readonly formats?: readonly OutputFormat[];
  /** Its file, loaded when it is called. */
  readonly load: () => Promise<{ readonly run: CommandRun }>;
}

export type CommandGroup = "daily" | "author" | "trust" | "objects" | "system";

export const GROUP_TITLES: Readonly<Record<CommandGroup, string>> = {
  daily: "Every day",
  author: "Writing runbooks",
  trust: "Proof",
  objects: "Objects",
  system: "System",
};

export interface ArgSpec {
  readonly name: string;
  readonly about: string;
  readonly optional?: true;
  readonly many?: true;
}

export interface OptionSpec {
  /** `-f, --follow` or `--reason <text>`; `<…>` takes a value; `--no-x` turns `x` off. */
  readonly flags: string;
  readonly about: string;
  /** May be given several times. */
  readonly many?: true;
}

/** Options of every command. */
export const GLOBAL_OPTIONS: readonly OptionSpec[] = [
  {
    flags: "--data <dir>",
    about: "Data directory (default: MAESTRO_DATA, a .maestro folder here or above, ~/.local/share/maestro)",
  },
  { flags: "--server <url>", about: "Work on the control plane at this URL instead (MAESTRO_SERVER)" },
  { flags: "--token-file <file>", about: "File with that server's token (MAESTRO_TOKEN_FILE, MAESTRO_TOKEN)" },
  { flags: "--context <name>", about: "Work in this context of the configuration (MAESTRO_CONTEXT)" },
  { flags: "-o, --output <format>", about: "table, wide, json, jsonl, yaml or name (default: table)" },
  { flags: "--json", about: "The same as -o json" },
  { flags: "--fields <a,b>", about: "Only these columns or fields, in this order" },
  { flags: "--debug", about: "Print stack traces" },
];
