import { MaestroError } from "../core/problem.ts";
import { calledAs } from "./called-as.ts";
import { makeCli, SEE_HELP, usage } from "./cli.ts";
import type { CommandRun } from "./cli.ts";
import { reportError } from "./error.ts";
import { VERSION } from "../version.ts";
import { parse } from "./program.ts";
import { PipeClosed, processTerminal } from "./terminal/terminal.ts";
import type { Terminal } from "./terminal/terminal.ts";

/**
 * Carries out a command line (without `node` and the script) and resolves with the exit code of
 * `maestro help exit-codes`. Never rejects; prints what went wrong. The caller sets `process.exitCode`. `called` is how the
 * command was called, where that is known: hints repeat it.
 */
export function main(argv: readonly string[], called?: string): Promise<number> {
  const cwd = workingFolder();
  if (cwd instanceof MaestroError) return reportError(processTerminal(), cwd, { debug: false, data: wantsData(argv) });
  return execute(argv, calledAs(processTerminal(), called, cwd), cwd);
}

/** Somebody may have removed it under the shell. */
function workingFolder(): string | MaestroError {
  try {
    return process.cwd();
  } catch (cause) {
    const fix = "Go to a folder that is there, then try again.";
    return new MaestroError("not_found", "The folder that this command is called in was removed.", { fix, cause });
  }
}

/** The same with any terminal and working folder. */
export async function execute(argv: readonly string[], terminal: Terminal, cwd: string): Promise<number> {
  let debug = argv.includes("--debug");
  let data = wantsData(argv);
  let command = "COMMAND";
  try {
    const parsed = await parse(argv.length === 0 ? ["--help"] : argv, VERSION, terminal.width());
    if (parsed.kind === "text") {
      await terminal.write(parsed.text);
      return 0;
    }
    command = parsed.spec.name;
    const cli = makeCli(terminal, parsed.input, cwd, parsed.spec.formats);
    debug = cli.debug;
    data = cli.output === "json" || cli.output === "jsonl";
    const { run }: { run: CommandRun } = await parsed.spec.load();
    return await run(cli, parsed.input);
  } catch (error) {
    if (error instanceof PipeClosed) return 0;
    return reportError(terminal, named(error, command), { debug, data });
  }
}

/** Whether errors are wanted as data, before the command line is understood. */
function wantsData(argv: readonly string[]): boolean {
  return argv.some(
    (word, i) =>
      word === "--json" ||
      /^(-o|--output)=?jsonl?$/.test(word) ||
      ((word === "-o" || word === "--output") && /^jsonl?$/.test(argv[i + 1] ?? "")),
  );
}

/** A fault in the command line points at the help of the command that was called. */
function named(error: unknown, command: string): unknown {
  if (!(error instanceof MaestroError) || error.fix !== SEE_HELP) return error;
  return usage(error.message, SEE_HELP.replace("COMMAND", command));
}
