import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { glob, stat } from "node:fs/promises";
import { resolve } from "node:path";
import type { Digest } from "../core/digest.ts";
import { digestOf } from "../core/digest.ts";
import type { JsonValue } from "../core/json.ts";
import type { StepResult } from "../core/event.ts";
import type { Run } from "../core/run.ts";

/**
 * The key under which a step's result is kept: digest of its material (type and input, or the key the manifest gives) and
 * of the declared files, by name and content, relative to the folder the run was started in. Rejects where a declared file
 * is not there: what does not depend on it as it was said to would be reused for ever.
 */
export async function cacheKeyOf(
  run: Run,
  lookup: { readonly material: JsonValue; readonly files: readonly string[] },
): Promise<Digest> {
  const files: Record<string, string> = {};
  for (const pattern of lookup.files) Object.assign(files, await digestsOf(run.created.base, pattern));
  return digestOf({ namespace: run.created.namespace, material: lookup.material, files });
}

async function digestsOf(base: string | undefined, pattern: string): Promise<Record<string, string>> {
  if (base === undefined) throw new Error(`nobody knows which folder ${pattern} is meant from`);
  const found: Record<string, string> = {};
  for await (const name of glob(pattern, { cwd: base })) {
    const path = resolve(base, name);
    if ((await stat(path)).isFile()) found[name] = await fileDigest(path);
  }
  if (Object.keys(found).length > 0) return found;
  throw new Error(`no file fits ${pattern}, which its cache depends on`);
}

/** Whether what an earlier run left is still where its result says: attempt folders do not stay for ever. */
export async function isUsable({ artifacts = [] }: StepResult): Promise<boolean> {
  for (const { path, size } of artifacts) {
    const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
      throw error;
    });
    if (found?.size !== size) return false;
  }
  return true;
}

async function fileDigest(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return hash.digest("hex");
}
