import { ChangedRuns } from "./changed-runs.ts";
import type { RunPageText, RunQuery } from "./store.ts";
import { StoreThread } from "./thread.ts";

export interface ListQuestion {
  readonly query: RunQuery;
  /** Runs that have changed since the question before. */
  readonly changed: readonly string[] | "any";
}

/** A command that lists once or twice is done before a thread is up. */
const LISTS_FIRST = 20;
const REST_MS = 30_000;

/**
 * Pages of lists, in a thread of its own: reading and writing out fifty runs takes a millisecond, in which an engine decides ten
 * steps. It is there while lists are asked for again and again.
 */
export class ReadThread {
  readonly #thread: StoreThread<ListQuestion, RunPageText>;
  #changed = new ChangedRuns();
  #lists = 0;

  constructor(path: string) {
    this.#thread = new StoreThread({
      path,
      script: new URL("./read-worker.ts", import.meta.url),
      name: "maestro-lists",
      restMs: REST_MS,
      does: "lists the runs of",
    });
  }

  /** Whether a page can be asked for now. Until then, and where no thread comes up, whoever asks reads it. */
  get isReady(): boolean {
    if (this.#thread.isStarted) return this.#thread.isReady;
    this.#lists += 1;
    if (this.#lists <= LISTS_FIRST) return false;
    this.#lists = 0;
    this.#changed = new ChangedRuns();
    void this.#thread.start();
    return false;
  }

  /** Rejects as `Store.runList` does, `storage_failed` where the thread was lost meanwhile. */
  async list(query: RunQuery): Promise<RunPageText> {
    return this.#thread.ask({ query, changed: this.#changed.take() });
  }

  /** Told of every commit before it is answered, so that no page shows what was before it. */
  changed(runs: readonly { readonly id: string }[]): void {
    if (this.#thread.isStarted) this.#changed.add(runs.map(({ id }) => id));
  }

  /** After what it was asked. */
  async close(): Promise<void> {
    await this.#thread.close();
  }
}
