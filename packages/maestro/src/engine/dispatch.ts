import type { SlotClass } from "../core/program.ts";
import { Queue } from "../core/queue.ts";
import type { LiveRun } from "./live.ts";

/**
 * Who gets the next free slot. Namespaces take turns; within one, higher priority first, then runs in the order they
 * became ready, one step each, so a large fan-out cannot keep a small run waiting.
 */
export class Dispatch {
  private readonly lanes: Record<SlotClass, Lane> = {
    inline: new Lane("inline"),
    process: new Lane("process"),
    resident: new Lane("resident"),
  };

  /** Called whenever a run may have become runnable. */
  offer(live: LiveRun): void {
    for (const lane of Object.values(this.lanes)) lane.offer(live);
  }

  /** The next run with something to start, its namespace not being at its limit; it is taken out and must be offered again. */
  take(slot: SlotClass, hasRoom: (namespace: string) => boolean): LiveRun | undefined {
    return this.lanes[slot].take(hasRoom);
  }
}

class Lane {
  private readonly slot: SlotClass;
  private readonly namespaces = new Map<string, Map<number, Queue<LiveRun>>>();
  private order: string[] = [];
  private turn = 0;

  constructor(slot: SlotClass) {
    this.slot = slot;
  }

  offer(live: LiveRun): void {
    if (live.offered[this.slot] || live.run.transient.runnable[this.slot].size === 0) return;
    live.offered[this.slot] = true;
    const { namespace, priority } = live.run.created;
    let levels = this.namespaces.get(namespace);
    if (levels === undefined) {
      levels = new Map();
      this.namespaces.set(namespace, levels);
      this.order.push(namespace);
    }
    let queue = levels.get(priority);
    if (queue === undefined) {
      queue = new Queue();
      levels.set(priority, queue);
    }
    queue.push(live);
  }

  take(hasRoom: (namespace: string) => boolean): LiveRun | undefined {
    for (let tried = 0; tried < this.order.length;) {
      const at = this.turn % this.order.length;
      const namespace = this.order[at]!;
      const levels = this.namespaces.get(namespace)!;
      const live = hasRoom(namespace) ? this.next(levels) : undefined;
      if (live !== undefined) {
        this.turn = at + 1;
        return live;
      }
      if (levels.size === 0) {
        this.namespaces.delete(namespace);
        this.order.splice(at, 1);
      } else {
        this.turn = at + 1;
        tried += 1;
      }
    }
    return undefined;
  }

  private next(levels: Map<number, Queue<LiveRun>>): LiveRun | undefined {
    while (levels.size > 0) {
      let best: number | undefined;
      for (const priority of levels.keys()) if (best === undefined || priority > best) best = priority;
      const queue = levels.get(best!)!;
      for (let live = queue.shift(); live !== undefined; live = queue.shift()) {
        live.offered[this.slot] = false;
        if (!live.gone && live.run.transient.runnable[this.slot].size > 0) return live;
      }
      levels.delete(best!);
    }
    return undefined;
  }
}
