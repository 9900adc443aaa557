import { accessSync, closeSync, constants, openSync, readSync, realpathSync, statSync } from "node:fs";
import { delimiter, isAbsolute, join, resolve } from "node:path";
import { TaskFailure } from "../task/task.ts";
import type { Command } from "./runner.ts";
import { MARKER } from "./tree.ts";

/** Where the helpers of the runner are looked for: never in a user's PATH, since some of them run as root. */
const SYSTEM_FOLDERS = ["/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin"];
const SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Helpers of the system, each absent where it is not installed. */
export interface Tools {
  readonly bwrap?: string;
  readonly prlimit?: string;
  readonly setpriv?: string;
  readonly env?: string;
}

export function findTools(): Tools {
  const tools: Record<string, string> = {};
  for (const name of ["bwrap", "prlimit", "setpriv", "env"] satisfies readonly (keyof Tools)[]) {
    const found = SYSTEM_FOLDERS.map((folder) => join(folder, name)).find(isExecutable);
    if (found !== undefined) tools[name] = found;
  }
  return tools;
}

export interface EnvironmentRequest {
  readonly command: Command;
  readonly home: string;
  readonly temporary: string;
  readonly marker: string;
  /** The socket of its tokens, as the command sees it. */
  readonly tokenSocket?: string | undefined;
}

/** The whole environment of a command: five names and what the task gives; nothing of the engine's own but PATH. */
export function environmentOf({
  command,
  home,
  temporary,
  marker,
  tokenSocket,
}: EnvironmentRequest): Readonly<Record<string, string>> {
  for (const [name, value] of Object.entries(command.env ?? {})) {
    if (!/^[^=\0]+$/.test(name) || value.includes("\0")) {
      throw new TaskFailure({
        code: "INPUT_INVALID",
        final: true,
        message: `The environment name ${JSON.stringify(name)} cannot be set: a name has no "=", and neither name nor value has a NUL character.`,
      });
    }
  }
  return {
    PATH: process.env["PATH"] ?? SYSTEM_PATH,
    HOME: home,
    TMPDIR: temporary,
    LANG: "C.UTF-8",
    ...command.env,
    ...(tokenSocket === undefined ? {} : { MAESTRO_TOKEN_SOCKET: tokenSocket }),
    [MARKER]: marker,
  };
}

/**
 * The program a command names, as an absolute path. Looked up before anything starts, because behind sandbox and
 * limits a missing program is only some helper's exit code.
 */
export function findProgram(command: Command, cwd: string, environment: Readonly<Record<string, string>>): string {
  const name = command.argv[0];
  if (command.argv.some((part) => part.includes("\0")))
    throw new TaskFailure({
      code: "INPUT_INVALID",
      final: true,
      message: "An argument holds a NUL character, which no program can be given.",
    });
  if (statSync(cwd, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new TaskFailure({
      code: "INPUT_INVALID",
      final: true,
      message: `The working folder ${cwd} does not exist or is not a folder.`,
    });
  }
  if (name.includes("/")) {
    const path = resolve(cwd, name);
    if (isExecutable(path)) return path;
    throw notFound(
      `There is no executable file ${path}.`,
      "Check the path; a script needs `chmod +x` and a `#!` line.",
    );
  }
  const folders = (environment["PATH"] ?? "").split(delimiter).filter((folder) => isAbsolute(folder));
  const found = name === "" ? undefined : folders.map((folder) => join(folder, name)).find(isExecutable);
  if (found !== undefined) return found;
  throw notFound(
    `There is no command ${JSON.stringify(name)} on this machine.`,
    `Looked in ${folders.join(", ")}. Install it, or give its absolute path.`,
  );
}

function notFound(what: string, advice: string): TaskFailure {
  return new TaskFailure({ code: "COMMAND_NOT_FOUND", final: true, message: `${what} ${advice}` });
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false; // Missing and forbidden are the same here: it cannot be run.
  }
}

/** The program and, for scripts, the program its first line names: what a sandbox must show for it to start. */
export function programFiles(program: string): readonly string[] {
  const real = realpathSync(program);
  const interpreter = /^#!\s*(\/\S+)/.exec(firstBytes(real))?.[1];
  return interpreter === undefined ? [program, real] : [program, real, interpreter];
}

function firstBytes(path: string): string {
  const file = openSync(path, "r");
  try {
    const buffer = Buffer.alloc(256);
    return buffer.toString("latin1", 0, readSync(file, buffer, 0, buffer.byteLength, 0));
  } finally {
    closeSync(file);
  }
}
