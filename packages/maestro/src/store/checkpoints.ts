import type { DatabaseSync } from "node:sqlite";
import { ListStatement } from "./sql.ts";
import { StoreThread } from "./thread.ts";

/** Pages in the log from which on it is folded: 16 MB. At 4 MB, pages that every turn touches were written 12 % more often. */
const FOLD_FROM = 4_000;

const REST_MS = 1_000;

/** Frames in the log, and how many of them are in the file. */
export type Log = readonly [frames: number, folded: number];

/**
 * Folds the write-ahead log into the file, in a thread of its own. Left to itself SQLite has the commit do it that fills the log:
 * 16 MB take 60 ms, in which a turn and all that wait for it stand still.
 */
export class Checkpoints {
  readonly #log: ListStatement;
  readonly #thread: StoreThread<null, Log>;
  #from = FOLD_FROM;
  #folding: Promise<void> | undefined;

  constructor(db: DatabaseSync, path: string) {
    this.#log = new ListStatement(db, "log-state");
    this.#thread = new StoreThread({
      path,
      script: new URL("./checkpoint-worker.ts", import.meta.url),
      name: "maestro-checkpoints",
      restMs: REST_MS,
      does: "folds the log of",
    });
  }

  get log(): Log {
    const [, frames, folded] = this.#log.get() ?? [];
    return [Number(frames), Number(folded)];
  }

  /** Told after every commit; 2 µs. Throws nothing: what was committed is durable, whatever becomes of the log. */
  committed(): void {
    if (this.#folding !== undefined) return;
    const frames = this.#frames();
    if (frames < this.#from) return;
    this.#folding = this.#fold(frames).finally(() => (this.#folding = undefined));
  }

  /** Resolves when the fold under way is over; undefined where there is none. */
  get folding(): Promise<void> | undefined {
    return this.#folding;
  }

  /** After what it does; what it was about to do is done by whoever closes the database. */
  async close(): Promise<void> {
    await this.#thread.close();
    await this.#folding;
  }

  #frames(): number {
    try {
      return this.log[0];
    } catch {
      // It is asked again after the next commit; and a commit finds out for itself what the file has.
      return 0;
    }
  }

  async #fold(frames: number): Promise<void> {
    // Should a reader hold on to what was there before, or nothing be folded at all: again when there is as much more.
    this.#from = frames + FOLD_FROM;
    try {
      await this.#thread.start();
      const [all, folded] = await this.#thread.ask(null);
      if (folded === all) this.#from = FOLD_FROM;
    } catch {
      // The log has all there is; in the end a commit folds it, and that one can say what is wrong.
    }
  }
}
