import type { Digest } from "../core/digest.ts";
import type { RunRow } from "../store/store.ts";
import type { RunView } from "./engine.ts";

interface Kept {
  readonly head: Digest;
  readonly view: RunView;
  readonly size: number;
}

/** Characters of JSON. One run that fans out widely must not push out all the others. */
const MAX_ONE = 32 * 1024;
const MAX_ALL = 8 * 1024 * 1024;

/**
 * How runs that have ended look, by the head of their history: while that is the same nothing about them changes, and
 * people and consoles look at the same ones again and again. Reading a history anew is most of what a look costs.
 */
export class EndedViews {
  readonly #kept = new Map<string, Kept>();
  #size = 0;

  /** Undefined where it is not kept, or the run has gone on since. */
  find({ id, head, endedAt }: RunRow): RunView | undefined {
    const kept = this.#kept.get(id);
    if (kept === undefined || endedAt === null || kept.head !== head) return undefined;
    // The last looked at is the last to go.
    this.#kept.delete(id);
    this.#kept.set(id, kept);
    return kept.view;
  }

  /** What is too large, or of a run that has not ended, is not kept. */
  keep({ id, head, endedAt }: RunRow, view: RunView): void {
    this.forget(id);
    const size = endedAt === null ? Number.POSITIVE_INFINITY : JSON.stringify(view).length;
    if (size > MAX_ONE) return;
    this.#kept.set(id, { head, view, size });
    this.#size += size;
    for (const oldest of this.#kept.keys()) {
      if (this.#size <= MAX_ALL) return;
      this.forget(oldest);
    }
  }

  forget(id: string): void {
    this.#size -= this.#kept.get(id)?.size ?? 0;
    this.#kept.delete(id);
  }
}
