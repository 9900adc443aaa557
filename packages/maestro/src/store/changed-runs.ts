/** Which runs have changed since the last time somebody asked. */
export class ChangedRuns {
  #ids = new Set<string>();
  #isAny = false;

  add(ids: Iterable<string>): void {
    if (this.#isAny) return;
    for (const id of ids) this.#ids.add(id);
    if (this.#ids.size > MAX_IDS) this.#becomeAny();
  }

  /** Their ids, or that it may be any; from now on none. */
  take(): readonly string[] | "any" {
    const taken = this.#isAny ? "any" : [...this.#ids];
    this.#ids = new Set();
    this.#isAny = false;
    return taken;
  }

  #becomeAny(): void {
    this.#ids = new Set();
    this.#isAny = true;
  }
}

/** To tell of more costs more than to read anew what is asked for. */
const MAX_IDS = 1_000;
