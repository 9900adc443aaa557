import type { WorkloadToken } from "./token.ts";
import type { FromSchema, Json, Schema } from "./from-schema.ts";

/** What a task does to the world besides computing. Maestro's gate is asked for each before an attempt. */
export type Effect = "deploy" | "network" | "process" | "secret" | "spend" | "write";

export interface TaskDefinition<Input extends Schema, Output extends Schema> {
  /** What `uses: name@version` names: lower case letters, digits and dashes. */
  readonly name: string;
  /** From 1. Raise it when the promise changes; runbooks say which one they mean. */
  readonly version: number;
  /** One line: what it does. */
  readonly summary: string;
  /** Markdown, for `maestro task show`. */
  readonly docs?: string;
  readonly effects: readonly Effect[];
  /** JSON Schema 2020-12, of type object. Maestro checks every input against it. */
  readonly input: Input;
  /** JSON Schema 2020-12. Maestro checks every output against it. */
  readonly output: Output;
  /** An input that is valid and complete: documentation, and what `maestro task test` executes. */
  readonly example?: FromSchema<Input>;
  /** Attempts of this task that one process works on at once; default 16. */
  readonly concurrency?: number;
  /** What the schema cannot say: everything that is wrong with an input, one sentence each; empty when it is valid. */
  validate?(input: FromSchema<Input>): readonly string[] | Promise<readonly string[]>;
  /** The work of one attempt. Throw `TaskFailure` to fail with a code of your own; anything else is INTERNAL. */
  execute(context: ExecuteContext<FromSchema<Input>>): FromSchema<Output> | Promise<FromSchema<Output>>;
}

/** One attempt, as `execute` sees it. */
export interface ExecuteContext<Input> {
  readonly input: Input;
  readonly run: string;
  readonly namespace: string;
  readonly task: string;
  /** Of a fan-out, from 0; else -1. */
  readonly item: number;
  /** From 1. */
  readonly attempt: number;
  /** The attempt's own folder: absolute, empty, and gone some time after the run. */
  readonly dir: string;
  /** What relative paths in inputs are meant from, absolute. */
  readonly base: string;
  /** When it will be cancelled, in epoch milliseconds; undefined where the plan has no `timeout.run`. */
  readonly deadline: number | undefined;
  /** The attempt's place in a trace, for the header or variable of that name; undefined where nothing is traced. */
  readonly traceparent: string | undefined;
  readonly tracestate: string | undefined;
  /** The correlation id of the request that the run began with, for the header `x-request-id`. */
  readonly requestId: string | undefined;
  /** A token for one of the audiences that the task names under `identity`; see `workloadToken`. */
  readonly token: (audience: string) => Promise<WorkloadToken>;
  /** Aborted on cancel, timeout and shutdown. Hand it to `fetch` and timers, and stop. */
  readonly signal: AbortSignal;
  /** A line of the attempt's log. What `console.log` prints while the attempt runs goes there, too. */
  readonly log: (line: string) => void;
  /** How far it is. Also a sign of life. */
  readonly progress: (done: number, total?: number) => void;
  /** Keeps a file of `dir` when the attempt ends; its name is the path, unless given. */
  readonly artifact: (path: string, name?: string) => void;
  /** Adds to what the run has used. */
  readonly usage: (used: { readonly usdMicros?: number; readonly tokens?: number }) => void;
  /** A sign of life, for `timeout.heartbeat`. */
  readonly heartbeat: () => void;
}

/** A task type, as `defineTask` makes it and `serve` takes it. */
export interface Task {
  readonly [DEFINED]: true;
  readonly description: Description;
  readonly concurrency: number;
  readonly validates: boolean;
  validate(input: unknown): Promise<readonly string[]>;
  execute(context: ExecuteContext<unknown>): Promise<Json>;
}

/** What the program says about itself in the task protocol. */
export interface Description {
  readonly name: string;
  readonly version: number;
  readonly summary: string;
  readonly docs?: string;
  readonly effects: readonly Effect[];
  readonly input: Schema;
  readonly output: Schema;
  readonly example?: unknown;
}

/** Told apart also between two copies of this package. */
const DEFINED = Symbol.for("summit-maestro.task/v1");

const DEFAULT_CONCURRENCY = 16;

/** A task type. The types of input and output are those of the schemas, so write these in place. */
export function defineTask<const Input extends Schema, const Output extends Schema>(
  definition: TaskDefinition<Input, Output>,
): Task {
  const { name, version, summary, docs, effects, input, output, example } = definition;
  return {
    [DEFINED]: true,
    description: {
      name,
      version,
      summary,
      ...(docs === undefined ? {} : { docs }),
      effects,
      input,
      output,
      ...(example === undefined ? {} : { example }),
    },
    concurrency: definition.concurrency ?? DEFAULT_CONCURRENCY,
    validates: definition.validate !== undefined,
    // Maestro has checked the input against the schema, which is what makes it of that type.
    validate: async (value) => (await definition.validate?.(value as FromSchema<Input>)) ?? [],
    execute: async (context) => (await definition.execute(context as ExecuteContext<FromSchema<Input>>)) as Json,
  };
}

export function isTask(value: unknown): value is Task {
  return typeof value === "object" && value !== null && DEFINED in value;
}

/** How a task says that it failed. `code` is what `retry.on` in a runbook reads: upper case letters, digits and `_`. */
export class TaskFailure extends Error {
  readonly code: string;
  readonly final: boolean;
  readonly details: Json | undefined;
  readonly output: Json | undefined;

  constructor(
    code: string,
    message: string,
    options: {
      /** Trying again cannot help. */
      readonly final?: boolean;
      /** Particulars, for expressions. */
      readonly details?: Json;
      /** Something worth keeping although it failed. */
      readonly output?: Json;
      readonly cause?: unknown;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "TaskFailure";
    this.code = code;
    this.final = options.final ?? false;
    this.details = options.details;
    this.output = options.output;
  }
}
