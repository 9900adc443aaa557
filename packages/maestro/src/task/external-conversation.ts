import { canonical } from "../core/canonical.ts";
import type { TaskError } from "../core/event.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { messageOf } from "../core/problem.ts";
import { Breach, readMessage } from "./external-message.ts";
import { OFFERED_VERSIONS } from "./external-protocol.ts";
import type { Execute, FromProgram, ProgramDescription, ProgramEvent, ToProgram } from "./external-protocol.ts";
import { TaskFailure } from "./task.ts";

/** What a program said at its start. */
export interface Introduction {
  readonly description: ProgramDescription;
  readonly validates: boolean;
  readonly concurrency: number;
}

interface Waiting {
  readonly kind: "validate" | "execute";
  emit(event: ProgramEvent): void;
  done(value: unknown): void;
  fail(error: Error): void;
}

/**
 * One side of the task protocol, without any I/O: `send` takes messages out, `receive` brings lines in. Whoever owns
 * the process ends it when `receive` throws a Breach, and calls `end` when it is gone.
 */
export class Conversation {
  readonly #send: (message: ToProgram) => void;
  readonly #versions: readonly number[];
  readonly #waiting = new Map<string, Waiting>();
  #state: "hello" | "description" | "ready" | "over" = "hello";
  #concurrency = 1;
  readonly #introduction = Promise.withResolvers<Introduction>();
  #ids = 0;
  /** Why it is over. */
  #cause: TaskError | undefined;

  /** `versions`: those of the protocol that are spoken, newest first. */
  constructor(send: (message: ToProgram) => void, versions = OFFERED_VERSIONS) {
    this.#send = send;
    this.#versions = versions;
    // Whoever asks later is told all the same.
    this.#introduction.promise.then(undefined, () => undefined);
  }

  /** Greets, also with versions that nobody speaks; resolves when the program has described itself. Rejects with what `end` was given. */
  introduce(engine: string, protocols = this.#versions): Promise<Introduction> {
    this.#send({ type: "hello", protocols, engine });
    this.#send({ type: "init" });
    return this.#introduction.promise;
  }

  get isReady(): boolean {
    return this.#state === "ready";
  }

  /** Attempts that wait for their answer. */
  get open(): readonly string[] {
    return [...this.#waiting.keys()];
  }

  validate(input: JsonObject): Promise<readonly string[]> {
    return this.#ask("validate", (id) => ({ type: "validate", id, input })).answer as Promise<readonly string[]>;
  }

  /** One attempt, and its name for `cancel`. Rejects with TaskFailure. */
  execute(
    attempt: Omit<Execute, "type" | "id">,
    emit: (event: ProgramEvent) => void,
  ): { readonly id: string; readonly answer: Promise<JsonValue> } {
    const { id, answer } = this.#ask("execute", (name) => ({ type: "execute", id: name, ...attempt }), emit);
    return { id, answer: answer as Promise<JsonValue> };
  }

  cancel(id: string, error: TaskError): void {
    if (this.#waiting.has(id)) this.#send({ type: "cancel", id, error: { code: error.code, message: error.message } });
  }

  shutdown(): void {
    this.#send({ type: "shutdown" });
  }

  /** One line of the program. Throws Breach. */
  receive(line: string): void {
    const message = readMessage(line);
    switch (message.type) {
      case "hello":
        return this.#greeted(message);
      case "description":
        return this.#described(message);
      case "validated":
        return this.#of(message, "validate").done(message.problems);
      case "emit":
        return this.#emitted(message);
      case "result":
        return this.#of(message, "execute").done(message.output);
      case "failure": {
        const { error, output } = message;
        return this.#of(message, "execute").fail(new TaskFailure(error, output === undefined ? {} : { output }));
      }
    }
  }

  /**
   * The program is gone, or not believed any more. Who waits is told why: the attempt it is known to be about, or the
   * only one, gets the cause itself; others lost the process they shared.
   */
  end(cause: TaskError, about?: string): void {
    if (this.#state === "over") return;
    this.#state = "over";
    this.#cause = cause;
    const culprit = about ?? (this.#waiting.size === 1 ? this.open[0] : undefined);
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    this.#introduction.reject(new TaskFailure({ ...cause, code: "PROGRAM_START" }));
    for (const [id, one] of waiting) one.fail(id === culprit ? new TaskFailure(cause) : lost(cause));
  }

  #ask(
    kind: Waiting["kind"],
    message: (id: string) => ToProgram,
    emit: (event: ProgramEvent) => void = () => undefined,
  ): { readonly id: string; readonly answer: Promise<unknown> } {
    this.#ids += 1;
    const id = `a${this.#ids}`;
    // It ended between being chosen and being asked: nothing was begun.
    if (this.#cause !== undefined) return { id, answer: Promise.reject(lost(this.#cause)) };
    const answer = new Promise((done, fail) => this.#waiting.set(id, { kind, emit, done, fail }));
    this.#send(message(id));
    return { id, answer };
  }

  #greeted(message: Extract<FromProgram, { type: "hello" }>): void {
    if (this.#state !== "hello") throw new Breach("it said hello twice");
    if (!this.#versions.includes(message.protocol))
      throw new Breach(
        `it speaks version ${message.protocol} of the task protocol, and this Maestro speaks ${this.#versions.join(", ")}. Use a version of its SDK that fits, or another Maestro`,
      );
    this.#concurrency = message.concurrency ?? 1;
    this.#state = "description";
  }

  #described(message: Extract<FromProgram, { type: "description" }>): void {
    if (this.#state === "hello") throw new Breach("its first message must be hello");
    if (this.#state !== "description") throw new Breach("it described itself twice");
    const { description, validates = false } = message;
    try {
      canonical(description as unknown as JsonObject);
    } catch (error) {
      throw new Breach(`its description cannot be kept: ${messageOf(error).slice(0, 300).toWellFormed()}`);
    }
    this.#state = "ready";
    this.#introduction.resolve({ description, validates, concurrency: this.#concurrency });
  }

  #emitted({ id, event }: Extract<FromProgram, { type: "emit" }>): void {
    const waiting = this.#waiting.get(id);
    if (waiting?.kind !== "execute") throw this.#stranger(id, "an event");
    waiting.emit(event);
  }

  /** The attempt that a message answers; it is answered with that. */
  #of({ id, type }: { readonly id: string; readonly type: string }, kind: Waiting["kind"]): Waiting {
    const waiting = this.#waiting.get(id);
    if (waiting?.kind !== kind) throw this.#stranger(id, `a ${type}`);
    this.#waiting.delete(id);
    return waiting;
  }

  #stranger(id: string, what: string): Breach {
    const number = /^a(\d{1,15})$/.exec(id)?.[1];
    const known = number !== undefined && Number(number) >= 1 && Number(number) <= this.#ids;
    if (this.#waiting.has(id)) return new Breach(`it sent ${what} for ${id}, which was asked something else`, { id });
    return new Breach(
      known
        ? `it sent ${what} for ${id}, which it had answered already; an attempt has one answer, and nothing after it`
        : `it sent ${what} for ${id}, and there is no such attempt; the id is that of the execute message`,
    );
  }
}

function lost(cause: TaskError): TaskFailure {
  return new TaskFailure({
    code: "LOST",
    message: `The process it shared with other attempts ended: ${cause.message}`,
  });
}
