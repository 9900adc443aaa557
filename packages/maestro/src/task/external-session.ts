import type { TaskError } from "../core/event.ts";
import { messageOf } from "../core/problem.ts";
import { Tail } from "../runner/output.ts";
import type { Resident, ResidentEnd } from "../runner/resident.ts";
import { Conversation } from "./external-conversation.ts";
import type { Introduction } from "./external-conversation.ts";
import { Breach, Lines } from "./external-message.ts";
import { PROTOCOL_LIMITS } from "./external-protocol.ts";
import type { ToProgram } from "./external-protocol.ts";
import { lastWords } from "./last-words.ts";

interface SessionLimits {
  readonly startMs: number;
  readonly unreadBytes: number;
}

/** A conversation with a process that lives. Ends with it, and ends it. */
export class Session {
  readonly conversation: Conversation;
  /** Resolves when the process and all it started are gone and everybody who waited was told. */
  readonly over: Promise<ResidentEnd>;
  /** Takes no further attempts. */
  closing = false;
  readonly #resident: Resident;
  readonly #limits: SessionLimits;
  readonly #stderr = new Tail();
  readonly #listeners = new Set<(bytes: Uint8Array) => void>();
  readonly #lines = new Lines(() =>
    this.conversation.isReady ? PROTOCOL_LIMITS.messageBytes : PROTOCOL_LIMITS.startBytes,
  );
  /** Why it was ended, where it did not end by itself. */
  #cause: { readonly error: TaskError; readonly about: string | undefined } | undefined;
  #holds = 0;

  constructor(resident: Resident, limits: SessionLimits = PROTOCOL_LIMITS) {
    this.#resident = resident;
    this.#limits = limits;
    this.conversation = new Conversation((message) => this.#send(message));
    resident.stdout.on("data", (bytes: Buffer) => this.#read(bytes));
    resident.stderr.on("data", (bytes: Buffer) => {
      this.#stderr.add(bytes);
      for (const listener of this.#listeners) listener(bytes);
    });
    this.over = resident.ended.then((end) => {
      this.closing = true;
      const { error, about } = this.#cause ?? { error: this.#died(end), about: undefined };
      this.conversation.end(error, about);
      return end;
    });
  }

  get pid(): number {
    return this.#resident.pid;
  }

  /** What it wrote to stderr last, for a person. */
  get lastWords(): string {
    return lastWords(this.#stderr.text());
  }

  /** The program's introduction. Rejects with TaskFailure PROGRAM_START, also where it takes too long. */
  async introduce(engine: string, protocols?: readonly number[]): Promise<Introduction> {
    const { startMs } = this.#limits;
    const timer = setTimeout(
      () =>
        this.end({
          code: "PROGRAM_START",
          message: `it did not answer hello and init within ${startMs / 1000} s${this.#heard()}`,
        }),
      startMs,
    );
    try {
      return await this.conversation.introduce(engine, protocols);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Hears stderr until the returned function is called. */
  listen(listener: (bytes: Uint8Array) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Reads no further message until the promise is settled. */
  hold(until: Promise<void>): void {
    this.#holds += 1;
    this.#resident.stdout.pause();
    const go = (): void => {
      this.#holds -= 1;
      if (this.#holds === 0) this.#resident.stdout.resume();
    };
    until.then(go, go);
  }

  /** Ends the process at once; attempts that wait in it are told why. */
  end(error: TaskError, about?: string): void {
    this.closing = true;
    if (this.#cause !== undefined) return;
    this.#cause = { error, about };
    // At once and not when the process is gone: what it still says is not believed.
    this.conversation.end(error, about);
    this.#resident.kill();
    this.#resident.stdout.resume();
  }

  /** Why it is not believed any more. */
  get trouble(): string | undefined {
    return this.#cause?.error.message;
  }

  /** Says something that no conversation would. */
  tell(message: object): void {
    this.#resident.stdin.write(`${JSON.stringify(message)}\n`);
  }

  /** Asks it to end, and makes it end. */
  async shutdown(graceMs: number): Promise<ResidentEnd> {
    this.conversation.shutdown();
    return this.closeInput(graceMs);
  }

  /** Asks it to end without a word. */
  async closeInput(graceMs: number): Promise<ResidentEnd> {
    this.closing = true;
    this.#resident.stdin.end();
    const timer = setTimeout(() => this.#resident.kill(), graceMs);
    try {
      return await this.over;
    } finally {
      clearTimeout(timer);
    }
  }

  #send(message: ToProgram): void {
    const { stdin } = this.#resident;
    if (!stdin.writable) return;
    stdin.write(`${JSON.stringify(message)}\n`);
    const { unreadBytes } = this.#limits;
    if (stdin.writableLength > unreadBytes)
      this.end({
        code: "PROGRAM_DIED",
        message: `it does not read its input: ${unreadBytes} bytes wait for it`,
      });
  }

  #read(bytes: Buffer): void {
    if (this.#cause !== undefined) return;
    try {
      for (const line of this.#lines.add(bytes)) {
        this.conversation.receive(line);
        if (this.#cause !== undefined) return;
      }
    } catch (error) {
      if (!(error instanceof Breach)) throw error;
      this.end(
        { code: error.code, message: `The program broke the task protocol: ${error.message}${this.#heard()}` },
        error.id,
      );
    }
  }

  #died({ exit, signal, limit }: ResidentEnd): TaskError {
    const how =
      limit !== null
        ? `was ended at its limit of ${limit === "processes" ? "1,024 processes" : limit}`
        : signal === null
          ? `exited with ${exit ?? -1}`
          : `was ended by ${signal}`;
    return { code: "PROGRAM_DIED", message: `The program ${how} before it had answered${this.#heard()}` };
  }

  #heard(): string {
    const words = this.lastWords;
    return words === "" ? ". It wrote nothing to stderr." : `. Its last words:\n${words}`;
  }
}

/** The words of something thrown, without a second full stop. */
export function reasonOf(thrown: unknown): string {
  return messageOf(thrown).replace(/\.$/, "");
}
