import { spawn, type ChildProcess } from "node:child_process";
import { rm } from "node:fs/promises";
import type { Readable } from "node:stream";
import type { CommandLimits } from "../core/plan.ts";
import { TaskFailure } from "../task/task.ts";
import { ARGS_FD, FILTER_FD, STATUS_FD, type Launch } from "./launch.ts";
import { limitOf, type LimitName } from "./limits.ts";
import { Capture, signalOfExit, Spent, Tail } from "./output.ts";
import type { Command, CommandContext, CommandResult } from "./runner.ts";
import { killTree, ProcessTree, readProcesses, scanFrom, sendSignal } from "./tree.ts";
import type { Watch, Watched } from "./watch.ts";

export interface ChildRequest {
  readonly launch: Launch;
  readonly command: Command;
  readonly context: CommandContext;
  readonly limits: Required<CommandLimits>;
  readonly marker: string;
  readonly watch: Watch;
}

export type ChildEnd = Omit<CommandResult, "isolation">;

const DEFAULT_CAPTURE = 1 << 20;
/** How long output is waited for when whoever held it open is dead or out of reach. */
const HELD_OPEN_MS = 2000;

/** Runs one child and its tree to the end. Rejects with TaskFailure where it could not be started. */
export async function runChild(request: ChildRequest): Promise<ChildEnd> {
  const began = performance.now();
  const { launch, context } = request;
  const child = start(launch, request.command.stdin !== undefined);
  const { pid } = child;
  if (pid === undefined) throw await notStarted(child);
  const tree = new ProcessTree(pid, request.marker);
  const output = collect(child, request);
  feed(child, launch, request.command.stdin);
  const ender = new Ender(tree, launch.sandbox !== undefined, context);
  const watched: Watched = {
    tree,
    limits: request.limits,
    peakBytes: 0,
    cpuMs: 0,
    threads: 0,
    over: false,
    exceeded: (limit) => ender.exceeded(limit),
  };
  request.watch.add(watched);
  try {
    const { exit, signal } = await exited(child);
    await ender.finish();
    await closed(child);
    const calledOff = context.signal.aborted || context.force?.aborted === true;
    if (launch.sandbox !== undefined && output.status === undefined && !calledOff && ender.limit === null)
      throw sandboxFailed(output.stderr.text(), signal);
    const sandboxSignal = launch.sandbox === undefined ? undefined : signalOfExit(output.status ?? exit);
    const end = {
      exit: sandboxSignal === undefined ? exit : null,
      signal: sandboxSignal ?? signal,
      stderrTail: output.stderr.text(),
    };
    return {
      ...end,
      stdout: output.stdout.bytes(),
      stdoutTruncated: output.stdout.truncated,
      limit:
        ender.limit ??
        (context.signal.aborted
          ? null
          : limitOf({ ...end, peakBytes: watched.peakBytes, cpuMs: watched.cpuMs }, request.limits)),
      wallMs: performance.now() - began,
    };
  } finally {
    request.watch.remove(watched);
    ender.stop();
    if (launch.temporary !== undefined) await rm(launch.temporary, { recursive: true, force: true });
  }
}

function start(launch: Launch, stdin: boolean): ChildProcess {
  try {
    return spawn(launch.file, [...launch.args], {
      cwd: launch.cwd,
      env: { ...launch.env },
      // A session of its own, so that its group can be signalled and no terminal is shared.
      detached: true,
      stdio: [
        stdin ? "pipe" : "ignore",
        "pipe",
        "pipe",
        ...(launch.sandbox === undefined ? [] : (["pipe", "pipe", "pipe"] as const)),
      ],
    });
  } catch (error) {
    throw startFailure(error);
  }
}

async function notStarted(child: ChildProcess): Promise<TaskFailure> {
  const error = await new Promise<unknown>((resolve) => child.once("error", resolve));
  return startFailure(error);
}

function startFailure(error: unknown): TaskFailure {
  const { code = "unknown", message } = error as NodeJS.ErrnoException;
  if (code === "E2BIG")
    return new TaskFailure(
      {
        code: "INPUT_INVALID",
        final: true,
        message:
          "Arguments and environment together are larger than the system allows. Pass large values by stdin or by a file.",
      },
      { cause: error },
    );
  return new TaskFailure(
    {
      code: "UNAVAILABLE",
      message: `The command could not be started: ${message}. The machine is short of something (processes, descriptors, memory); try again.`,
    },
    { cause: error },
  );
}

function sandboxFailed(stderr: string, signal: string | null): TaskFailure {
  const said = stderr.trim() === "" ? `it ended by ${signal ?? "itself"} without a word` : stderr.trim();
  return new TaskFailure({
    code: "ISOLATION",
    message: `The sandbox could not be built, so the command was not started: ${said}. As root, sandboxed commands run as nobody: the working folder and what it names must be readable by everybody.`,
  });
}

interface Output {
  readonly stdout: Capture;
  readonly stderr: Tail;
  /** The exit code as bubblewrap reports it; undefined where the command never ran. */
  status: number | undefined;
}

/** Memory of so many bytes that were handed to the log is worth asking whether it has written them. */
const SPENT_BYTES = 1 << 20;

