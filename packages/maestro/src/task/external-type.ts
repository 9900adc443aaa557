import type { Isolation } from "../core/event.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import type { CommandLimits, Sandbox } from "../core/plan.ts";
import { alone } from "./external-alone.ts";
import type { Place, Pool, ProgramHost } from "./external-pool.ts";
import type { Program } from "./external-program.ts";
import { PROTOCOL_LIMITS } from "./external-protocol.ts";
import type { ProgramDescription } from "./external-protocol.ts";
import { executeOf, refuse, Relay, stderrOf } from "./external-relay.ts";
import { task } from "./define.ts";
import { TaskFailure } from "./task.ts";
import type { TaskContext, TaskDescription, TaskType } from "./task.ts";

/** What a description is to the compiler, to `maestro task show` and in plans; the program's digest is part of it. */
export function asTaskDescription(said: ProgramDescription, program: Pick<Program, "digest">): TaskDescription {
  return {
    name: said.name,
    version: said.version,
    title: said.summary,
    docs: said.docs ?? said.summary,
    input: said.input,
    output: said.output,
    effects: [...said.effects].sort(),
    runs: "process",
    example: said.example ?? {},
    program: program.digest,
  };
}

export interface ExternalParts {
  readonly said: ProgramDescription;
  /** It answers `validate`. */
  readonly validates: boolean;
  /** Attempts at once in one of its processes. */
  readonly concurrency: number;
  readonly program: Program;
  readonly pool: Pool;
  readonly host: ProgramHost;
  /** How isolated a process without a sandbox is here. */
  isolation(): Promise<Isolation>;
}

/** A task type whose work is done by a program. */
export function externalType(parts: ExternalParts): TaskType {
  return {
    description: asTaskDescription(parts.said, parts.program),
    places: (runner) => (isAlone(runner?.sandbox, runner?.limits) ? 0 : parts.concurrency * PROTOCOL_LIMITS.processes),
    init: (context) => task<JsonObject>({ work: (input) => execute(input, context, parts) }),
  };
}

/**
 * A plan that wants walls or limits gets a process of its own for each attempt, by the runner, as a command would. All
 * others share the processes that stay, which have neither, and the receipt says so.
 */
async function execute(input: JsonObject, context: TaskContext, parts: ExternalParts): Promise<JsonValue> {
  if (isAlone(context.sandbox, context.limits)) {
    await parts.pool.check();
    return alone(input, context, parts);
  }
  const isolation = await parts.isolation();
  return parts.pool.with(context.signal, async (place) => {
    context.resident({ ...isolation, declared: context.sandbox });
    return attempt(input, context, place);
  });
}

function isAlone(sandbox: Sandbox | undefined, limits: CommandLimits = {}): boolean {
  return sandbox === "strict" || Object.keys(limits).length > 0;
}

async function attempt(input: JsonObject, context: TaskContext, { session, validates }: Place): Promise<JsonValue> {
  const { conversation } = session;
  const { signal } = context;
  if (validates) refuse(await unlessAborted(conversation.validate(input), context, session));
  const tokenSocket = await context.tokenSocket();
  const deaf = session.listen(stderrOf(context));
  const events = new Relay(context, (until) => session.hold(until));
  const message = executeOf(input, context, tokenSocket);
  const { id, answer } = conversation.execute(message, (event) => events.pass(event, id));
  let timer: NodeJS.Timeout | undefined;
  const cancel = (): void => {
    const failure = reasonOf(signal);
    conversation.cancel(id, failure.error);
    timer = setTimeout(() => {
      const bytes = `[maestro] The program did not answer within ${context.graceMs} ms that it was called off, so its process was ended.\n`;
      context.emit({ kind: "log", stream: "info", bytes });
      session.end(failure.error, id);
    }, context.graceMs);
  };
  signal.addEventListener("abort", cancel, { once: true });
  if (signal.aborted) cancel();
  try {
    return await answer;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", cancel);
    deaf();
  }
}

/** The answer of a program to a question that cannot be called off; who asks too long ends the process. */
async function unlessAborted<T>(answer: Promise<T>, context: TaskContext, session: Place["session"]): Promise<T> {
  const { signal } = context;
  const end = (): void => session.end(reasonOf(signal).error);
  signal.addEventListener("abort", end, { once: true });
  try {
    return await answer;
  } finally {
    signal.removeEventListener("abort", end);
  }
}

function reasonOf(signal: AbortSignal): TaskFailure {
  return signal.reason instanceof TaskFailure
    ? signal.reason
    : new TaskFailure({ code: "CANCELLED", message: "the attempt was called off" });
}
