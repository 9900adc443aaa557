import { spawn } from "node:child_process";
import type { ChildProcessByStdio } from "node:child_process";
import { homedir, tmpdir } from "node:os";
import type { Readable, Writable } from "node:stream";
import { TaskFailure } from "../task/task.ts";
import { environmentOf, findProgram, findTools } from "./environment.ts";
import type { Tools } from "./environment.ts";
import { DEFAULT_LIMITS, prlimitArguments } from "./limits.ts";
import type { LimitName } from "./limits.ts";
import { killTree, ProcessTree } from "./tree.ts";
import { Watch } from "./watch.ts";

/** A program that stays: it serves many attempts, so it has no sandbox and no limit of CPU time. */
export interface ResidentCommand {
  readonly argv: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
  /** Absolute. */
  readonly cwd: string;
}

export interface Resident {
  readonly pid: number;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Resolves when the program has ended, nothing of its tree lives, and its output was read or is held open by nobody we know. */
  readonly ended: Promise<ResidentEnd>;
  /** Ends the whole tree at once. */
  kill(): void;
}

export interface ResidentEnd {
  readonly exit: number | null;
  readonly signal: string | null;
  readonly limit: LimitName | null;
}

interface ResidentOptions {
  /** Says in the environment whose process it is; children inherit it. */
  readonly marker: string;
  readonly watch?: Watch;
  readonly tools?: Tools;
}

const LIMITS = { ...DEFAULT_LIMITS, cpuSeconds: Infinity };
/** How long output is waited for that a process out of our reach holds open. */
const HELD_OPEN_MS = 1000;

/** Starts it as the engine's own user. Rejects with TaskFailure COMMAND_NOT_FOUND, INPUT_INVALID or UNAVAILABLE. */
export async function startResident(command: ResidentCommand, options: ResidentOptions): Promise<Resident> {
  const { marker, watch = new Watch(), tools = findTools() } = options;
  const environment = environmentOf({ command, home: homedir(), temporary: tmpdir(), marker });
  const program = findProgram(command, command.cwd, environment);
  const [file, ...args] = [
    // It dies with the engine; what it started itself is found by its marker when the next engine starts.
    ...(tools.setpriv === undefined ? [] : [tools.setpriv, "--pdeathsig", "KILL", "--"]),
    ...(tools.prlimit === undefined ? [] : [tools.prlimit, ...fences(watch.threads), "--"]),
    program,
    ...command.argv.slice(1),
  ] as [string, ...string[]];
  const child = spawn(file, args, { cwd: command.cwd, env: { ...environment }, detached: true, stdio: "pipe" });
  const { pid } = child;
  if (pid === undefined) {
    const error = await new Promise<Error>((resolve) => child.once("error", resolve));
    throw new TaskFailure(
      {
        code: "UNAVAILABLE",
        message: `The program could not be started: ${error.message}. The machine is short of something; try again.`,
      },
      { cause: error },
    );
  }
  return reside(child, pid, marker, watch);
}

function fences(threads: number): readonly string[] {
  return prlimitArguments({ ...LIMITS, cpuSeconds: 0 }, threads).filter((argument) => !argument.startsWith("--cpu="));
}

function reside(
  child: ChildProcessByStdio<Writable, Readable, Readable>,
  pid: number,
  marker: string,
  watch: Watch,
): Resident {
  const tree = new ProcessTree(pid, marker);
  let limit: LimitName | null = null;
  let killing: Promise<number> | undefined;
  const kill = (): void => {
    killing ??= killTree(tree);
  };
  const watched = {
    tree,
    limits: LIMITS,
    peakBytes: 0,
    cpuMs: 0,
    threads: 0,
    over: false,
    exceeded(name: LimitName): void {
      limit = name;
      kill();
    },
  };
  watch.add(watched);
  const exited = new Promise<Pick<ResidentEnd, "exit" | "signal">>((resolve) =>
    child.once("exit", (exit, signal) => resolve({ exit, signal })),
  );
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const ended = (async (): Promise<ResidentEnd> => {
    const how = await exited;
    watch.remove(watched);
    kill();
    await killing;
    const timer = setTimeout(() => [child.stdout, child.stderr].forEach((stream) => stream.destroy()), HELD_OPEN_MS);
    await closed;
    clearTimeout(timer);
    return { ...how, limit };
  })();
  // EPIPE: it ended, or closed its input; `ended` tells the one, and the other has no answer, which its caller notices.
  child.stdin.on("error", () => child.stdin.destroy());
  return { pid, stdin: child.stdin, stdout: child.stdout, stderr: child.stderr, ended, kill };
}
