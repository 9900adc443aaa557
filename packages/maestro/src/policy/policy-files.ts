import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { sha256 } from "../core/digest.ts";
import type { JsonObject } from "../core/json.ts";
import { messageOf } from "../core/problem.ts";
import { refuseOpenToAll } from "../manifest/settings.ts";
import { unusable } from "./unusable.ts";

export interface PolicyFile {
  /** Within the folder. */
  readonly name: string;
  readonly text: string;
}

export const FILE_LIMITS = { files: 200, bytes: 1024 * 1024, totalBytes: 4 * 1024 * 1024 } as const;

/**
 * The files of a folder that a policy is made of, by name. Folders in it are left alone; links are followed, since that is
 * how mounted configuration comes. Errors: `policy_unusable`.
 */
export async function readPolicyFolder(
  folder: string,
  counts: (name: string) => boolean,
): Promise<readonly PolicyFile[]> {
  let names: readonly string[];
  try {
    names = (await readdir(folder)).filter(counts).toSorted();
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
    throw unusable(folder, [isMissing ? "there is no such folder" : messageOf(error)], error);
  }
  if (names.length > FILE_LIMITS.files) throw unusable(folder, [`it has more than ${FILE_LIMITS.files} files`]);
  const files: PolicyFile[] = [];
  let total = 0;
  for (const name of names) {
    const bytes = await readPolicyBytes(join(folder, name), FILE_LIMITS.bytes);
    total += bytes.length;
    if (total > FILE_LIMITS.totalBytes)
      throw unusable(folder, [`its files have more than ${FILE_LIMITS.totalBytes} bytes together`]);
    files.push({ name, text: utf8(bytes, join(folder, name)) });
  }
  return files;
}

/** Errors: `policy_unusable`. */
export async function readPolicyBytes(path: string, most: number): Promise<Buffer> {
  try {
    const stats = await stat(path);
    if (!stats.isFile()) throw new Error("it is no file");
    refuseOpenToAll(stats);
    if (stats.size > most) throw new Error(`it has more than ${most} bytes`);
    return await readFile(path);
  } catch (error) {
    throw unusable(path, [messageOf(error)], error);
  }
}

/** What the digest of a policy is of: names and contents. The order in which a disk lists them does not matter. */
export function filesDocument(
  engine: JsonObject,
  files: readonly { readonly name: string; readonly bytes: string | Uint8Array }[],
): JsonObject {
  return { ...engine, files: files.map(({ name, bytes }) => ({ name, digest: sha256(bytes) })) };
}

export function utf8(bytes: Uint8Array, path: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw unusable(path, ["it is not UTF-8"], error);
  }
}
