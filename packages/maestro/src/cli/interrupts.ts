/**
 * Ctrl-C and SIGTERM while a run is watched: the first one is a wish, the second one ends the process at once (what was
 * acknowledged is durable; the next engine goes on from there).
 */
export class Interrupts {
  /** Exit code of the signal that came first; undefined while none has come. */
  code: number | undefined;
  readonly #onFirst: () => void;
  readonly #onInt = (): void => this.#interrupt(130);
  readonly #onTerm = (): void => this.#interrupt(143);

  constructor(onFirst: () => void) {
    this.#onFirst = onFirst;
    process.on("SIGINT", this.#onInt);
    process.on("SIGTERM", this.#onTerm);
  }

  stop(): void {
    process.off("SIGINT", this.#onInt);
    process.off("SIGTERM", this.#onTerm);
  }

  #interrupt(code: number): void {
    if (this.code !== undefined) process.exit(code);
    this.code = code;
    this.#onFirst();
  }
}
