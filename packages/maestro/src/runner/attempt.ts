import { canonical } from "../core/canonical.ts";
import type { Artifact, AttemptFacts, AttemptResult, TaskError } from "../core/event.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import type { CommandLimits, Sandbox } from "../core/plan.ts";
import { MaestroError, messageOf } from "../core/problem.ts";
import type { TraceContext } from "../core/trace-context.ts";
import type { Lease, Lessee } from "../identity/lease-desk.ts";
import type { OpenTokens, Workload } from "../identity/workload.ts";
import type { BlobStore } from "../store/blobs.ts";
import { compileChecked, type SchemaError } from "../task/json-schema.ts";
import { TaskFailure, type TaskEvent, type TaskType } from "../task/task.ts";
import { collectArtifacts } from "./artifacts.ts";
import { AttemptContext } from "./attempt-context.ts";
import { keepError } from "./keep-error.ts";
import type { LogStore } from "./logs.ts";
import type { Runner } from "./runner.ts";

/** One attempt, ready to be carried out. */
export interface AttemptRequest {
  readonly run: string;
  readonly namespace: string;
  readonly task: string;
  readonly item: number;
  readonly attempt: number;
  readonly type: TaskType;
  readonly input: JsonObject;
  readonly sandbox: Sandbox;
  readonly limits: CommandLimits;
  /** Globs, relative to `dir`. */
  readonly artifacts: readonly string[];
  /** Absolute; made when the task first asks for it. */
  readonly dir: string;
  /** Absolute; what relative paths of inputs are meant from. */
  readonly base: string;
  /** Folders of other runs whose files this one has got by a result that it reused. */
  readonly lent?: readonly string[];
  /** Its reason is a TaskFailure. Looked at only when the task does or something failed, so a caller may make it lazily. */
  readonly signal: AbortSignal;
  /** Between SIGTERM and SIGKILL; read when the signal fires. */
  readonly graceMs: number;
  /** Epoch milliseconds at which `timeout.run` will end it, for tasks that want to know. */
  readonly deadline?: number;
  /** Its place in a trace, for programs that it calls; absent: no trace. */
  readonly trace?: TraceContext | undefined;
  /** The correlation id of the request that its run began with, for programs that it calls. */
  readonly requestId?: string | undefined;
  /** Who wants to read a credential, and what the gate is asked before; absent: nobody asks. */
  lessee?(secret: string): Pick<Lessee, "actor" | "origin" | "question">;
  /** What it may get tokens for; absent: nothing. */
  readonly workload?: Workload | undefined;
  /** Called at every sign of life: output, progress, heartbeat. */
  beat?(): void;
}

export interface AttemptDeps {
  readonly runner: Runner;
  readonly logs: LogStore;
  readonly blobs: BlobStore;
  /** Epoch milliseconds. */
  now(): number;
  /** A variable of the environment the engine was started in. */
  environment(name: string): string | undefined;
  /** Opens the socket of an attempt's tokens; absent: there are none here. */
  readonly tokens?: OpenTokens;
  /** Asks before a credential is read; absent: whoever tests asks nobody. */
  readonly lease?: Lease;
  onEvent?(request: AttemptRequest, event: Extract<TaskEvent, { kind: "progress" | "heartbeat" }>): void;
}

/** Of the canonical JSON of an output, in bytes. Larger results belong in artifacts. */
export const MAX_OUTPUT_BYTES = 16 << 20;

/**
 * Carries out one attempt: checks the input, runs the task, checks the output, keeps its artifacts and says what was
 * measured. Never rejects: whatever goes wrong is a result with a code (docs/reference/runner.md lists them).
 * A computing task that logs nothing and leaves no files costs no I/O here.
 */
export async function executeAttempt(request: AttemptRequest, deps: AttemptDeps): Promise<AttemptResult> {
  const context = new AttemptContext(request, deps);
  let result: AttemptResult;
  try {
    const output = await perform(request, context);
    const artifacts = context.leavesFiles ? await collectArtifacts(context, deps.blobs) : undefined;
    result = {
      ok: true,
      output,
      ...(artifacts === undefined || artifacts.length === 0 ? undefined : { artifacts }),
      ...context.facts(),
    };
  } catch (error) {
    result = await failed(error, context, deps);
  }
  context.end();
  result = context.scrubbed(result);
  return context.logged ? closeLog(result, context, deps) : result;
}

async function perform(request: AttemptRequest, context: AttemptContext): Promise<JsonValue> {
  const { description } = request.type;
  const wrong = compileChecked(description.input)(request.input);
  if (wrong.length > 0) throw new TaskFailure(mismatch("INPUT_INVALID", "input", description.name, wrong));
  const task = request.type.init(context);
  const problems = task.validate(request.input);
  if (problems.length > 0) {
    throw new TaskFailure({
      code: "INPUT_INVALID",
      final: true,
      message: `The input of ${description.name} is not valid: ${problems.join("; ")}.`,
      details: problems,
    });
  }
  const output = await task.execute();
  // Work that was called off may have ended early with half a result.
  if (context.signalSeen && request.signal.aborted) throw request.signal.reason;
  checkOutput(output, description.name);
  const misfit = compileChecked(description.output)(output);
  if (misfit.length > 0) throw new TaskFailure(mismatch("OUTPUT_INVALID", "output", description.name, misfit));
  return output;
}

