import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import type { Digest } from "../core/digest.ts";

/** Size and sha256 of a file, read once from beginning to end. */
export async function fileFacts(
  file: string,
  signal: AbortSignal,
): Promise<{ readonly bytes: number; readonly digest: Digest }> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of createReadStream(file, { signal }) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    hash.update(chunk);
  }
  return { bytes, digest: `sha256:${hash.digest("hex")}` };
}
