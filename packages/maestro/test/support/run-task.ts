import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer, text } from "node:stream/consumers";
import type { JsonObject, JsonValue } from "../../src/core/json.ts";
import type { TraceContext } from "../../src/core/trace-context.ts";
import type { Command, CommandResult } from "../../src/runner/runner.ts";
import { compileSchema } from "../../src/task/json-schema.ts";
import { TaskFailure } from "../../src/task/task.ts";
import type { TaskContext, TaskEvent, TaskType } from "../../src/task/task.ts";

/** Folders and an abort switch for attempts of one test; `dispose` removes the folders. */
export interface Workbench extends Disposable {
  /** The folder the run was started in. */
  readonly base: string;
  /** The attempt's folder. */
  readonly dir: string;
  readonly abort: AbortController;
  readonly events: TaskEvent[];
  /** What an attempt sees, for parts of a type. */
  readonly context: TaskContext;
  /** One attempt as the engine makes it: schema, validate, execute, schema of the output. */
  run(type: TaskType, input: JsonObject): Promise<JsonValue>;
  /** The same, where a TaskFailure is expected. */
  fail(type: TaskType, input: JsonObject): Promise<TaskFailure>;
}

/** `command` answers in place of the child process, for results that are hard to bring about (limits). */
export function workbench(
  options: {
    readonly command?: (command: Command) => CommandResult;
    readonly environment?: Readonly<Record<string, string>>;
    readonly trace?: TraceContext;
  } = {},
): Workbench {
  const root = mkdtempSync(join(tmpdir(), "maestro-task-"));
  const base = join(root, "base");
  // As the engine lays them out: data directory, run, attempt.
  const dir = join(root, "data", "work", "r_0123456789abcdefghj", "attempt");
  mkdirSync(base);
  mkdirSync(dir, { recursive: true });
  const abort = new AbortController();
  const events: TaskEvent[] = [];
  const context: TaskContext = {
    run: "r_0123456789abcdefghj",
    namespace: "test",
    task: "subject",
    item: -1,
    attempt: 1,
    signal: abort.signal,
    graceMs: 1000,
    trace: options.trace,
    drained: async () => undefined,
    resident: () => undefined,
    tokenSocket: async () => undefined,
    dir: () => dir,
    base,
    now: () => Date.now(),
    environment: (name) => options.environment?.[name],
    lease: async () => undefined,
    emit: (event) => void events.push(event),
    command: async (command) => options.command?.(command) ?? runCommand(command, dir, abort.signal),
    sandbox: "none",
    limits: {},
  };
  const run = async (type: TaskType, input: JsonObject): Promise<JsonValue> => {
    assert.deepEqual(compileSchema(type.description.input)(input), [], "the input fits the schema");
    const task = type.init(context);
    const problems = task.validate(input);
    if (problems.length > 0)
      throw new TaskFailure({ code: "INPUT_INVALID", message: problems.join("; "), final: true });
    const output = await task.execute();
    assert.deepEqual(compileSchema(type.description.output)(output), [], "the output fits the schema");
    return output;
  };
  return {
    base,
    dir,
    abort,
    events,
    context,
    run,
    fail: async (type, input) => {
      try {
        const output = await run(type, input);
        assert.fail(`it succeeded with ${JSON.stringify(output)}`);
      } catch (thrown) {
        if (thrown instanceof TaskFailure) return thrown;
        throw thrown;
      }
    },
    [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }),
  };
}

/** A small real runner: no sandbox, no limits, no log. */
async function runCommand(command: Command, dir: string, signal: AbortSignal): Promise<CommandResult> {
  const [file, ...args] = command.argv;
  const child = spawn(file, args, {
    cwd: command.cwd ?? dir,
    env: { PATH: process.env["PATH"], HOME: dir, ...command.env },
    signal,
    stdio: "pipe",
  });
  child.stdin.on("error", (error: NodeJS.ErrnoException) => assert.equal(error.code, "EPIPE"));
  child.stdin.end(command.stdin ?? "");
  const ended = new Promise<{ exit: number | null; signal: string | null }>((resolve, reject) => {
    child.on("error", (cause) =>
      reject(
        signal.aborted
          ? (signal.reason as Error)
          : new TaskFailure({ code: "UNAVAILABLE", message: cause.message }, { cause }),
      ),
    );
    child.on("close", (exit, by) => resolve({ exit, signal: by }));
  });
  const [end, stdout, stderr] = await Promise.all([ended, buffer(child.stdout), text(child.stderr)]);
  const limit = command.captureBytes ?? 1024 * 1024;
  return {
    ...end,
    stdout: stdout.subarray(0, limit),
    stdoutTruncated: stdout.length > limit,
    stderrTail: stderr.slice(-4096),
    limit: null,
    isolation: {
      declared: "none",
      measured: "none",
      backend: "none",
      network: true,
      writableRoot: true,
      capabilities: true,
      ownProcesses: true,
      uid: 0,
    },
    wallMs: 1,
  };
}
