import { createHash, randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { mkdir, open, readdir, readFile, rename, rm, stat, utimes, type FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";
import { sha256, type Digest } from "../core/digest.ts";
import { MaestroError } from "../core/problem.ts";
import type { RemovableBlobs } from "./blobs.ts";
import { storageError } from "./storage-error.ts";

type Stored = { readonly digest: Digest; readonly size: number };

const DIGEST = /^sha256:[0-9a-f]{64}$/;
const COPY_BYTES = 1 << 20;

/**
 * Blobs as files: `<dir>/sha256/ab/<hex>`, written beside their place, synced and renamed, so that a file with a
 * blob's name is always the whole blob. Errors: `storage_full`, `storage_failed`, `store_corrupt` (names the file).
 */
export async function openBlobs(dir: string): Promise<RemovableBlobs> {
  const store = new BlobFiles(dir);
  await guarded(dir, () => store.prepare());
  return store;
}

class BlobFiles implements RemovableBlobs {
  readonly #dir: string;
  readonly #incoming: string;
  /** Folders that are known to be there and synced into their parent; at most 256. */
  readonly #folders = new Set<string>();
  /** Writes under way: two puts of the same bytes are one write. */
  readonly #writing = new Map<Digest, Promise<void>>();
  /** Removals under way: a put of the same bytes waits, and then writes them anew. */
  readonly #removing = new Map<Digest, Promise<boolean>>();

  constructor(dir: string) {
    this.#dir = dir;
    this.#incoming = join(dir, "incoming");
  }

  async prepare(): Promise<void> {
    await mkdir(join(this.#dir, "sha256"), { recursive: true, mode: 0o700 });
    await mkdir(this.#incoming, { recursive: true, mode: 0o700 });
    await syncFolder(this.#dir);
    // What a crash left half written. A name says which process wrote it, so that of a live one is not touched.
    for (const name of await readdir(this.#incoming)) {
      if (!isAlive(Number(name.split("-", 1)[0]))) await rm(join(this.#incoming, name), { force: true });
    }
  }

  async put(bytes: Uint8Array): Promise<Stored> {
    const digest = sha256(bytes);
    await guarded(this.#fileOf(digest), () =>
      this.#once(digest, bytes.byteLength, async () => {
        const temporary = this.#temporary();
        await this.#keep(temporary, this.#fileOf(digest), (file) => file.writeFile(bytes));
      }),
    );
    return { digest, size: bytes.byteLength };
  }

  async putFile(path: string): Promise<Stored> {
    return guarded(path, async () => {
      // O_NONBLOCK: opening a pipe that someone left where a file was expected must not hang the engine.
      const source = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
      try {
        const found = await source.stat();
        if (!found.isFile())
          throw new MaestroError("storage_failed", `${path} is not a regular file, so it cannot be stored.`, {
            fix: "Store files only; pack a folder into an archive first.",
          });
        return await this.#copyIn(source);
      } finally {
        await source.close();
      }
    });
  }

  async get(digest: Digest): Promise<Uint8Array | undefined> {
    if (!DIGEST.test(digest)) return undefined;
    const path = this.#fileOf(digest);
    return guarded(path, async () => {
      const bytes = await readFile(path).catch(absent);
      if (bytes === undefined) return undefined;
      const actual = sha256(bytes);
      if (actual === digest) return bytes;
      throw new MaestroError(
        "store_corrupt",
        `The blob file ${path} is damaged: its content has the digest ${actual}.`,
        {
          facts: { path, expected: digest, actual },
          fix: "Restore that file from a backup; its name is the digest its content must have.",
        },
      );
    });
  }

  async path(digest: Digest): Promise<string | undefined> {
    if (!DIGEST.test(digest)) return undefined;
    const path = this.#fileOf(digest);
    return guarded(path, async () => ((await stat(path).catch(absent)) === undefined ? undefined : path));
  }

  async *old(before: number): AsyncGenerator<readonly Stored[]> {
    const root = join(this.#dir, "sha256");
    for (const folder of (await guarded(root, () => readdir(root))).sort()) {
      const found: Stored[] = [];
      for (const name of await guarded(root, () => readdir(join(root, folder)))) {
        const digest: Digest = `sha256:${name}`;
        const there = DIGEST.test(digest) ? await stat(join(root, folder, name)).catch(absent) : undefined;
        if (there !== undefined && there.mtimeMs < before) found.push({ digest, size: there.size });
      }
      if (found.length > 0) yield found;
    }
  }

  async remove(digest: Digest, before: number): Promise<boolean> {
    // A put that is under way decides first; whatever it comes to is its caller's to hear.
    while (this.#writing.has(digest)) await Promise.allSettled([this.#writing.get(digest)]);
    const path = this.#fileOf(digest);
    const work = guarded(path, async () => {
      const there = await stat(path).catch(absent);
      if (there === undefined || there.mtimeMs >= before) return false;
      await rm(path, { force: true });
      return true;
    });
    this.#removing.set(digest, work);
    try {
      return await work;
    } finally {
      this.#removing.delete(digest);
    }
  }

  /** The digest is known only when the last byte was read, so the copy comes first and gets its name afterwards. */
  async #copyIn(source: FileHandle): Promise<Stored> {
    const temporary = this.#temporary();
    const hash = createHash("sha256");
    let size = 0;
    let named = false;
    try {
      const file = await open(temporary, "wx", 0o600);
      try {
        const buffer = Buffer.allocUnsafe(COPY_BYTES);
        for (;;) {
          const { bytesRead } = await source.read(buffer, 0, COPY_BYTES, size);
          if (bytesRead === 0) break;
          const part = buffer.subarray(0, bytesRead);
          hash.update(part);
          await writeAll(file, part);
          size += bytesRead;
        }
        await file.sync();
      } finally {
        await file.close();
      }
      const digest: Digest = `sha256:${hash.digest("hex")}`;
      await this.#once(digest, size, async () => {
        await this.#name(temporary, this.#fileOf(digest));
        named = true;
      });
      return { digest, size };
    } finally {
      if (!named) await rm(temporary, { force: true });
    }
  }

  async #once(digest: Digest, size: number, write: () => Promise<void>): Promise<void> {
    while (this.#removing.has(digest)) await Promise.allSettled([this.#removing.get(digest)]);
    const running = this.#writing.get(digest);
    if (running !== undefined) return running;
    const work = this.#unlessThere(digest, size, write);
    this.#writing.set(digest, work);
    try {
      await work;
    } finally {
      this.#writing.delete(digest);
    }
  }

  async #unlessThere(digest: Digest, size: number, write: () => Promise<void>): Promise<void> {
    const path = this.#fileOf(digest);
    const there = await stat(path).catch(absent);
    // A file of the wrong size is damage; writing it again mends it.
    if (there?.size !== size) return write();
    // Wanted again as of now, so that nobody removes it who looked before its new owner is recorded.
    await utimes(path, new Date(), new Date());
    // It may have been named by a process that died before its folder was synced.
    if (!this.#folders.has(dirname(path))) await this.#folder(dirname(path));
  }

  async #keep(temporary: string, path: string, fill: (file: FileHandle) => Promise<void>): Promise<void> {
    try {
      const file = await open(temporary, "wx", 0o600);
      try {
        await fill(file);
        await file.sync();
      } finally {
        await file.close();
      }
      await this.#name(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  }

  async #name(temporary: string, path: string): Promise<void> {
    const folder = dirname(path);
    if (!this.#folders.has(folder)) await this.#folder(folder);
    await rename(temporary, path);
    await syncFolder(folder);
  }

  async #folder(folder: string): Promise<void> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await syncFolder(folder);
    await syncFolder(dirname(folder));
    this.#folders.add(folder);
  }

  #fileOf(digest: Digest): string {
    const hex = digest.slice("sha256:".length);
    return join(this.#dir, "sha256", hex.slice(0, 2), hex);
  }

  #temporary(): string {
    return join(this.#incoming, `${process.pid}-${randomBytes(9).toString("hex")}`);
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.byteLength;) written += (await file.write(bytes, written)).bytesWritten;
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code === "ENOENT") return undefined;
  throw error;
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

async function guarded<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw storageError(error, path);
  }
}
