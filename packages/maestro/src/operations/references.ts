import type { Digest } from "../core/digest.ts";

/** Digests that a text of the history or of the cache refers to in the blob store. */
export interface References {
  /** Values that were too large for the event: they are part of it. */
  readonly values: readonly Digest[];
  /** Files that steps left behind, and whatever else is named by its digest. */
  readonly artifacts: readonly Digest[];
  /** Those of `values` that may name artifacts themselves. */
  readonly nested: readonly Digest[];
}

const NAMED = /"digest":"(sha256:[0-9a-f]{64})"/g;
const MOVED = '"blobs":[';
/** Where a value that was moved out may hold a list of artifacts (engine/codec.ts). */
const MAY_NEST = new Set(["artifacts", "results", "result"]);

/** `text` is one line of JSON or several. */
export function referencesIn(text: string): References {
  const values: Digest[] = [];
  const nested: Digest[] = [];
  for (const line of text.includes(MOVED) ? text.split("\n") : []) {
    if (!line.includes(MOVED)) continue;
    const { blobs } = JSON.parse(line) as { readonly blobs?: unknown };
    // A task's own output may have a member of that name, deeper down; the one meant here is the event's.
    if (!Array.isArray(blobs)) continue;
    for (const { path, digest } of blobs as readonly { readonly path: readonly string[]; readonly digest: Digest }[]) {
      values.push(digest);
      if (MAY_NEST.has(path.at(-1) ?? "")) nested.push(digest);
    }
  }
  const moved = new Set(values);
  return { values, artifacts: digestsIn(text).filter((digest) => !moved.has(digest)), nested };
}

/** Every digest that is named as one. */
export function digestsIn(text: string): readonly Digest[] {
  return Array.from(text.matchAll(NAMED), (match) => match[1] as Digest);
}
