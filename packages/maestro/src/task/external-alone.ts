import { canonical } from "../core/canonical.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import type { CommandResult } from "../runner/runner.ts";
import { Conversation } from "./external-conversation.ts";
import { Breach, Lines } from "./external-message.ts";
import type { ProgramHost } from "./external-pool.ts";
import { changed, commandOf } from "./external-program.ts";
import type { Program } from "./external-program.ts";
import { PROTOCOL_LIMITS } from "./external-protocol.ts";
import type { ProgramDescription, ToProgram } from "./external-protocol.ts";
import { executeOf, refuse, Relay } from "./external-relay.ts";
import { lastWords } from "./last-words.ts";
import type { TaskContext } from "./task.ts";

interface Parts {
  readonly said: ProgramDescription;
  readonly validates: boolean;
  readonly program: Program;
  readonly host: ProgramHost;
}

/**
 * One attempt in a process of its own, behind the walls and limits of the plan. All that is to be said is known
 * before, so it is the command's input; calling it off is the runner's affair (SIGTERM, then SIGKILL).
 */
export async function alone(input: JsonObject, context: TaskContext, parts: Parts): Promise<JsonValue> {
  if (parts.validates) refuse(await converse(context, parts, (conversation) => conversation.validate(input)));
  return converse(context, parts, (conversation, relay) => {
    const { id, answer } = conversation.execute(executeOf(input, context), (event) => relay.pass(event, id));
    return answer;
  });
}

async function converse<T>(
  context: TaskContext,
  { said, program, host }: Parts,
  ask: (conversation: Conversation, relay: Relay) => Promise<T>,
): Promise<T> {
  const messages: ToProgram[] = [];
  const conversation = new Conversation((message) => void messages.push(message));
  let follows = true;
  const relay = new Relay(context, () => (follows = false));
  const introduction = conversation.introduce(host.engine);
  const answer = ask(conversation, relay);
  // It is awaited below; until then it may fail without being unheard.
  answer.then(undefined, () => undefined);
  conversation.shutdown();
  const lines = new Lines(() => (conversation.isReady ? PROTOCOL_LIMITS.messageBytes : PROTOCOL_LIMITS.startBytes));
  const stop = new AbortController();
  const result = await context.command({
    ...commandOf(program, (name) => host.environment(name)),
    stdin: messages.map((message) => `${JSON.stringify(message)}\n`).join(""),
    network: said.effects.includes("network"),
    captureBytes: 0,
    stop: stop.signal,
    onStdout(bytes) {
      if (stop.signal.aborted) return true;
      follows = true;
      try {
        for (const line of lines.add(Buffer.from(bytes))) conversation.receive(line);
      } catch (error) {
        if (!(error instanceof Breach)) throw error;
        conversation.end(
          { code: error.code, message: `The program broke the task protocol: ${error.message}.` },
          error.id,
        );
        stop.abort();
      }
      return follows;
    },
  });
  context.signal.throwIfAborted();
  conversation.end({
    code: "PROGRAM_DIED",
    message: `The program ${endOf(result)} before it had answered${heard(result)}`,
  });
  const { description } = await introduction;
  if (canonical(description as unknown as JsonObject) !== canonical(said as unknown as JsonObject))
    throw changed(`${said.name}@${said.version}`, "it describes itself in other words", program.path);
  return answer;
}

function endOf({ exit, signal, limit }: CommandResult): string {
  if (limit !== null) return `was ended at its limit of ${limit}`;
  return signal === null ? `exited with ${exit ?? -1}` : `was ended by ${signal}`;
}

function heard({ stderrTail }: CommandResult): string {
  const words = lastWords(stderrTail);
  return words === "" ? ". It wrote nothing to stderr." : `. Its last words:\n${words}`;
}
