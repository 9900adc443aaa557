import type { BigIntStats, Dirent } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { messageOf } from "../core/problem.ts";
import { MANIFEST_NAME } from "../manifest/file-name.ts";

export const FOLDER_LIMITS = {
  /** Manifests of one folder, those in folders inside it counted. */
  manifests: 2000,
  /** Files and folders that are looked at to find them. */
  entries: 20_000,
  /** Folders inside one another. */
  depth: 8,
  /** Bytes of all its manifests together. */
  bytes: 64 * 1024 * 1024,
  /** Folders whose changes are told at once; in others they are found by the next look. */
  watched: 256,
} as const;

/** What a look at a folder finds, before anything is read. */
export interface FolderScan {
  /** By the path in the folder, with slashes. */
  readonly files: ReadonlyMap<string, Mark>;
  /** Folders, itself ("") first. */
  readonly folders: readonly string[];
  /** Folders that could not be listed: of what is in them nothing is known. */
  readonly unread: readonly string[];
  /** What keeps it from being whole. */
  readonly problem: string | null;
}

/** Tells one state of a file from another. */
export interface Mark {
  readonly print: string;
  readonly size: number;
  /** Epoch milliseconds, by the file system. */
  readonly changedAt: number;
}

/**
 * The manifests in a folder and the folders inside it. Names that begin with a dot and node_modules are left out; links to
 * files are followed, links to folders are not, so that there are no circles. Never rejects for what the folder is.
 */
export async function scanFolder(root: string): Promise<FolderScan> {
  const files = new Map<string, Mark>();
  const folders: string[] = [];
  const unread: string[] = [];
  let problem: string | null = null;
  let entries = 0;
  const waiting = [{ path: "", depth: 0 }];
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const found = await list(join(root, next.path));
    if (found === "gone" && next.path !== "") continue;
    if (found === "gone" || "why" in found) {
      unread.push(next.path);
      const why = found === "gone" ? "there is no such folder" : found.why;
      problem ??= next.path === "" ? why : `${next.path} cannot be read: ${why}`;
      continue;
    }
    folders.push(next.path);
    for (const entry of found.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      if ((entries += 1) > FOLDER_LIMITS.entries) {
        problem ??= `it holds more than ${FOLDER_LIMITS.entries} files and folders; what comes after ${next.path}/${entry.name} is not read`;
        return { files, folders, unread: [...unread, ""], problem };
      }
      if (entry.name.startsWith(".") || entry.name === "node_modules") continue;
      const path = next.path === "" ? entry.name : `${next.path}/${entry.name}`;
      if (entry.isDirectory()) {
        if (next.depth < FOLDER_LIMITS.depth) waiting.push({ path, depth: next.depth + 1 });
        else problem ??= `${path} lies more than ${FOLDER_LIMITS.depth} folders deep and is not read`;
      } else if (MANIFEST_NAME.test(entry.name)) {
        const mark = await markOf(join(root, path));
        if (mark === undefined) continue;
        if (files.size < FOLDER_LIMITS.manifests) files.set(path, mark);
        else
          problem ??= `it holds more than ${FOLDER_LIMITS.manifests} manifests; ${path} and what comes after it are not read`;
      }
    }
  }
  return { files, folders, unread, problem };
}

/** Undefined where it is gone meanwhile or is no file. */
export async function markOf(path: string): Promise<Mark | undefined> {
  try {
    const found = await stat(path, { bigint: true });
    return found.isFile() ? mark(found) : undefined;
  } catch (error) {
    if (isGone(error)) return undefined;
    // What the reader of the file will say too, with its reason.
    return { print: messageOf(error), size: 0, changedAt: 0 };
  }
}

export function mark(found: BigIntStats): Mark {
  const { dev, ino, size, mtimeNs, ctimeNs, mtimeMs, ctimeMs } = found;
  return {
    print: [dev, ino, size, mtimeNs, ctimeNs].join(":"),
    size: Number(size),
    changedAt: Math.max(Number(mtimeMs), Number(ctimeMs)),
  };
}

export function isGone(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "ENOENT" || code === "ENOTDIR" || code === "ELOOP";
}

async function list(path: string): Promise<readonly Dirent[] | "gone" | { readonly why: string }> {
  try {
    return await readdir(path, { withFileTypes: true });
  } catch (error) {
    return isGone(error) ? "gone" : { why: messageOf(error) };
  }
}
