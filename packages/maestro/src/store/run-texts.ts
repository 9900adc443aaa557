import type { ListSource, RunList } from "./run-list.ts";
import type { SqlValue } from "./sql.ts";

/** A run as JSON. */
export interface RunText {
  readonly id: string;
  readonly text: string;
}

/** Characters of all that is kept. */
const MAX_ALL = 8 * 1024 * 1024;

/**
 * Runs as the texts that lists are made of. People and consoles look at the same pages again and again, so texts are kept until
 * somebody says that their runs have changed: to find, read and check fifty rows is most of what a page takes.
 */
export class RunTexts implements ListSource<RunText> {
  readonly #source: ListSource;
  readonly #kept = new Map<string, RunText>();
  #size = 0;

  constructor(source: ListSource) {
    this.#source = source;
  }

  slice(statement: RunList, values: readonly SqlValue[]): readonly (readonly SqlValue[])[] {
    return this.#source.slice(statement, values);
  }

  runs(ids: readonly string[]): readonly RunText[] {
    const known = ids.map((id) => this.#kept.get(id)).filter((one) => one !== undefined);
    if (known.length === ids.length) return known;
    const isKnown = new Set(known.map(({ id }) => id));
    const fresh = this.#source
      .runs(ids.filter((id) => !isKnown.has(id)))
      .map((run) => this.#keep({ id: run.id, text: JSON.stringify(run) }));
    return [...known, ...fresh];
  }

  /** They are not what they were. */
  forget(changed: Iterable<string>): void {
    for (const id of changed) {
      this.#size -= this.#kept.get(id)?.text.length ?? 0;
      this.#kept.delete(id);
    }
  }

  forgetAll(): void {
    this.#kept.clear();
    this.#size = 0;
  }

  #keep(run: RunText): RunText {
    this.forget([run.id]);
    this.#kept.set(run.id, run);
    this.#size += run.text.length;
    for (const oldest of this.#kept.keys()) {
      if (this.#size <= MAX_ALL) break;
      this.forget([oldest]);
    }
    return run;
  }
}
