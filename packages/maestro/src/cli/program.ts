import { Argument, Command, CommanderError, Option } from "commander";
import { COMMANDS } from "./commands.ts";
import { Input, usage } from "./cli.ts";
import { exitLines, MANUAL } from "./manual.ts";
import { GLOBAL_OPTIONS, GROUP_TITLES } from "./spec.ts";
import type { ArgSpec, CommandSpec, OptionSpec } from "./spec.ts";

/** A command line, understood. */
export type Parsed =
  | { readonly kind: "command"; readonly spec: CommandSpec; readonly input: Input }
  /** Help or a version: print it and end with 0. */
  | { readonly kind: "text"; readonly text: string };

/** Understands a command line by the table. Errors: `invalid_request` with a suggestion. */
export async function parse(argv: readonly string[], version: string, width: number): Promise<Parsed> {
  let parsed: Parsed | undefined;
  let printed = "";
  const called = (spec: CommandSpec, input: Input): unknown => (parsed = { kind: "command", spec, input });
  const output = { write: (text: string) => (printed += text), width };
  const program = buildProgram(version, called, output, meantBy(argv));
  try {
    await program.parseAsync(argv, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // A noun alone (`maestro receipt`) asks what there is.
    if (error.exitCode === 0 || error.code === "commander.help") return { kind: "text", text: printed };
    throw usage(plainMessage(error.message), `See how it is used: \`maestro ${helpLine(argv)}\`.`);
  }
  return parsed ?? { kind: "text", text: printed };
}

/** Of eighty commands with a dozen options each, one is meant: making the others takes longer than understanding it. */
function meantBy(argv: readonly string[]): (spec: CommandSpec) => boolean {
  const words = new Set(argv);
  return words.has("--help") || words.has("-h") ? () => true : ({ name }) => words.has(name.split(" ")[0] ?? "");
}

/** The command tree, for the parser, help and the reference; of commands that are not meant only the names. */
export function buildProgram(
  version: string,
  called: (spec: CommandSpec, input: Input) => unknown,
  output: { readonly write: (text: string) => void; readonly width: number },
  isMeant: (spec: CommandSpec) => boolean = () => true,
): Command {
  const program = new Command("maestro");
  configure(program, output);
  program
    .description("Runs runbooks durably, under policy, and leaves receipts that anyone can verify.")
    .version(`maestro ${version}`, "-V, --version", "Print the version")
    .helpCommand(false)
    .showSuggestionAfterError(true)
    .addHelpText(
      "after",
      "\nSee `maestro help COMMAND`, `maestro help CODE` for any error, and the topics of `maestro help`:\n" +
        "exit-codes, environment, formatting, expressions. A first project: `maestro init`.",
    );
  const parents = new Map<string, Command>();
  for (const spec of COMMANDS) {
    const [first = "", second] = spec.name.split(" ");
    const parent = second === undefined ? program : (parents.get(first) ?? addParent(program, first, spec, output));
    if (second !== undefined) parents.set(first, parent);
    if (isMeant(spec)) addCommand(parent, second ?? first, spec, called, output);
    else parent.command(second ?? first);
  }
  return program;
}

/** What a command's first word holds. */
const NOUNS: Readonly<Record<string, string>> = {
  backup: "backups of a data directory",
  catalog: "stored workflows, which run by their name",
  config: "the configuration of this user",
  hold: "legal holds, which keep runs from being removed",
  key: "the key that signs",
  policy: "who may do what, and why",
  receipt: "signed receipts of runs",
  session: "logins to a control plane",
  task: "task types, which `uses` names",
  token: "the token of the API",
  witness: "processes that see the ledger grow, and refuse another one",
};

function addParent(
  program: Command,
  name: string,
  spec: CommandSpec,
  output: { readonly write: (text: string) => void; readonly width: number },
): Command {
  const words = COMMANDS.filter((one) => one.name.startsWith(`${name} `)).map((one) => one.name.slice(name.length + 1));
  const parent = program
    .command(name)
    .summary(`${words.join(", ")}: ${NOUNS[name]}`)
    .description(sentence(`${NOUNS[name]}: \`maestro help ${name} ${words[0]}\` and so on`))
    .helpCommand(false)
    .helpGroup(`${GROUP_TITLES[spec.group]}:`);
  configure(parent, output);
  return parent;
}

function addCommand(
  parent: Command,
  name: string,
  spec: CommandSpec,
  called: (spec: CommandSpec, input: Input) => unknown,
  output: { readonly write: (text: string) => void; readonly width: number },
): void {
  const command = parent
    .command(name)
    .summary(spec.summary)
    .description(`${sentence(spec.summary)}\n${spec.description.replaceAll("\n\n", "\n")}`);
  configure(command, output);
  // Sorted under a title only where titles are: at the top.
  if (parent.parent === null) command.helpGroup(`${GROUP_TITLES[spec.group]}:`);
  command.addHelpText("before", examplesText(spec)).addHelpText("after", manualText(spec.name));
  for (const arg of spec.args) command.addArgument(new Argument(argTerm(arg), arg.about));
  for (const option of spec.options) command.addOption(commanderOption(option));
  for (const option of GLOBAL_OPTIONS)
    command.addOption(commanderOption(option).helpGroup("Options of every command:"));
  command.action((...given: unknown[]) => {
    const values = given.slice(0, spec.args.length);
    const args = Object.fromEntries(spec.args.map((arg, i) => [arg.name, values[i] as string | string[] | undefined]));
    // Only what was typed: commander makes `--no-x` alone default to x being true.
    const typed = Object.entries(command.opts()).filter(([name]) => command.getOptionValueSource(name) === "cli");
    called(spec, new Input(args, Object.fromEntries(typed)));
  });
}

function configure(command: Command, output: { readonly write: (text: string) => void; readonly width: number }): void {
  command
    .exitOverride()
    .configureOutput({
      writeOut: output.write,
      writeErr: output.write,
      getOutHelpWidth: () => output.width,
      getErrHelpWidth: () => output.width,
    })
    .allowExcessArguments(false)
    .helpOption("-h, --help", "Print this help");
}

function commanderOption({ flags, about, many }: OptionSpec): Option {
  const option = new Option(flags, about);
  if (many === true)
    option.argParser((value: string, previous: unknown) => [
      ...(Array.isArray(previous) ? (previous as string[]) : []),
      value,
    ]);
  return option;
}

function argTerm({ name, optional, many }: ArgSpec): string {
  const term = many === true ? `${name}...` : name;
  return optional === true ? `[${term}]` : `<${term}>`;
}

export function examplesText(spec: CommandSpec): string {
  return `Examples:\n${spec.examples.map(([line, meaning]) => `  # ${meaning}\n  ${line}`).join("\n")}\n`;
}

/** What a manual page ends with. */
function manualText(name: string): string {
  const codes = exitLines(name).map(([code, meaning]) => `  ${code.padEnd(5)}${meaning}`);
  const { see, guide } = MANUAL[name] ?? { see: [] };
  return [
    "\nExit codes:",
    ...codes,
    "  Any other error has the code of its class: maestro help exit-codes",
    ...(see.length === 0 ? [] : ["", `See also: maestro help ${see.join(", ")}`]),
    ...(guide === undefined ? [] : [`Guide: docs/guides/${guide}.md`]),
  ].join("\n");
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

/** Commander's "error: unknown command 'rn'\n(Did you mean run?)" as a sentence of ours. */
function plainMessage(message: string): string {
  const text = message
    .replace(/^error: /, "")
    .replace(/\n\((Did you mean [^)]*)\)/, ". $1")
    .trim();
  const plain = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.?!]$/.test(plain) ? plain : `${plain}.`;
}

function helpLine(argv: readonly string[]): string {
  const words = argv.filter((word) => !word.startsWith("-"));
  const two = words.slice(0, 2).join(" ");
  const found = COMMANDS.find(({ name }) => name === two) ?? COMMANDS.find(({ name }) => name === words[0]);
  return found === undefined ? "help" : `help ${found.name}`;
}
