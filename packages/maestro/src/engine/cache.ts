import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { glob, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Digest } from "../core/digest.ts";
import { digestOf } from "../core/digest.ts";
import type { JsonValue } from "../core/json.ts";
import type { Run } from "../core/run.ts";

/**
 * The key under which a step's result is kept: digest of its material (type and input, or the key the manifest gives) and
 * of the declared files, by name and content, relative to the folder the run was started in.
 */
export async function cacheKeyOf(
  run: Run,
  lookup: { readonly material: JsonValue; readonly files: readonly string[] },
): Promise<Digest> {
  const base = run.created.base;
  const files: Record<string, string> = {};
  if (base !== undefined) {
    for (const pattern of lookup.files) {
      for await (const name of glob(pattern, { cwd: base })) {
        const path = join(base, name);
        if ((await stat(path)).isFile()) files[name] = await fileDigest(path);
      }
    }
  }
  return digestOf({ namespace: run.created.namespace, material: lookup.material, files });
}

async function fileDigest(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return hash.digest("hex");
}
