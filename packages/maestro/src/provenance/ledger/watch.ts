import { setImmediate } from "node:timers/promises";
import type { ProblemCode } from "../../core/problem.ts";
import { MaestroError } from "../../core/problem.ts";
import type { CheckpointRow } from "../../store/ledger.ts";
import type { Ledger } from "./ledger.ts";

export interface LedgerWatchDeps {
  open(): Promise<Ledger>;
  /** Told each time that a checkpoint is due, also where it is the one of before. */
  signed?(checkpoint: CheckpointRow): void;
  /** It is not the ledger that was signed. */
  broken(error: MaestroError): void;
  /** It could not be signed, or not be read; the next time is due all the same. */
  failed(error: unknown): void;
}

/** A checkpoint is at most so old while there is something new; who asks for one gets it at once. */
const SIGN_EVERY_MS = 60_000;
/** Old entries are hashed again so soon after the start. */
const CHECK_AFTER_MS = 5_000;

/** Signs the ledger as it grows, and hashes it once from end to end while the engine works. */
export class LedgerWatch {
  readonly #deps: LedgerWatchDeps;
  #opened: Promise<Ledger> | undefined;
  #signing: NodeJS.Timeout | undefined;
  #checking: NodeJS.Timeout | undefined;
  #closed = false;
  #checked: Promise<void> = Promise.resolve();

  constructor(deps: LedgerWatchDeps) {
    this.#deps = deps;
  }

  /** Opened when it is first asked for: a command that lists runs needs none. Errors: as `Ledger.open`. */
  async get(): Promise<Ledger> {
    this.#opened ??= this.#deps.open();
    try {
      return await this.#opened;
    } catch (error) {
      // The next one tries again: a disk may come back.
      this.#opened = undefined;
      throw error;
    }
  }

  /** Errors: as `Ledger.open`. */
  async start(): Promise<void> {
    await this.get();
    this.#signing = setInterval(() => void this.#sign(), SIGN_EVERY_MS).unref();
    this.#checking = setTimeout(() => {
      this.#checked = this.#check();
    }, CHECK_AFTER_MS).unref();
  }

  /** Resolves when the check that was begun is over. */
  get checked(): Promise<void> {
    return this.#checked;
  }

  /** Signs what came last. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#signing);
    clearTimeout(this.#checking);
    await this.#checked;
    if (this.#signing !== undefined) await this.#sign();
  }

  async #sign(): Promise<void> {
    try {
      const checkpoint = await (await this.get()).checkpoint();
      this.#deps.signed?.(checkpoint);
    } catch (error) {
      this.#deps.failed(error);
    }
  }

  async #check(): Promise<void> {
    try {
      const pages = (await this.get()).check();
      while ((await pages.next()).done !== true && !this.#closed) await setImmediate();
    } catch (error) {
      if (error instanceof MaestroError && CHANGED.has(error.code)) this.#deps.broken(error);
      else this.#deps.failed(error);
    }
  }
}

/** A disk that does not answer just then is no sign that somebody changed something. */
const CHANGED: ReadonlySet<ProblemCode> = new Set(["ledger_broken", "store_corrupt"]);
