import type { RunEvent } from "../core/event.ts";
import type { Listener } from "./parts.ts";

/** Who wants to hear of a run's events, or of every run's (`*`). */
export class Listeners {
  private readonly byRun = new Map<string, Set<Listener>>();

  /** Returns how to stop. */
  add(run: string, listener: Listener): () => void {
    const set = this.byRun.get(run) ?? new Set();
    set.add(listener);
    this.byRun.set(run, set);
    return () => {
      set.delete(listener);
      if (set.size === 0 && this.byRun.get(run) === set) this.byRun.delete(run);
    };
  }

  tell(run: string, events: readonly RunEvent[]): void {
    for (const key of [run, "*"]) for (const listener of this.byRun.get(key) ?? []) listener(run, events);
  }
}
