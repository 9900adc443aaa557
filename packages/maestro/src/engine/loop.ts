import type { Clock } from "./clock.ts";
import type { DurableEngine } from "./durable.ts";
import { IdleMemory } from "./idle-memory.ts";

/** Longest a timer sleeps before it looks again: setTimeout takes 31 bits, and a wall clock may step. */
const MAX_SLEEP_MS = 60_000;

/** Gives an engine its turns: at once when there is work, else when the next timer is due. Idle costs nothing. */
export function runLoop(engine: DurableEngine, clock: Clock): { stop(): void } {
  let scheduled = false;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  const memory = new IdleMemory();

  const step = async (): Promise<void> => {
    await engine.takeTurn();
    scheduled = false;
    arm();
    // When it is durable there may be timers to wait for that were not there before.
    void engine.settled.then(arm);
  };
  const arm = (): void => {
    if (stopped || scheduled) return;
    const at = engine.nextAt();
    const delay = at === undefined ? MAX_SLEEP_MS : at - clock.now();
    if (delay <= 0) return poke();
    if (engine.isAtRest) memory.rests();
    if (at !== undefined) sleep(delay);
  };
  const poke = (): void => {
    if (scheduled || stopped) return;
    scheduled = true;
    clearTimeout(timer);
    memory.works();
    setImmediate(() => void step());
  };
  const sleep = (ms: number): void => {
    clearTimeout(timer);
    timer = setTimeout(poke, Math.min(ms, MAX_SLEEP_MS));
  };

  engine.onWork = poke;
  poke();
  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
      memory.works();
    },
  };
}
