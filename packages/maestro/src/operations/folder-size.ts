import type { Dirent } from "node:fs";
import { lstat, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { storageError } from "../store/storage-error.ts";

/** Bytes of the regular files below a folder; links are not followed. 0 where it is not there. */
export async function folderSize(path: string): Promise<number> {
  let total = 0;
  for (const entry of await entriesOf(path)) {
    const at = join(path, entry.name);
    if (entry.isDirectory()) total += await folderSize(at);
    else if (entry.isFile()) total += (await lstat(at).catch(gone))?.size ?? 0;
  }
  return total;
}

/** Removes a folder with all that is in it; returns the bytes that went. */
export async function removeFolder(path: string): Promise<number> {
  const bytes = await folderSize(path);
  await rm(path, { recursive: true, force: true, maxRetries: 3 });
  return bytes;
}

/** What is in a folder; nothing where it is not there. */
export async function entriesOf(path: string): Promise<readonly Dirent[]> {
  return (await readdir(path, { withFileTypes: true }).catch(gone)) ?? [];
}

function gone(error: NodeJS.ErrnoException): undefined {
  if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
  throw storageError(error, error.path ?? "a folder");
}
