import { mkdir, rm, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { JsonObject, JsonValue } from "../core/json.ts";
import type { Command, CommandResult } from "../runner/runner.ts";
import { inputPath, task } from "./define.ts";
import { execDescription } from "./exec-description.ts";
import { parseJson, readJsonFile, unreadable } from "./json-file.ts";
import { lastWords } from "./last-words.ts";
import { TaskFailure } from "./task.ts";
import type { TaskContext, TaskType } from "./task.ts";

type Scalar = string | number | boolean;

interface Input {
  readonly argv?: readonly [Scalar, ...Scalar[]];
  readonly script?: string;
  readonly shell?: string;
  readonly env?: Readonly<Record<string, Scalar>>;
  readonly cwd?: string;
  readonly stdin?: JsonValue;
  readonly output?: { readonly from: "stdout-json" | "stdout-text" | "file"; readonly path?: string };
  readonly captureBytes?: number;
  readonly writable?: readonly string[];
  readonly network?: boolean;
  readonly successExitCodes?: readonly number[];
}

/** One argument of a command is at most 128 KiB on Linux (MAX_ARG_STRLEN); a script becomes one. */
const MAX_ARGUMENT_BYTES = 128 * 1024 - 1;
const DEFAULT_CAPTURE_BYTES = 1024 * 1024;
const MAX_FILE_BYTES = 16 * 1024 * 1024;

export const exec: TaskType = {
  description: execDescription,
  init: (context) => task<Input>({ check: problemsOf, work: (input) => execute(input, context) }),
};

function problemsOf(input: Input): readonly string[] {
  const problems: string[] = [];
  if (input.shell !== undefined && input.script === undefined) problems.push("shell: goes with script only");
  for (const [i, argument] of (input.argv ?? [input.script ?? ""]).entries()) {
    const where = input.argv === undefined ? "script" : `argv[${i}]`;
    if (String(argument).includes("\0")) problems.push(`${where}: holds a NUL character, which no argument can carry`);
    if (Buffer.byteLength(String(argument)) > MAX_ARGUMENT_BYTES)
      problems.push(`${where}: is longer than ${MAX_ARGUMENT_BYTES} bytes; pass it by stdin or in a file`);
  }
  if (input.argv !== undefined && String(input.argv[0]).trim() === "") problems.push("argv[0]: names no program");
  for (const [name, value] of Object.entries(input.env ?? {})) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
      problems.push(`env: ${JSON.stringify(name)} is no name of an environment variable`);
    if (name.startsWith("MAESTRO_"))
      problems.push(`env: ${name} is reserved; names that begin with MAESTRO_ are set by the engine`);
    if (String(value).includes("\0")) problems.push(`env: ${name} holds a NUL character`);
  }
  if (input.output?.path !== undefined && input.output.from !== "file")
    problems.push('output.path: goes with `from: "file"` only');
  return problems;
}

async function execute(input: Input, context: TaskContext): Promise<JsonValue> {
  const dir = context.dir();
  const outputFile = join(dir, ".maestro", "output.json");
  await mkdir(join(dir, ".maestro"), { recursive: true });
  // A folder that is used again must not hand on the result of an earlier attempt.
  await rm(outputFile, { force: true });

  const command = commandOf(input, context, outputFile);
  const result = await context.command(command);
  context.signal.throwIfAborted();
  const name = input.argv === undefined ? "The script" : String(input.argv[0]);
  const failure = failureOf(name, result, input.successExitCodes ?? [0], context);
  if (failure !== undefined) throw await withOutput(failure, outputFile);
  return { exit: result.exit ?? 0, ...(await collect(input, result, dir, outputFile)) };
}

function commandOf(input: Input, context: TaskContext, outputFile: string): Command {
  const capture = input.output?.from === "stdout-json" || input.output?.from === "stdout-text";
  return {
    argv:
      input.argv === undefined
        ? shellCommand(input.shell ?? "sh", input.script ?? "")
        : [String(input.argv[0]), ...input.argv.slice(1).map(String)],
    env: {
      ...Object.fromEntries(Object.entries(input.env ?? {}).map(([name, value]) => [name, String(value)])),
      MAESTRO_OUTPUT: outputFile,
      MAESTRO_DIR: context.dir(),
      MAESTRO_BASE: context.base,
      MAESTRO_RUN: context.run,
      MAESTRO_TASK: context.task,
      MAESTRO_ITEM: String(context.item),
      MAESTRO_ATTEMPT: String(context.attempt),
    },
    cwd: input.cwd === undefined ? context.dir() : inputPath(context, input.cwd),
    ...(input.stdin === undefined
      ? {}
      : { stdin: typeof input.stdin === "string" ? input.stdin : JSON.stringify(input.stdin) }),
    writable: (input.writable ?? []).map((path) => inputPath(context, path)),
    network: input.network ?? false,
    captureBytes: capture ? (input.captureBytes ?? DEFAULT_CAPTURE_BYTES) : 0,
  };
}

