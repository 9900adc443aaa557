// The one file of core that touches node: hashing is a pure function that only the platform can do fast.
import { hash } from "node:crypto";
import { canonical } from "./canonical.ts";
import type { JsonValue } from "./json.ts";

/** `sha256:` and 64 lower-case hex digits. */
export type Digest = `sha256:${string}`;

/** Digest of bytes, or of a text's UTF-8 bytes. */
export function sha256(data: string | Uint8Array): Digest {
  return `sha256:${hash("sha256", data)}`;
}

/** Digest of a JSON value: of its canonical bytes, so that key order and white space do not matter. */
export function digestOf(value: JsonValue): Digest {
  return sha256(canonical(value));
}

/** The next link of a run's event chain. The first event follows the empty string. */
export function chain(previous: Digest | "", eventText: string): Digest {
  return sha256(`${previous}\n${eventText}`);
}

/** The 32 bytes of SHA-256. */
export function sha256Bytes(data: Uint8Array): Uint8Array {
  return hash("sha256", data, "buffer");
}

/** RFC 6962, 2.1: the hash of a leaf of the ledger is over a zero byte and the entry, so that no inner node can pass for it. */
export function leafDigest(entry: Uint8Array): Uint8Array {
  return sha256Bytes(Buffer.concat([LEAF, entry]));
}

/** RFC 6962, 2.1: of an inner node, over a one byte and the hashes below it. */
export function nodeDigest(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256Bytes(Buffer.concat([NODE, left, right]));
}

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);
