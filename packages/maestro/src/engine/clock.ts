/** Where the engine gets its time. Tests drive one of their own. */
export interface Clock {
  /** Epoch milliseconds; never goes back. */
  now(): number;
}

/**
 * The wall clock, made steady: it never goes back. When the wall clock steps forward the engine follows at once, because
 * waits until an instant mean the wall; when it steps back the engine's time walks at half speed until the two meet, so a
 * duration takes at most twice as long and nothing freezes.
 */
export function steadyClock(wall: () => number = Date.now, monotonic: () => number = () => performance.now()): Clock {
  let time = wall();
  let seen = monotonic();
  return {
    now() {
      const tick = monotonic();
      const passed = Math.max(0, tick - seen);
      seen = tick;
      const target = wall();
      time = Math.max(target, time + passed / 2);
      return Math.floor(time);
    },
  };
}
