import { memoryUsage } from "node:process";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** A rest at least this long is worth a collection, which takes tens of milliseconds. */
const REST_MS = 2_000;
/** A heap below this is left alone. */
const SMALL_BYTES = 96 << 20;

/**
 * Gives the memory of a burst back when nothing is due for a while. V8 collects when it needs room, and a process that
 * sleeps needs none: after 10,000 starts it would hold 300 MB for rows that sleep on disk.
 */
export function idleMemory(): (restMs: number) => void {
  let collect: (() => void) | undefined;
  return (restMs) => {
    if (restMs < REST_MS || memoryUsage().heapTotal < SMALL_BYTES) return;
    // Documented for v8.setFlagsFromString: a context made after the flag has the function.
    setFlagsFromString("--expose-gc");
    collect ??= runInNewContext("gc") as () => void;
    collect();
  };
}
