import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { chmod, lstat, mkdir, open, readdir, rename, rm, rmdir, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { MaestroError, messageOf } from "../../core/problem.ts";
import { PackagePaths } from "../../provenance/disclosure/package-path.ts";
import { storageError } from "../../store/storage-error.ts";
import { TAR_END, tarPadding, ustarHeader } from "../tar.ts";
import type { PackedFile } from "./draft.ts";
import { membersOfPackage } from "./read-package.ts";

/** A package as a tar whose bytes follow from its files alone: plain ustar, sorted, one time, nobody's. */
export async function* packTar(files: readonly PackedFile[], mtimeMs: number): AsyncGenerator<Uint8Array> {
  for (const { path, size, sha256, content } of files) {
    const header = ustarHeader(path, size, mtimeMs);
    if (header === undefined) throw new TypeError(`${path} of ${size} bytes does not fit a tar`);
    yield header;
    if (content instanceof Uint8Array) yield content;
    else {
      const hash = createHash("sha256");
      let left = size;
      for await (const part of createReadStream(content.file, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
        hash.update(part);
        left -= part.length;
        if (left < 0) break;
        yield part;
      }
      // The reader gets a tar that ends too early, which is none.
      if (left !== 0 || hash.digest("hex") !== sha256)
        throw new MaestroError("store_corrupt", `The bytes of artifact sha256:${sha256} are not those of its digest.`);
    }
    yield tarPadding(size);
  }
  yield TAR_END;
}

/**
 * Writes a package that comes as a tar into a folder of its own, file by file as it would be verified; the folder has its
 * name when it is whole. Errors: `conflict` where there is something already, `verification_failed`, `storage_full`, `storage_failed`.
 */
export async function unpackTo(folder: string, tar: Readable, mtimeMs: number): Promise<void> {
  await refuseExisting(folder);
  const draft = `${folder}.${process.pid}.part`;
  try {
    await mkdir(draft, { recursive: true });
    const folders = new Set([draft]);
    const paths = new PackagePaths();
    for await (const { path, body } of membersOfPackage(tar)) {
      paths.add(path);
      const file = join(draft, ...path.split("/"));
      for (let up = dirname(file); !folders.has(up); up = dirname(up)) folders.add(up);
      await mkdir(dirname(file), { recursive: true });
      await writeWhole(file, body);
      // Whatever the umask says: the same package is the same for everybody.
      await chmod(file, 0o644);
      await utimes(file, mtimeMs / 1000, mtimeMs / 1000);
    }
    for (const one of [...folders].toSorted((a, b) => b.length - a.length)) {
      await chmod(one, 0o755);
      await utimes(one, mtimeMs / 1000, mtimeMs / 1000);
    }
    await removeEmpty(folder);
    await rename(draft, folder);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw problemOf(error, folder);
  }
}

/** The same into one file, byte by byte. */
export async function saveTo(file: string, tar: Readable): Promise<void> {
  const draft = `${file}.${process.pid}.part`;
  try {
    await writeWhole(draft, tar);
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true });
    throw problemOf(error, file);
  }
}

async function writeWhole(file: string, parts: AsyncIterable<Buffer>): Promise<void> {
  const handle = await open(file, "wx", 0o644);
  try {
    for await (const part of parts)
      for (let at = 0; at < part.length;) at += (await handle.write(part, at)).bytesWritten;
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function refuseExisting(folder: string): Promise<void> {
  try {
    const stat = await lstat(folder);
    if (stat.isDirectory() && (await readdir(folder)).length === 0) return;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw storageError(error, folder);
  }
  throw new MaestroError("conflict", `${folder} is there already; a package gets a folder of its own.`, {
    facts: { path: folder },
    fix: "Name another one with --out, or remove it.",
  });
}

async function removeEmpty(folder: string): Promise<void> {
  try {
    await rmdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

function problemOf(error: unknown, path: string): unknown {
  if (error instanceof MaestroError) return error;
  if (error instanceof SyntaxError)
    return new MaestroError("verification_failed", `What came is no whole package: ${messageOf(error)}.`, {
      cause: error,
      fix: "Ask again; nothing was written.",
    });
  return typeof (error as NodeJS.ErrnoException).code === "string" ? storageError(error, path) : error;
}
