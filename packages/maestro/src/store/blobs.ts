import type { Digest } from "../core/digest.ts";

/**
 * Content-addressed bytes: payloads over 32 KiB and artifacts. A blob that `put` acknowledged is on disk (file and
 * folder synced) and complete; a reader checks the digest and gets `store_corrupt` where the bytes are not those.
 */
export interface BlobStore {
  put(bytes: Uint8Array): Promise<{ readonly digest: Digest; readonly size: number }>;
  /** Copies a file in, streaming. */
  putFile(path: string): Promise<{ readonly digest: Digest; readonly size: number }>;
  get(digest: Digest): Promise<Uint8Array | undefined>;
  /** Path of the blob's file, for readers that stream; undefined when there is none. */
  path(digest: Digest): Promise<string | undefined>;
}

/** Blobs that can also be removed, by one who knows that nothing refers to them. */
export interface RemovableBlobs extends BlobStore {
  /** Every blob that was last put before `before` (epoch ms), in parts of bounded size. */
  old(before: number): AsyncIterable<readonly { readonly digest: Digest; readonly size: number }[]>;
  /** Removes it unless it was put at or after `before`; false where it was, or is gone. A put of the same bytes waits. */
  remove(digest: Digest, before: number): Promise<boolean>;
}
