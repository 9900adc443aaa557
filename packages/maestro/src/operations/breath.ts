import { setTimeout as sleep } from "node:timers/promises";
import { MaestroError } from "../core/problem.ts";

/** Rests between the slices of a long task in an engine's process: it takes a third of the time at most, and can be ended. */
export class Breath {
  readonly #ended: () => boolean;
  #since = performance.now();

  constructor(ended: () => boolean) {
    this.#ended = ended;
  }

  /** Errors: `shutting_down` when the task is to end. */
  async take(): Promise<void> {
    const worked = performance.now() - this.#since;
    await sleep(Math.min(MAX_REST_MS, 2 * worked));
    if (this.#ended()) throw new MaestroError("shutting_down", "The engine is shutting down; what is left goes later.");
    this.#since = performance.now();
  }
}

const MAX_REST_MS = 100;
