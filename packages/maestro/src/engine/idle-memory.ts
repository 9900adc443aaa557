import { memoryUsage } from "node:process";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** A rest that has lasted so long goes on, as a rule: a collection takes tens of milliseconds, in which nobody is answered. */
const REST_MS = 2_000;
/** From one collection to the next at least: who asks while the engine rests makes garbage too, and V8 collects that by itself. */
const PAUSE_MS = 30_000;
/** A heap below this is left alone. */
const SMALL_BYTES = 48 << 20;

/** What it takes of its surroundings; for tests. */
export interface IdleParts {
  /** Bytes that V8 holds. */
  readonly heap: () => number;
  readonly collect: () => void;
  /** Milliseconds that only go on. */
  readonly now: () => number;
}

/**
 * Gives the memory of a burst back when nothing has been done for a while. V8 collects when it needs room, and a process that
 * sleeps needs none: after 10,000 starts it would hold 300 MB for rows that sleep on disk.
 */
export class IdleMemory {
  readonly #parts: IdleParts;
  #timer: NodeJS.Timeout | undefined;
  #collectedAt = Number.NEGATIVE_INFINITY;

  constructor(parts: IdleParts = V8) {
    this.#parts = parts;
  }

  /** Nothing is to be done now. */
  rests(): void {
    this.#timer ??= setTimeout(() => this.#collect(), REST_MS).unref();
  }

  /** Something is. */
  works(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #collect(): void {
    const { heap, collect, now } = this.#parts;
    this.#timer = undefined;
    if (now() - this.#collectedAt < PAUSE_MS || heap() < SMALL_BYTES) return;
    this.#collectedAt = now();
    collect();
  }
}

let gc: (() => void) | undefined;

const V8: IdleParts = {
  heap: () => memoryUsage().heapTotal,
  collect() {
    // Documented for v8.setFlagsFromString: a context made after the flag has the function.
    setFlagsFromString("--expose-gc");
    // The code of what was not called lately would go too, and an engine that wakes would compile it anew: 10,000 sleepers
    // that are due at once woke a third later.
    setFlagsFromString("--no-flush-bytecode");
    gc ??= runInNewContext("gc") as () => void;
    gc();
    // What the first has freed V8 keeps in a pool, which the second gives to the system.
    gc();
  },
  now: () => performance.now(),
};