/** Hands output on as it comes, and stops reading while the log cannot follow: the pipe then holds the writer. */
function collect(child: ChildProcess, { command, context }: ChildRequest): Output {
  const output: Output = {
    stdout: new Capture(command.captureBytes ?? DEFAULT_CAPTURE),
    stderr: new Tail(),
    status: undefined,
  };
  const streams = [child.stdout, child.stderr].filter((stream) => stream !== null);
  const spent = new Spent();
  let paused = false;
  let waiting = false;
  const pass = (name: "stdout" | "stderr", bytes: Buffer, kept: boolean): void => {
    const goOn = context.log(name, bytes);
    if (!kept) spent.add(bytes);
    if (!goOn && !paused) {
      paused = true;
      for (const stream of streams) stream.pause();
    }
    if (waiting || (goOn && spent.bytes < SPENT_BYTES)) return;
    waiting = true;
    const release = spent.take();
    const drained = (): void => {
      waiting = false;
      release();
      if (paused) for (const stream of streams) stream.resume();
      paused = false;
    };
    context.drained().then(drained, drained);
  };
  child.stdout?.on("data", (bytes: Buffer) => {
    const captured = output.stdout.add(bytes);
    pass("stdout", bytes, captured || command.onStdout !== undefined);
  });
  child.stderr?.on("data", (bytes: Buffer) => {
    output.stderr.add(bytes);
    pass("stderr", bytes, false);
  });
  const status = (child.stdio as readonly unknown[])[STATUS_FD] as Readable | undefined;
  let report = "";
  status?.on("data", (bytes: Buffer) => {
    report += bytes.toString("latin1");
    const code = /"exit-code":\s*(\d+)/.exec(report)?.[1];
    if (code !== undefined) output.status = Number(code);
  });
  return output;
}

function feed(child: ChildProcess, launch: Launch, stdin: string | Uint8Array | undefined): void {
  if (stdin !== undefined) give(child.stdin, stdin);
  if (launch.sandbox === undefined) return;
  give(child.stdio[ARGS_FD], launch.sandbox.args);
  give(child.stdio[FILTER_FD], launch.sandbox.filter ?? Buffer.alloc(0));
}

function give(stream: unknown, bytes: string | Uint8Array): void {
  const pipe = stream as NodeJS.WritableStream & {
    on(event: "error", listener: (error: NodeJS.ErrnoException) => void): void;
  };
  pipe.on("error", (error) => {
    // A command may end, or close its input, before it read all of it; that is its good right.
    if (error.code !== "EPIPE" && error.code !== "ECONNRESET") pipe.emit("close");
  });
  pipe.end(bytes);
}

function exited(child: ChildProcess): Promise<{ readonly exit: number | null; readonly signal: string | null }> {
  return new Promise((resolve) => child.once("exit", (exit, signal) => resolve({ exit, signal })));
}

/** All output has been read. What is held open from beyond our reach is let go after a while. */
function closed(child: ChildProcess): Promise<void> {
  const open = child.stdio.filter((stream) => stream !== null && stream !== undefined && !stream.closed) as Readable[];
  return new Promise((resolve) => {
    let left = open.length;
    if (left === 0) return resolve();
    let seen = 0;
    const timer = setInterval(() => {
      const read = open.reduce((sum, stream) => sum + ((stream as { bytesRead?: number }).bytesRead ?? 0), 0);
      if (read === seen && open.every((stream) => !stream.isPaused?.())) for (const stream of open) stream.destroy();
      seen = read;
    }, HELD_OPEN_MS);
    for (const stream of open) {
      stream.once("close", () => {
        left -= 1;
        if (left > 0) return;
        clearInterval(timer);
        resolve();
      });
    }
  });
}

/** Ends a tree: politely on abort, at once when its grace is over, when it is forced or when it broke a limit. */
class Ender {
  limit: LimitName | null = null;
  readonly #tree: ProcessTree;
  readonly #sandboxed: boolean;
  readonly #context: CommandContext;
  #timer: NodeJS.Timeout | undefined;
  #killing: Promise<number> | undefined;

  constructor(tree: ProcessTree, sandboxed: boolean, context: CommandContext) {
    this.#tree = tree;
    this.#sandboxed = sandboxed;
    this.#context = context;
    context.signal.addEventListener("abort", this.#abort, { once: true });
    context.force?.addEventListener("abort", this.#kill, { once: true });
    if (context.signal.aborted) this.#abort();
  }

  exceeded(limit: LimitName): void {
    this.limit ??= limit;
    this.#kill();
  }

  /** After the command itself ended: nothing of it stays. A sandbox's processes end with its first one; the kernel sees to it. */
  async finish(): Promise<void> {
    if (!this.#sandboxed) this.#kill();
    await this.#killing;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#context.signal.removeEventListener("abort", this.#abort);
    this.#context.force?.removeEventListener("abort", this.#kill);
  }

  readonly #abort = (): void => {
    if (this.#context.graceMs <= 0 || this.#context.force?.aborted === true) return this.#kill();
    this.#timer = setTimeout(this.#kill, this.#context.graceMs);
    const { root } = this.#tree;
    const members = this.#tree.members(readProcesses(scanFrom(root)));
    // bubblewrap's two own processes would take the sandbox down at once, without the grace.
    const asked = this.#sandboxed ? members.filter((member) => member.pid !== root && member.parent !== root) : members;
    for (const member of asked) sendSignal(member.pid, "SIGTERM");
    if (asked.length === 0) sendSignal(-root, "SIGTERM");
  };

  readonly #kill = (): void => {
    clearTimeout(this.#timer);
    this.#killing ??= killTree(this.#tree);
  };
}
