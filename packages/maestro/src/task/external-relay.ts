import { isAbsolute, join, relative } from "node:path";
import type { JsonObject } from "../core/json.ts";
import { Breach } from "./external-message.ts";
import { PROTOCOL_LIMITS } from "./external-protocol.ts";
import { reasonOf } from "./external-session.ts";
import type { Execute, ProgramEvent } from "./external-protocol.ts";
import { TaskFailure } from "./task.ts";
import type { TaskContext } from "./task.ts";

export function refuse(problems: readonly string[]): void {
  if (problems.length === 0) return;
  throw new TaskFailure({
    code: "INPUT_INVALID",
    final: true,
    message: `The input is not valid: ${problems.join("; ")}.`,
    details: problems,
  });
}

/** `tokenSocket`: of a program that is not told by its environment. */
export function executeOf(input: JsonObject, context: TaskContext, tokenSocket?: string): Omit<Execute, "type" | "id"> {
  return {
    input,
    run: context.run,
    namespace: context.namespace,
    task: context.task,
    item: context.item,
    attempt: context.attempt,
    dir: context.dir(),
    base: context.base,
    ...(context.deadline === undefined ? {} : { deadline: context.deadline }),
    ...context.trace,
    ...(context.requestId === undefined ? {} : { requestId: context.requestId }),
    ...(tokenSocket === undefined ? {} : { tokenSocket }),
  };
}

/** How much of a log is passed on before the log is asked whether it can follow. */
const LOG_AT_ONCE = 1 << 20;

/** Passes on what a program reports about one attempt. */
export class Relay {
  readonly #context: TaskContext;
  readonly #hold: (until: Promise<void>) => void;
  #events = 0;
  #logged = 0;

  constructor(context: TaskContext, hold: (until: Promise<void>) => void) {
    this.#context = context;
    this.#hold = hold;
  }

  /** Throws Breach. */
  pass(event: ProgramEvent, id: string): void {
    this.#events += 1;
    if (this.#events > PROTOCOL_LIMITS.events)
      throw new Breach(`it emitted more than ${PROTOCOL_LIMITS.events} events for one attempt. Report less often`, {
        code: "LIMIT",
        id,
      });
    const context = this.#context;
    switch (event.kind) {
      case "log":
        context.emit({ kind: "log", stream: event.stream ?? "stdout", bytes: event.text });
        this.#logged += event.text.length;
        if (this.#logged < LOG_AT_ONCE) return;
        this.#logged = 0;
        return this.#hold(context.drained());
      case "artifact":
        return this.#keep(artifactOf(event, context.dir(), id), id);
      case "progress":
      case "usage":
      case "heartbeat":
        return context.emit(event);
    }
  }

  #keep(artifact: { readonly name: string; readonly path: string }, id: string): void {
    try {
      this.#context.emit({ kind: "artifact", ...artifact });
    } catch (error) {
      // There are too many: the program is told so by its end, like for every other limit.
      throw error instanceof TaskFailure ? new Breach(reasonOf(error), { code: "LIMIT", id }) : error;
    }
  }
}

/** Only what lies in the attempt's folder: that it really does, links followed, is looked at when it is kept. */
function artifactOf(
  { path, name }: { readonly path: string; readonly name?: string },
  dir: string,
  id: string,
): { readonly name: string; readonly path: string } {
  if (![path, name ?? ""].every((text) => text.isWellFormed()))
    throw new Breach("its artifact has a name that is not Unicode", { id });
  const within = isAbsolute(path) ? relative(dir, path) : relative(dir, join(dir, path));
  if (within === "" || within.startsWith("..") || isAbsolute(within))
    throw new Breach(`its artifact ${path} is not in the attempt's folder ${dir}. Copy it there`, { id });
  return { name: name ?? within, path: within };
}

/** stderr cannot be told apart by attempts, so each that is at work has it in its log, up to a limit. */
export function stderrOf(context: TaskContext): (bytes: Uint8Array) => void {
  let left: number = PROTOCOL_LIMITS.stderrBytes;
  return (bytes) => {
    if (left <= 0) return;
    context.emit({ kind: "log", stream: "stderr", bytes: bytes.subarray(0, left) });
    left -= bytes.byteLength;
    if (left <= 0)
      context.emit({
        kind: "log",
        stream: "info",
        bytes: `\n[maestro] stderr is cut here, after ${PROTOCOL_LIMITS.stderrBytes} bytes; emit log events instead.\n`,
      });
  };
}
