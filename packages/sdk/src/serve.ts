import { AsyncLocalStorage } from "node:async_hooks";
import { inspect } from "node:util";
import type { Json } from "./from-schema.ts";
import { TaskFailure } from "./task.ts";
import { workloadToken } from "./token.ts";
import type { ExecuteContext, Task } from "./task.ts";

/** Versions of the task protocol that this SDK speaks, the newest first. */
const SPOKEN: readonly number[] = [1];
const SDK = "typescript/0.1.0";
const MAX_MESSAGE_BYTES = 17 << 20;
const MAX_LOG_CHARACTERS = 256 * 1024;
const MAX_ERROR_CHARACTERS = 16_000;

/** What `serve` reads and writes; by default this process. */
export interface Streams {
  readonly input: AsyncIterable<Uint8Array>;
  write(text: string): void;
}

interface Attempt {
  readonly abort: AbortController;
  /** Text for its log; after its answer it goes nowhere. */
  print(text: string, stream?: "stderr"): void;
}

/** Whose `console.log` it is. */
const current = new AsyncLocalStorage<Attempt>();

/**
 * Speaks the task protocol for one task until its input ends, works on several attempts at once, and resolves when all
 * are answered. With the process's own streams stdout belongs to the protocol from now on: what the task prints goes to
 * its attempt's log.
 */
export async function serve(task: Task, streams: Streams = ownStreams()): Promise<void> {
  const server = new Server(task, streams);
  for await (const line of linesOf(streams.input)) if (!server.take(line)) break;
  await server.end();
}

class Server {
  readonly #task: Task;
  readonly #write: (text: string) => void;
  readonly #attempts = new Map<string, Attempt>();
  readonly #working = new Set<Promise<void>>();

  constructor(task: Task, streams: Streams) {
    this.#task = task;
    this.#write = (text) => streams.write(text);
  }

  /** False when nothing is to follow. Messages and members that it does not know are ignored: they are of a later version. */
  take(line: string): boolean {
    const message = JSON.parse(line) as Readonly<Record<string, unknown>>;
    const id = String(message["id"]);
    switch (message["type"]) {
      case "hello":
        this.#greet(message["protocols"]);
        return true;
      case "init":
        this.#send({ type: "description", description: this.#task.description, validates: this.#task.validates });
        return true;
      case "validate":
        this.#track(this.#validate(id, message["input"]));
        return true;
      case "execute":
        this.#track(this.#execute(id, message));
        return true;
      case "cancel":
        this.#attempts.get(id)?.abort.abort(cancelled(message["error"]));
        return true;
      case "shutdown":
        return false;
      default:
        return true;
    }
  }

  /** Waits until all that was asked for is answered. */
  async end(): Promise<void> {
    await Promise.all(this.#working);
  }

  #greet(protocols: unknown): void {
    const offered = Array.isArray(protocols) ? protocols : [];
    const protocol = SPOKEN.find((version) => offered.includes(version)) ?? SPOKEN[0];
    this.#send({ type: "hello", protocol, concurrency: this.#task.concurrency, sdk: SDK });
  }

  #track(work: Promise<void>): void {
    const tracked = work.finally(() => this.#working.delete(tracked));
    this.#working.add(tracked);
  }

