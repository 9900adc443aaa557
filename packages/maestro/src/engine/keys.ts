import type { RunInput } from "../core/input.ts";
import type { Plan } from "../core/plan.ts";
import { MaestroError } from "../core/problem.ts";
import { isTerminal } from "../core/run.ts";
import type { Store } from "../store/store.ts";
import type { LiveRun } from "./live.ts";

interface Slot {
  readonly holders: Set<string>;
  readonly waiting: string[];
}

/**
 * Concurrency keys: who holds one and who waits, oldest first. Derived from the runs that have not ended, so nothing can
 * stay taken by a run that is gone; a key's entry is read from the store the first time it is used.
 */
export class ConcurrencyKeys {
  private readonly slots = new Map<string, Promise<Slot> | Slot>();
  private readonly store: Store;

  constructor(store: Store) {
    this.store = store;
  }

  /** Must be awaited before the synchronous calls below use the key. */
  async load(key: string): Promise<void> {
    const known = this.slots.get(key);
    if (known !== undefined) {
      await known;
      return;
    }
    const loading = this.read(key);
    this.slots.set(key, loading);
    this.slots.set(key, await loading);
  }

  holders(key: string): ReadonlySet<string> {
    return this.slot(key).holders;
  }

  /** Why a new run may not even queue: its plan says `reject` and the key is taken. */
  refusal(key: string | undefined, rule: Plan["concurrency"]): MaestroError | undefined {
    if (key === undefined || rule === undefined || rule.onConflict !== "reject") return undefined;
    const holders = [...this.holders(key)];
    if (holders.length < rule.max) return undefined;
    const count = rule.max === 1 ? "a run" : `${rule.max} runs`;
    return new MaestroError("concurrency_limit", `${count} with the concurrency key ${key} already run`, {
      facts: { key, runs: holders },
    });
  }

  /** True: the run may start. False: it is queued. */
  enter(key: string, max: number, run: string): boolean {
    const slot = this.slot(key);
    if (slot.holders.has(run)) return true;
    if (slot.holders.size < max) {
      drop(slot.waiting, run);
      slot.holders.add(run);
      return true;
    }
    if (!slot.waiting.includes(run)) slot.waiting.push(run);
    return false;
  }

  /** Whether a new run may start now, and whose key it takes. */
  enterNew({ run, program }: LiveRun): { readonly starts: boolean; readonly replaces: readonly string[] } {
    const { concurrencyKey: key } = run.created;
    const { concurrency } = program.plan;
    if (key === undefined || concurrency === undefined) return { starts: true, replaces: [] };
    const holders = [...this.holders(key)];
    const starts = this.enter(key, concurrency.max, run.id);
    return { starts, replaces: !starts && concurrency.onConflict === "cancel-running" ? holders : [] };
  }

  /** A run that is retried holds its key again, or is refused with `concurrency_limit`. */
  enterAgain({ run, program }: LiveRun): void {
    const { concurrencyKey: key } = run.created;
    const { concurrency } = program.plan;
    if (key === undefined || concurrency === undefined || !isTerminal(run.status)) return;
    if (this.enter(key, concurrency.max, run.id)) return;
    const holders = [...this.holders(key)];
    this.leave(key, concurrency.max, run.id);
    throw new MaestroError("concurrency_limit", `the concurrency key ${key} is held by ${holders.join(", ")}`, {
      facts: { key, runs: holders },
    });
  }

  /** For a run that never came to be. Returns the run that may start in its stead. */
  giveBack({ run, program }: LiveRun): string | undefined {
    const { concurrencyKey: key } = run.created;
    return key === undefined ? undefined : this.leave(key, program.plan.concurrency?.max ?? 1, run.id);
  }

  /** The run has ended or never came to be. Returns the run that may start in its stead. */
  leave(key: string, max: number, run: string): string | undefined {
    const slot = this.slots.get(key);
    if (slot === undefined || slot instanceof Promise) return undefined;
    drop(slot.waiting, run);
    slot.holders.delete(run);
    if (slot.holders.size >= max) return undefined;
    const next = slot.waiting.shift();
    if (next !== undefined) slot.holders.add(next);
    else if (slot.holders.size === 0) this.slots.delete(key);
    return next;
  }

  private slot(key: string): Slot {
    const slot = this.slots.get(key);
    if (slot === undefined) {
      const fresh: Slot = { holders: new Set(), waiting: [] };
      this.slots.set(key, fresh);
      return fresh;
    }
    if (slot instanceof Promise) throw new TypeError(`concurrency key ${key} was used before it was loaded`);
    return slot;
  }

  private async read(key: string): Promise<Slot> {
    const slot: Slot = { holders: new Set(), waiting: [] };
    for (const row of await this.store.runByConcurrencyKey(key)) {
      if (row.status === "queued") slot.waiting.push(row.id);
      else slot.holders.add(row.id);
    }
    return slot;
  }
}

function drop(list: string[], run: string): void {
  const at = list.indexOf(run);
  if (at !== -1) list.splice(at, 1);
}

/** What a run of `onConflict: cancel-running` sends to those that hold its key. */
export function replacedBy(run: string): RunInput {
  return {
    kind: "cancel",
    by: { type: "run", id: run, roles: [] },
    reason: "a newer run has taken its concurrency key",
    force: false,
  };
}
