import type { Digest } from "../core/digest.ts";
import type { Commit } from "./store.ts";
import { StoreThread } from "./thread.ts";

/** A burst is over when nothing was written for so long; sleeping runs are loaded three seconds before they write. */
const REST_MS = 5_000;

/** Writes large batches, in the order they come: while it writes and syncs, the engine decides the next turn. */
export function writeThread(path: string): StoreThread<Commit, readonly Digest[]> {
  return new StoreThread({
    path,
    script: new URL("./write-worker.ts", import.meta.url),
    name: "maestro-store",
    restMs: REST_MS,
    does: "writes",
  });
}
