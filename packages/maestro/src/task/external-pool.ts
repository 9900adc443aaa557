import { canonical } from "../core/canonical.ts";
import type { JsonObject } from "../core/json.ts";
import type { Resident, ResidentCommand } from "../runner/resident.ts";
import { changed, commandOf, Seal } from "./external-program.ts";
import type { Program } from "./external-program.ts";
import { PROTOCOL_LIMITS } from "./external-protocol.ts";
import type { ProgramDescription } from "./external-protocol.ts";
import { reasonOf, Session } from "./external-session.ts";
import { TaskFailure } from "./task.ts";

/** What the processes of external task types need of the machine. */
export interface ProgramHost {
  start(command: ResidentCommand): Promise<Resident>;
  /** A variable of the engine's environment. */
  environment(name: string): string | undefined;
  /** Named to programs, for their logs. */
  readonly engine: string;
}

interface Member {
  readonly session: Session;
  readonly concurrency: number;
  readonly validates: boolean;
  working: number;
  idle: NodeJS.Timeout | undefined;
}

/** What an attempt borrows. */
export interface Place {
  readonly session: Session;
  readonly validates: boolean;
}

/**
 * The processes of one task type: one is filled before another is started, at most PROTOCOL_LIMITS.processes, and one
 * that nobody needs for a while is told to end.
 */
export class Pool {
  readonly #name: string;
  readonly #program: Program;
  readonly #description: string;
  readonly #host: ProgramHost;
  readonly #seal: Seal;
  readonly #members = new Set<Member>();
  readonly #queue: (() => void)[] = [];
  #starting = 0;
  #closed = false;

  constructor(program: Program, description: ProgramDescription, host: ProgramHost) {
    this.#name = `${description.name}@${description.version}`;
    this.#program = program;
    this.#description = textOf(description);
    this.#host = host;
    this.#seal = new Seal(program, this.#name);
  }

  /** Rejects with TaskFailure PROGRAM_CHANGED where the file is not the one that was added. */
  async check(): Promise<void> {
    try {
      await this.#seal.check();
    } catch (error) {
      // What runs still is the program that was added.
      this.retire();
      throw error;
    }
  }

  /** Does the work in a process with room for it. Rejects with what the work rejects with, PROGRAM_START or PROGRAM_CHANGED. */
  async with<T>(signal: AbortSignal, work: (place: Place) => Promise<T>): Promise<T> {
    await this.check();
    const member = await this.#take(signal);
    try {
      return await work(member);
    } finally {
      member.working -= 1;
      this.#rest(member);
      this.#queue.shift()?.();
    }
  }

  /** Processes that live. */
  get size(): number {
    return this.#members.size;
  }

  /** What runs ends its work and takes no more. */
  retire(): void {
    for (const member of this.#members) void this.#retire(member);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#members].map((member) => this.#retire(member)));
  }

  async #take(signal: AbortSignal): Promise<Member> {
    for (;;) {
      signal.throwIfAborted();
      for (const member of this.#members) {
        if (member.session.closing || member.working >= member.concurrency) continue;
        member.working += 1;
        clearTimeout(member.idle);
        return member;
      }
      if (this.#starting === 0 && this.#members.size < PROTOCOL_LIMITS.processes) {
        await this.#start();
        continue;
      }
      await this.#turn(signal);
    }
  }

  /** Until a place may have become free. */
  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const go = (): void => {
        signal.removeEventListener("abort", go);
        const at = this.#queue.indexOf(go);
        if (at !== -1) this.#queue.splice(at, 1);
        resolve();
      };
      this.#queue.push(go);
      signal.addEventListener("abort", go, { once: true });
    });
  }

  async #start(): Promise<void> {
    this.#starting += 1;
    try {
      if (this.#closed) throw notStarted(this.#name, "Maestro is ending");
      const session = new Session(
        await this.#host.start(commandOf(this.#program, (name) => this.#host.environment(name))),
      );
      const { description, validates, concurrency } = await introduced(session, this.#name, this.#host.engine);
      if (textOf(description) !== this.#description) {
        void session.shutdown(PROTOCOL_LIMITS.shutdownMs);
        throw changed(this.#name, "it describes itself in other words", this.#program.path);
      }
      const member: Member = { session, validates, concurrency, working: 0, idle: undefined };
      this.#members.add(member);
      void session.over.then(() => {
        this.#members.delete(member);
        clearTimeout(member.idle);
        this.#queue.shift()?.();
      });
    } finally {
      this.#starting -= 1;
      for (const go of this.#queue.splice(0)) go();
    }
  }

  #rest(member: Member): void {
    if (member.working > 0) return;
    if (member.session.closing) return void this.#retire(member);
    member.idle = setTimeout(() => void this.#retire(member), PROTOCOL_LIMITS.idleMs);
    member.idle.unref();
  }

  /** What it works on still ends. */
  async #retire(member: Member): Promise<void> {
    member.session.closing = true;
    if (member.working === 0 || this.#closed) await member.session.shutdown(PROTOCOL_LIMITS.shutdownMs);
  }
}

/** Rejects with TaskFailure PROGRAM_START that says what to do. */
export async function introduced(session: Session, name: string, engine: string): ReturnType<Session["introduce"]> {
  try {
    return await session.introduce(engine);
  } catch (error) {
    await session.over;
    throw notStarted(name, reasonOf(error), error);
  }
}

function notStarted(name: string, why: string, cause?: unknown): TaskFailure {
  return new TaskFailure(
    {
      code: "PROGRAM_START",
      message: `The program of ${name} could not be started: ${why}. \`maestro task test\` with its path shows what is wrong.`,
    },
    cause === undefined ? {} : { cause },
  );
}

/** Two descriptions are the same when this is. */
function textOf(description: ProgramDescription): string {
  return canonical(description as unknown as JsonObject);
}
