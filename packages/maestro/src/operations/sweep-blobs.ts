import type { RemovableBlobs } from "../store/blobs.ts";
import type { Store } from "../store/store.ts";
import type { Breath } from "./breath.ts";
import { DigestSet } from "./digest-set.ts";
import { digestsIn, referencesIn } from "./references.ts";
import type { Digest } from "../core/digest.ts";

export interface BlobSweep {
  readonly store: Store;
  readonly blobs: RemovableBlobs;
  /** A blob that was put at or after it stays: the event that names it may be on its way. */
  readonly before: number;
  /** Artifacts that were removed later still count. */
  readonly removedBefore: number;
  readonly dryRun: boolean;
  readonly breath: Breath;
}

/** Removes the blobs that no event and no cached result refers to. */
export async function sweepBlobs(sweep: BlobSweep): Promise<{ readonly blobs: number; readonly blobBytes: number }> {
  let wanted: DigestSet | undefined;
  let count = 0;
  let bytes = 0;
  for await (const part of sweep.blobs.old(sweep.before)) {
    // Where there is nothing that could go, the history need not be read.
    wanted ??= await referredTo(sweep);
    for (const { digest, size } of part) {
      if (wanted.has(digest)) continue;
      if (!sweep.dryRun && !(await sweep.blobs.remove(digest, sweep.before))) continue;
      count += 1;
      bytes += size;
    }
    await sweep.breath.take();
  }
  return { blobs: count, blobBytes: bytes };
}

async function referredTo({ store, blobs, removedBefore, breath }: BlobSweep): Promise<DigestSet> {
  const wanted = new DigestSet();
  for (let at: number | null = 0; at !== null;) {
    const slice: Awaited<ReturnType<Store["retention"]["eventTexts"]>> = await store.retention.eventTexts({
      after: at,
      removedBefore,
    });
    for (const { text, artifactsRemoved } of slice.texts) {
      const { values, artifacts, nested } = referencesIn(text);
      for (const digest of values) wanted.add(digest);
      if (artifactsRemoved) continue;
      for (const digest of artifacts) wanted.add(digest);
      for (const digest of nested) for (const inner of await namesIn(blobs, digest)) wanted.add(inner);
    }
    at = slice.next;
    await breath.take();
  }
  for (let at: number | null = 0; at !== null;) {
    const slice: Awaited<ReturnType<Store["retention"]["cacheTexts"]>> = await store.retention.cacheTexts({
      after: at,
    });
    for (const { text } of slice.texts) for (const digest of digestsIn(text)) wanted.add(digest);
    at = slice.next;
    await breath.take();
  }
  return wanted;
}

/** A list of artifacts that was too large for its event. Errors: `store_corrupt`, and then nothing is removed at all. */
async function namesIn(blobs: RemovableBlobs, digest: Digest): Promise<readonly Digest[]> {
  const bytes = await blobs.get(digest);
  return bytes === undefined ? [] : digestsIn(Buffer.from(bytes).toString("utf8"));
}
