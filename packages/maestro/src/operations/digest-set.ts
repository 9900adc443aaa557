import type { Digest } from "../core/digest.ts";

/** 16 MiB: with a million members one digest in a million is taken for a member that is none. */
const BITS = 2 ** 27;
const HASHES = 4;

/**
 * A set of digests in bounded memory (a Bloom filter). It never forgets a member; now and then it takes a stranger for one,
 * which for blobs means that one is kept that might have gone. A digest is random already, so its own bits are the hashes.
 */
export class DigestSet {
  readonly #bits = new Uint32Array(BITS / 32);

  add(digest: Digest): void {
    for (let i = 0; i < HASHES; i++) {
      const bit = place(digest, i);
      this.#bits[bit >>> 5] = (this.#bits[bit >>> 5] ?? 0) | (1 << (bit & 31));
    }
  }

  has(digest: Digest): boolean {
    for (let i = 0; i < HASHES; i++) {
      const bit = place(digest, i);
      if (((this.#bits[bit >>> 5] ?? 0) & (1 << (bit & 31))) === 0) return false;
    }
    return true;
  }
}

function place(digest: Digest, nth: number): number {
  const from = "sha256:".length + nth * 8;
  return Number.parseInt(digest.slice(from, from + 8), 16) % BITS;
}