function checkOutput(output: JsonValue, name: string): void {
  let text: string;
  try {
    text = canonical(output);
  } catch (error) {
    throw new TaskFailure(
      {
        code: "OUTPUT_INVALID",
        message: `The output of ${name} is not JSON that can be kept: ${messageOf(error)}.`,
      },
      { cause: error },
    );
  }
  // A character has at most 3 bytes (UTF-8 of UTF-16 units), so most outputs need no count.
  if (text.length * 3 <= MAX_OUTPUT_BYTES) return;
  const size = Buffer.byteLength(text);
  if (size <= MAX_OUTPUT_BYTES) return;
  throw new TaskFailure({
    code: "LIMIT",
    final: true,
    message: `The output of ${name} has ${size} bytes; an output has at most ${MAX_OUTPUT_BYTES}. Write it to a file and keep that as an artifact.`,
  });
}

const SHOWN_PROBLEMS = 10;

function mismatch(
  code: "INPUT_INVALID" | "OUTPUT_INVALID",
  what: string,
  name: string,
  errors: readonly SchemaError[],
): TaskError {
  const shown = errors.slice(0, SHOWN_PROBLEMS).map((error) => `${what}${error.path} ${error.message}`);
  const more = errors.length > SHOWN_PROBLEMS ? `; and ${errors.length - SHOWN_PROBLEMS} more` : "";
  const message = `The ${what} of ${name} does not fit its schema: ${shown.join("; ")}${more}.`;
  return {
    code,
    message,
    ...(code === "INPUT_INVALID" ? { final: true } : {}),
    details: errors.slice(0, SHOWN_PROBLEMS).map(({ path, message: text }) => ({ path, message: text })),
  };
}

async function failed(thrown: unknown, context: AttemptContext, deps: AttemptDeps): Promise<AttemptResult> {
  const { signal } = context.request;
  // Why it was called off says more than how the work noticed.
  const cause: unknown = signal.aborted ? signal.reason : thrown;
  const { error, leftOut } = keepError(errorOf(cause));
  if (leftOut !== undefined)
    context.emit({
      kind: "log",
      stream: "info",
      bytes: `[maestro] The details of its error are left out: ${leftOut}.\n`,
    });
  let artifacts: readonly Artifact[] = [];
  if (
    !signal.aborted &&
    context.leavesFiles &&
    !(thrown instanceof TaskFailure && thrown.error.code === "OUTPUT_INVALID")
  ) {
    try {
      artifacts = await collectArtifacts(context, deps.blobs);
    } catch (lost) {
      // The task's own failure is what matters; that its files are missing is said in the log.
      context.emit({
        kind: "log",
        stream: "info",
        bytes: `[maestro] Its artifacts could not be kept: ${messageOf(lost)}\n`,
      });
    }
  }
  return {
    ok: false,
    error,
    ...withOutput(thrown),
    ...(artifacts.length > 0 ? { artifacts } : {}),
    ...context.facts(),
  };
}

function errorOf(thrown: unknown): TaskError {
  if (thrown instanceof TaskFailure) return thrown.error;
  if (thrown instanceof MaestroError) {
    const code = thrown.class === "unavailable" ? "UNAVAILABLE" : "INTERNAL";
    return { code, message: `${thrown.message} ${thrown.fix}`, details: { problem: thrown.code } };
  }
  if (thrown instanceof DOMException && thrown.name === "AbortError")
    return { code: "CANCELLED", message: "The attempt was called off." };
  return { code: "INTERNAL", message: `The task failed in a way it did not foresee: ${messageOf(thrown)}` };
}

/** What a failed task found worth keeping, where that is JSON of a size we keep. */
function withOutput(thrown: unknown): { readonly output?: JsonValue } {
  if (!(thrown instanceof TaskFailure) || thrown.output === undefined) return {};
  try {
    checkOutput(thrown.output, "the failed task");
    return { output: thrown.output };
  } catch (error) {
    if (error instanceof TaskFailure) return {};
    throw error;
  }
}

/** A result counts only with its log: an attempt whose log could not be kept is tried again. */
async function closeLog(result: AttemptResult, context: AttemptContext, deps: AttemptDeps): Promise<AttemptResult> {
  try {
    await deps.logs.close(context.ref);
    return result;
  } catch (error) {
    return result.ok ? { ok: false, error: { ...errorOf(error), code: "UNAVAILABLE" }, ...factsOf(result) } : result;
  }
}

function factsOf({ usage, exit, isolation, runner }: AttemptFacts): AttemptFacts {
  return {
    ...(usage === undefined ? {} : { usage }),
    ...(exit === undefined ? {} : { exit }),
    ...(isolation === undefined ? {} : { isolation }),
    ...(runner === undefined ? {} : { runner }),
  };
}
