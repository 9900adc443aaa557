import type { RunEvent } from "../core/event.ts";
import type { LiveRun } from "./live.ts";
import type { EngineParts, Listener } from "./parts.ts";
import type { EngineStats } from "./stats.ts";

/** Who wants to hear of a run's events, or of every run's (`*`). */
export class Listeners {
  private readonly byRun = new Map<string, Set<Listener>>();
  private readonly stats: EngineStats;
  private readonly parts: Pick<EngineParts, "observe">;

  constructor(stats: EngineStats, parts: Pick<EngineParts, "observe">) {
    this.stats = stats;
    this.parts = parts;
  }

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

  tell(live: LiveRun, events: readonly RunEvent[]): void {
    const run = live.run.id;
    this.stats.count(live, events);
    this.parts.observe?.(live, events);
    for (const key of [run, "*"]) for (const listener of this.byRun.get(key) ?? []) listener(run, events);
  }
}