/** The script is one argument, never pasted into another text; it stops at the first command that fails. */
function shellCommand(shell: string, script: string): readonly [string, ...string[]] {
  return shell === "bash"
    ? ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script, "script"]
    : [shell, "-e", "-c", script, "script"];
}

function failureOf(
  name: string,
  result: CommandResult,
  success: readonly number[],
  context: TaskContext,
): TaskFailure | undefined {
  if (result.limit !== null) {
    return new TaskFailure({
      code: "LIMIT",
      message: `${name} was ended because it reached its limit of ${limitText(result.limit, context)}. Raise \`runner.limits\` or make it need less.`,
      details: { limit: result.limit },
    });
  }
  const stderr = lastWords(result.stderrTail);
  const words =
    stderr === "" ? "It wrote nothing to stderr; `maestro logs` has its output." : `Its last words:\n${stderr}`;
  if (result.signal !== null)
    return new TaskFailure({
      code: "SIGNAL",
      message: `${name} was ended by ${result.signal}. ${words}`,
      details: { signal: result.signal, stderr },
    });
  const exit = result.exit ?? -1;
  if (success.includes(exit)) return undefined;
  return new TaskFailure({
    code: "EXIT",
    message: `${name} exited with ${exit}${exitMeaning(exit)}. ${words}`,
    details: { exit, stderr },
  });
}

function limitText(limit: NonNullable<CommandResult["limit"]>, { limits }: TaskContext): string {
  const value = {
    memory: limits.memoryBytes,
    cpu: limits.cpuSeconds,
    file: limits.fileBytes,
    processes: limits.processes,
  }[limit];
  const words = {
    memory: ["bytes of memory", "memory"],
    cpu: ["seconds of CPU time", "CPU time"],
    file: ["bytes per file", "file size"],
    processes: ["processes", "the number of processes"],
  }[limit];
  return value === undefined ? (words[1] ?? limit) : `${value} ${words[0]}`;
}

/** POSIX shell, section 2.8.2: what 126 and 127 say. */
function exitMeaning(exit: number): string {
  if (exit === 127) return " (a command was not found)";
  return exit === 126 ? " (a command may not be executed)" : "";
}

/** What the command said before it failed is worth keeping; whether it is well-formed no longer matters. */
async function withOutput(failure: TaskFailure, outputFile: string): Promise<TaskFailure> {
  const value = await readOutputFile(outputFile).catch((thrown: unknown) => {
    if (thrown instanceof TaskFailure) return undefined;
    throw thrown;
  });
  return value === undefined ? failure : new TaskFailure(failure.error, { output: { value } });
}

async function collect(input: Input, result: CommandResult, dir: string, outputFile: string): Promise<JsonObject> {
  switch (input.output?.from) {
    case "stdout-text":
      // A cut may fall inside a character: what is left of it becomes U+FFFD, never an error.
      return { stdout: new TextDecoder().decode(result.stdout), truncated: result.stdoutTruncated };
    case "stdout-json":
      return { value: jsonOf(result) };
    case "file": {
      const file = input.output.path === undefined ? outputFile : resolve(dir, input.output.path);
      const value = await readOutputFile(file);
      if (value !== undefined) return { value };
      const where =
        input.output.path === undefined ? "the file that MAESTRO_OUTPUT names" : `${input.output.path} in its folder`;
      throw new TaskFailure({
        code: "OUTPUT_INVALID",
        message: `The command succeeded but did not write ${where}.`,
        final: true,
      });
    }
    default: {
      const value = await readOutputFile(outputFile);
      return value === undefined ? {} : { value };
    }
  }
}

function jsonOf(result: CommandResult): JsonValue {
  if (result.stdoutTruncated) {
    throw new TaskFailure({
      code: "OUTPUT_INVALID",
      message: `The command wrote more than ${result.stdout.length} bytes to stdout, so its JSON is not complete. Raise \`captureBytes\`, or write it to a file and use \`output: { from: file }\`.`,
      final: true,
    });
  }
  const parsed = parseJson(result.stdout);
  if (parsed.ok) return parsed.value;
  throw new TaskFailure({
    code: "OUTPUT_INVALID",
    message: `The command's stdout is not JSON: ${parsed.message}. It must write one JSON value and nothing else; send messages to stderr.`,
    final: true,
  });
}

async function readOutputFile(file: string): Promise<JsonValue | undefined> {
  const found = await stat(file).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT" || cause.code === "ENOTDIR") return undefined;
    throw unreadable(file, cause);
  });
  if (found === undefined) return undefined;
  try {
    return await readJsonFile(file, MAX_FILE_BYTES);
  } catch (thrown) {
    if (!(thrown instanceof TaskFailure)) throw thrown;
    throw new TaskFailure({ ...thrown.error, code: "OUTPUT_INVALID" }, { cause: thrown });
  }
}
