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
