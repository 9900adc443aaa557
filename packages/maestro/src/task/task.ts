import type { Isolation, TaskError } from "../core/event.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import type { CommandLimits, PlanTask, Sandbox } from "../core/plan.ts";
import type { TaskDescription } from "../core/task-description.ts";
import type { TraceContext } from "../core/trace-context.ts";
import type { Command, CommandResult } from "../runner/runner.ts";

export type { TaskDescription } from "../core/task-description.ts";

/**
 * A task type: what `uses: name@version` names. Its description is data (it is digested into plans, checked by the
 * compiler, printed by `maestro task show`); `init` makes the object that carries out one attempt.
 */
export interface TaskType {
  readonly description: TaskDescription;
  /** Of a program that stays: how many attempts it has room for where a plan wants this runner; absent: it is started for each. */
  places?(runner: PlanTask["runner"]): number;
  /** One attempt. Must not start work; may keep `context`. */
  init(context: TaskContext): Task;
}

export interface Task {
  /** What the schema cannot say. Called after the input passed the schema; every problem at once, empty when valid. */
  validate(input: JsonObject): readonly string[];
  /** Does the work; resolves with the output. Called once, after validate. Rejects with TaskFailure, or anything else for INTERNAL. */
  execute(): Promise<JsonValue>;
}

export interface TaskContext {
  readonly run: string;
  readonly namespace: string;
  readonly task: string;
  readonly item: number;
  readonly attempt: number;
  /** Aborted on cancel, timeout and shutdown; its reason is a TaskFailure. Stop work and reject. */
  readonly signal: AbortSignal;
  /** Epoch milliseconds at which it will be aborted, where the plan has `timeout.run`. */
  readonly deadline?: number | undefined;
  /** How long work that was called off may take to end by itself. */
  readonly graceMs: number;
  /** Its place in a trace, to be told to whoever it calls; undefined: no trace. */
  readonly trace?: TraceContext | undefined;
  /** The correlation id of the request that its run began with, to be told likewise. */
  readonly requestId?: string | undefined;
  /** The socket of the attempt's tokens, made by the first call; undefined: its task may have none. Commands are told of it without that. */
  tokenSocket(): Promise<string | undefined>;
  /** The attempt's own folder, absolute; made on the first call. */
  dir(): string;
  /** Relative paths in inputs are meant from here: the folder the run was started in. */
  readonly base: string;
  /** Epoch milliseconds. */
  now(): number;
  /** A variable of the environment the engine was started in: only for credentials that an input names. */
  environment(name: string): string | undefined;
  /** Leave to read a credential, `env:NAME` or `file:PATH`. Rejects with TaskFailure `DENIED` where policy says no. */
  lease(secret: string): Promise<void>;
  /** What the attempt reports while it works. */
  emit(event: TaskEvent): void;
  /** Resolves when the log has room again; who passes on what others write waits for it now and then. */
  drained(): Promise<void>;
  /** Says that the work was done by a program that stays, and how isolated that is. */
  resident(isolation: Isolation): void;
  /** Runs a command under the runner and sandbox the plan gives this task. Only for types with `runs: "process"`. */
  command(command: Command): Promise<CommandResult>;
  readonly sandbox: Sandbox;
  readonly limits: CommandLimits;
}

export type TaskEvent =
  | { readonly kind: "log"; readonly stream: "stdout" | "stderr" | "info"; readonly bytes: Uint8Array | string }
  | { readonly kind: "progress"; readonly done: number; readonly total?: number }
  /** A file to keep as an artifact; `path` absolute or relative to dir(). */
  | { readonly kind: "artifact"; readonly name: string; readonly path: string }
  | { readonly kind: "usage"; readonly usdMicros?: number; readonly tokens?: number }
  | { readonly kind: "heartbeat" };

/** How a task says that it failed, with a code that `retry.on` can read. */
export class TaskFailure extends Error {
  readonly error: TaskError;
  /** Something worth keeping although it failed (a response body, a diff). */
  readonly output: JsonValue | undefined;

  constructor(error: TaskError, options: { readonly output?: JsonValue; readonly cause?: unknown } = {}) {
    super(error.message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "TaskFailure";
    this.error = error;
    this.output = options.output;
  }
}
