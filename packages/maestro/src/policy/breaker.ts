/** When a decision point that fails is left alone, so that whoever asks has the no at once and it can come up again. */
export const BREAKER = {
  /** Failures in a row. */
  failures: 5,
  /** From the last of them until one question is let through again; doubled each time that one fails. */
  openMs: 1_000,
  longestMs: 30_000,
} as const;

/** Closed: all questions go through. Open: none. Half-open: one, and its answer decides. */
export class Breaker {
  readonly #now: () => number;
  #failures = 0;
  #openMs: number = BREAKER.openMs;
  #openUntil = 0;
  #trying = false;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Milliseconds until a question may go through; 0: this one may, and its outcome has to be reported. */
  waitMs(): number {
    if (this.#failures < BREAKER.failures) return 0;
    const left = this.#openUntil - this.#now();
    if (left > 0) return left;
    // Somebody else is finding out.
    if (this.#trying) return BREAKER.openMs;
    this.#trying = true;
    return 0;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#openMs = BREAKER.openMs;
    this.#trying = false;
  }

  failed(): void {
    this.#failures += 1;
    if (this.#failures < BREAKER.failures) return;
    // Of questions that were under way together, the first opens it and the others add nothing.
    if (this.#failures > BREAKER.failures) {
      if (!this.#trying) return;
      this.#openMs = Math.min(this.#openMs * 2, BREAKER.longestMs);
    }
    this.#trying = false;
    this.#openUntil = this.#now() + this.#openMs;
  }
}
