import { randomBytes } from "node:crypto";

/** Bytes fetched from the system at once. */
const POOL = 4096;

/**
 * Cryptographic randomness in small pieces: a call of the system for each id was 2 % of the engine's time. Every byte is
 * given out once.
 */
export function pooledRandomBytes(): (count: number) => Uint8Array {
  let pool = Buffer.alloc(0);
  let at = 0;
  return (count) => {
    if (count > POOL) return randomBytes(count);
    if (at + count > pool.length) {
      pool = randomBytes(POOL);
      at = 0;
    }
    at += count;
    return pool.subarray(at - count, at);
  };
}
