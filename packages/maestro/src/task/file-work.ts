import { createHash, randomUUID } from "node:crypto";
import { constants } from "node:fs";
import type { Dirent } from "node:fs";
import { link, lstat, open, readdir, rename, rmdir, unlink } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import type { Digest } from "../core/digest.ts";
import { fileFailure, kindFailure } from "./file-roots.ts";
import type { Folder } from "./file-roots.ts";
import { TaskFailure } from "./task.ts";

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_WRONLY, O_CREAT, O_EXCL } = constants;
const CHUNK_BYTES = 256 * 1024;
const MODE = 0o644;
/** Of folders inside one another that are listed or removed; each is held open. */
const MAX_DEPTH = 64;

export interface Facts {
  readonly bytes: number;
  readonly digest: Digest;
}

export interface Reading {
  readonly path: string;
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}

/** Reads an open file to its end; what is read may go on to `take`. Fails with TOO_LARGE, also where it grows meanwhile. */
export async function readThrough(
  handle: FileHandle,
  { path, maxBytes, signal }: Reading,
  take?: (chunk: Buffer) => Promise<unknown> | void,
): Promise<Facts> {
  const hash = createHash("sha256");
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  let bytes = 0;
  for (;;) {
    signal.throwIfAborted();
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, bytes);
    if (bytesRead === 0) return { bytes, digest: `sha256:${hash.digest("hex")}` };
    bytes += bytesRead;
    if (bytes > maxBytes)
      throw new TaskFailure({
        code: "TOO_LARGE",
        message: `${path} has more than ${maxBytes} bytes. Raise \`maxBytes\` if that is meant.`,
        final: true,
      });
    const chunk = buffer.subarray(0, bytesRead);
    hash.update(chunk);
    await take?.(chunk);
  }
}

/** What is at a name in a folder: the facts of a regular file, or null where there is nothing. Anything else is a failure. */
export async function factsAt(
  folder: Folder,
  name: string,
  reading: Reading,
): Promise<(Facts & { readonly mode: number }) | null> {
  let handle: FileHandle;
  try {
    handle = await open(folder.at(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return null;
    throw fileFailure(thrown, reading.path);
  }
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) throw kindFailure(reading.path, stat.isDirectory() ? "a folder" : "no regular file");
    return { ...(await readThrough(handle, reading)), mode: stat.mode & 0o777 };
  } finally {
    await handle.close();
  }
}

/**
 * Puts a file in its place in one step: whoever looks sees the old file or the new one, whole and on disk. `fill` writes it.
 * With `onlyNew` an existing file is a failure (EXISTS).
 */
export async function putFile(
  folder: Folder,
  name: string,
  options: { readonly path: string; readonly mode: number | undefined; readonly onlyNew: boolean },
  fill: (file: FileHandle) => Promise<Facts>,
): Promise<Facts> {
  const { path, mode, onlyNew } = options;
  const temporary = `.${name.slice(0, 100)}.${randomUUID()}.part`;
  let left = false;
  try {
    const file = await open(folder.at(temporary), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    left = true;
    let facts: Facts;
    try {
      facts = await fill(file);
      await file.chmod(mode ?? MODE);
      await file.sync();
    } finally {
      await file.close();
    }
    if (onlyNew) await link(folder.at(temporary), folder.at(name));
    else {
      await rename(folder.at(temporary), folder.at(name));
      left = false;
    }
    await folder.handle.sync();
    return facts;
  } catch (thrown) {
    throw fileFailure(thrown, path);
  } finally {
    if (left) await unlink(folder.at(temporary));
  }
}

/** Moves within one disk; false where they are on two. */
export async function renameFile(
  from: { readonly folder: Folder; readonly name: string },
  to: { readonly folder: Folder; readonly name: string; readonly path: string },
  onlyNew: boolean,
): Promise<boolean> {
  try {
    if (onlyNew) {
      await link(from.folder.at(from.name), to.folder.at(to.name));
      await unlink(from.folder.at(from.name));
    } else await rename(from.folder.at(from.name), to.folder.at(to.name));
    await to.folder.handle.sync();
    await from.folder.handle.sync();
    return true;
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "EXDEV") return false;
    throw fileFailure(thrown, to.path);
  }
}

export interface Entry {
  /** From the folder that is listed. */
  readonly path: string;
  readonly kind: "file" | "folder" | "link" | "other";
  readonly folder: Folder;
  readonly name: string;
}

/** What is in a folder, sorted by name, a folder before what is in it. Links are named and not followed. */
export async function* walk(
  folder: Folder,
  options: {
    readonly recursive: boolean;
    readonly signal: AbortSignal;
    readonly path: string;
    isOwn(real: string): boolean;
  },
  above = "",
  depth = 0,
): AsyncGenerator<Entry> {
  if (depth > MAX_DEPTH)
    throw new TaskFailure({
      code: "TOO_LARGE",
      message: `${options.path} has folders deeper than ${MAX_DEPTH}.`,
      final: true,
    });
  const found = await readdir(folder.at("."), { withFileTypes: true });
  found.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const one of found) {
    options.signal.throwIfAborted();
    const path = `${above}${one.name}`;
    yield { path, kind: kindOf(one), folder, name: one.name };
    if (!options.recursive || !one.isDirectory() || options.isOwn(`${folder.real}/${one.name}`)) continue;
    await using inner = await openInner(folder, one.name, path);
    yield* walk(inner, options, `${path}/`, depth + 1);
  }
}

function kindOf(one: Dirent): Entry["kind"] {
  if (one.isFile()) return "file";
  if (one.isDirectory()) return "folder";
  return one.isSymbolicLink() ? "link" : "other";
}

async function openInner(folder: Folder, name: string, path: string): Promise<Folder> {
  const handle = await open(folder.at(name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW).catch((cause: unknown) => {
    throw fileFailure(cause, path);
  });
  const real = `${folder.real}/${name}`;
  const way = process.platform === "linux" ? `/proc/self/fd/${handle.fd}` : real;
  return { handle, real, at: (inner) => `${way}/${inner}`, [Symbol.asyncDispose]: () => handle.close() };
}

/** Removes a file, a link (not where it leads), or a folder. Resolves with how many of them went. */
export async function remove(
  folder: Folder,
  name: string,
  options: { readonly path: string; readonly recursive: boolean; readonly signal: AbortSignal },
  depth = 0,
): Promise<number> {
  options.signal.throwIfAborted();
  if (depth > MAX_DEPTH)
    throw new TaskFailure({
      code: "TOO_LARGE",
      message: `${options.path} has folders deeper than ${MAX_DEPTH}.`,
      final: true,
    });
  try {
    const stat = await lstat(folder.at(name)).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOENT") return undefined;
      throw cause;
    });
    if (stat === undefined) return 0;
    if (!stat.isDirectory()) {
      await unlink(folder.at(name));
      return 1;
    }
    let count = 1;
    if (options.recursive) {
      await using inner = await openInner(folder, name, options.path);
      for (const found of await readdir(inner.at("."))) count += await remove(inner, found, options, depth + 1);
    }
    await rmdir(folder.at(name));
    return count;
  } catch (thrown) {
    throw fileFailure(thrown, options.path);
  }
}