  async #validate(id: string, input: unknown): Promise<void> {
    let problems: readonly string[];
    try {
      problems = await this.#task.validate(input);
    } catch (error) {
      console.error(inspect(error));
      problems = [`validate() itself failed: ${headlineOf(error)}`];
    }
    this.#send({ type: "validated", id, problems });
  }

  async #execute(id: string, message: Readonly<Record<string, unknown>>): Promise<void> {
    const attempt: Attempt = {
      abort: new AbortController(),
      print: (text, stream) => this.#print(id, attempt, text, stream),
    };
    this.#attempts.set(id, attempt);
    try {
      const context = this.#context(id, attempt, message);
      const output = await current.run(attempt, () => this.#task.execute(context));
      this.#answer({ type: "result", id, output: output ?? null });
    } catch (error) {
      const { signal } = attempt.abort;
      // Why it was called off says more than how the work noticed.
      const cause: unknown = signal.aborted ? signal.reason : error;
      if (!(cause instanceof TaskFailure)) attempt.print(`${inspect(cause)}\n`, "stderr");
      this.#answer({ type: "failure", id, ...failureOf(cause) });
    }
  }

  #context(id: string, attempt: Attempt, message: Readonly<Record<string, unknown>>): ExecuteContext<unknown> {
    const emit = (event: object): void => {
      // After its answer an attempt says nothing more; a stray callback must not cost the process.
      if (this.#attempts.get(id) === attempt) this.#send({ type: "emit", id, event });
    };
    return {
      input: message["input"],
      run: String(message["run"]),
      namespace: String(message["namespace"]),
      task: String(message["task"]),
      item: Number(message["item"]),
      attempt: Number(message["attempt"]),
      dir: String(message["dir"]),
      base: String(message["base"]),
      deadline: typeof message["deadline"] === "number" ? message["deadline"] : undefined,
      traceparent: textOf(message["traceparent"]),
      tracestate: textOf(message["tracestate"]),
      requestId: textOf(message["requestId"]) ?? process.env["MAESTRO_REQUEST_ID"],
      token: async (audience) =>
        workloadToken(audience, { socket: textOf(message["tokenSocket"]), signal: attempt.abort.signal }),
      signal: attempt.abort.signal,
      log: (line) => attempt.print(`${line}\n`),
      progress: (done, total) => emit({ kind: "progress", done, ...(total === undefined ? {} : { total }) }),
      artifact: (path, name) => emit({ kind: "artifact", path, ...(name === undefined ? {} : { name }) }),
      usage: ({ usdMicros, tokens }) =>
        emit({
          kind: "usage",
          ...(usdMicros === undefined ? {} : { usdMicros }),
          ...(tokens === undefined ? {} : { tokens }),
        }),
      heartbeat: () => emit({ kind: "heartbeat" }),
    };
  }

  #print(id: string, attempt: Attempt, text: string, stream?: "stderr"): void {
    if (this.#attempts.get(id) !== attempt) return;
    for (let from = 0; from < text.length; from += MAX_LOG_CHARACTERS)
      this.#send({
        type: "emit",
        id,
        event: {
          kind: "log",
          text: text.slice(from, from + MAX_LOG_CHARACTERS).toWellFormed(),
          ...(stream === undefined ? {} : { stream }),
        },
      });
  }

  /** An answer that cannot be sent is a failure that says why. */
  #answer(message: { readonly id: string; readonly [member: string]: unknown }): void {
    this.#attempts.delete(message.id);
    try {
      this.#send(message);
    } catch (error) {
      this.#send({ type: "failure", id: message.id, error: { code: "OUTPUT_INVALID", message: headlineOf(error) } });
    }
  }

  #send(message: object): void {
    const text = JSON.stringify(message);
    if (text.length * 3 > MAX_MESSAGE_BYTES && Buffer.byteLength(text) > MAX_MESSAGE_BYTES)
      throw new Error(
        `a message has more than ${MAX_MESSAGE_BYTES} bytes; write large results to a file and keep it as an artifact`,
      );
    this.#write(`${text}\n`);
  }
}

function cancelled(error: unknown): TaskFailure {
  const { message } = (error ?? {}) as { readonly message?: unknown };
  return new TaskFailure("CANCELLED", typeof message === "string" ? message : "the attempt was cancelled");
}

function failureOf(cause: unknown): { readonly error: object; readonly output?: Json } {
  if (!(cause instanceof TaskFailure)) {
    const where = placeOf(cause);
    const message = `${headlineOf(cause)}${where === undefined ? "" : `, at ${where}`}. The attempt's log has the stack.`;
    return { error: { code: "INTERNAL", message } };
  }
  const { code, message, final, details, output } = cause;
  const error = {
    code,
    message: message.slice(0, MAX_ERROR_CHARACTERS).toWellFormed() || "It gave no reason.",
    ...(final ? { final } : {}),
    ...(details === undefined ? {} : { details }),
  };
  return { error, ...(output === undefined ? {} : { output }) };
}

/** What was thrown, on as many lines as its author gave it. */
function headlineOf(thrown: unknown): string {
  const text = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : inspect(thrown);
  return text.slice(0, MAX_ERROR_CHARACTERS / 2).toWellFormed();
}

/** The innermost place in a file that is neither Node's nor a dependency's. */
function placeOf(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error)) return undefined;
  const frames = thrown.stack?.split("\n").filter((line) => /^ {4}at .*file:|^ {4}at .*[( ]\//.test(line)) ?? [];
  const frame = frames.find((line) => !line.includes("node_modules")) ?? frames[0];
  return frame === undefined ? undefined : /([^/( ]+:\d+:\d+)\)?$/.exec(frame)?.[1];
}

/** Lines of UTF-8; what comes after the last line end is none. */
async function* linesOf(input: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of input) {
    const parts = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    for (const line of parts) if (line.trim() !== "") yield line;
  }
}

/** This process: stdout for the protocol, and what is printed to it for the log of the attempt that prints it. */
function ownStreams(): Streams {
  const { stdin, stdout, stderr } = process;
  const write = stdout.write.bind(stdout);
  stdout.write = (chunk: string | Uint8Array, ...rest: readonly unknown[]): boolean => {
    const done = rest.find((one) => typeof one === "function") as (() => void) | undefined;
    const attempt = current.getStore();
    if (attempt === undefined) stderr.write(chunk);
    else attempt.print(typeof chunk === "string" ? chunk : Buffer.from(chunk).toString("utf8"));
    done?.();
    return true;
  };
  return { input: stdin, write: (text) => void write(text) };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
