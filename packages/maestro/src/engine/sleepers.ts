import type { Store, WakeKey } from "../store/store.ts";
import { ASLEEP_FOREVER } from "../store/store.ts";
import type { Limits } from "./limits.ts";

const ROOM_AGAIN_MS = 100;

/**
 * Runs that sleep are rows. This knows when to look for them: it asks the store for those that are due within the
 * prefetch window, once each, and otherwise for the next due time only, so nothing is polled while nothing is due.
 */
export class Sleepers {
  private readonly store: Store;
  private readonly limits: Limits;
  /** Everything up to here has been taken into memory. */
  private taken: WakeKey = { wakeAt: 0, id: "" };
  /** Earliest known wake-up after `taken`; null: not known, ask. */
  private next: number | undefined | null = null;

  /** While there is no room for them, sleepers are not looked for before this time. */
  private notBefore = 0;

  constructor(store: Store, limits: Limits) {
    this.store = store;
    this.limits = limits;
  }

  /** Whether a run that sleeps until then must stay in memory, because its time window has been read already. */
  covers(wakeAt: number): boolean {
    return wakeAt <= this.taken.wakeAt;
  }

  slept(wakeAt: number): void {
    if (this.next === null || wakeAt >= ASLEEP_FOREVER) return;
    if (this.next === undefined || wakeAt < this.next) this.next = wakeAt;
  }

  nextAt(): number | undefined {
    if (this.next === null) return 0;
    return this.next === undefined ? undefined : Math.max(this.next - this.limits.prefetchMs, this.notBefore);
  }

  /** Those to bring into memory now. `active` runs are in memory already; when they are many, the rest waits its turn. */
  async due(now: number, active: number): Promise<readonly WakeKey[]> {
    if (this.next === null) this.next = await this.store.nextWake(this.taken.wakeAt);
    if (this.next === undefined || this.next - this.limits.prefetchMs > now) return [];
    const room = Math.min(this.limits.prefetchRuns, Math.max(0, this.limits.activeRuns - active));
    if (room === 0) {
      this.notBefore = now + ROOM_AGAIN_MS;
      return [];
    }
    const until = now + this.limits.prefetchMs;
    const found = await this.store.runDue({ after: this.taken, until, limit: room });
    const taken = found.length < room ? { wakeAt: until, id: "\u{10ffff}" } : found.at(-1)!;
    // A full page may go on at the same instant, so the next look is due at once.
    this.next = found.length < room ? await this.store.nextWake(until) : taken.wakeAt;
    // Last, so that what was found is found again if the store fails meanwhile.
    this.taken = taken;
    return found;
  }
}
