import { createHash, randomBytes } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { Transform } from "node:stream";
import { storageError } from "../store/storage-error.ts";
import { TAR_END, tarHeader, tarPadding } from "./tar.ts";

/** A member as the list at the archive's end names it. */
export interface Listed {
  readonly path: string;
  readonly size: number;
  /** Hex, as sha256sum(1) writes it. */
  readonly sha256: string;
}

const COPY_BYTES = 1 << 20;

/**
 * Writes a compressed tar beside its place, for the owner only; `commit` syncs it and gives it its name, so a file of that
 * name is always a whole archive. Errors: `storage_full`, `storage_failed`.
 */
export class ArchiveWriter {
  readonly listed: Listed[] = [];
  readonly #path: string;
  readonly #draft: string;
  readonly #file: FileHandle;
  readonly #packer: Transform;
  readonly #now: number;
  readonly #hash = createHash("sha256");
  readonly #writing: Promise<void>;
  #failure: unknown;
  #bytes = 0;

  private constructor(path: string, draft: string, file: FileHandle, packer: Transform, now: number) {
    this.#path = path;
    this.#draft = draft;
    this.#file = file;
    this.#packer = packer;
    this.#now = now;
    this.#writing = this.#drain().catch((error: unknown) => {
      this.#failure = error;
      packer.destroy();
    });
  }

  static async create(path: string, packer: Transform, now: number): Promise<ArchiveWriter> {
    const draft = `${path}.${process.pid}-${randomBytes(4).toString("hex")}.part`;
    try {
      return new ArchiveWriter(path, draft, await open(draft, "wx", 0o600), packer, now);
    } catch (error) {
      throw storageError(error, draft);
    }
  }

  async addBytes(path: string, bytes: Buffer): Promise<void> {
    await this.#put(tarHeader(path, bytes.length, this.#now));
    await this.#put(bytes);
    await this.#put(tarPadding(bytes.length));
    this.listed.push({ path, size: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") });
  }

  /** As long as the file is when it is opened: what is appended later is not part of it. False where there is no file. */
  async addFile(path: string, from: string): Promise<boolean> {
    let source: FileHandle;
    try {
      source = await open(from, "r");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
      throw storageError(error, from);
    }
    try {
      const { size, mtimeMs } = await source.stat();
      await this.#put(tarHeader(path, size, mtimeMs));
      const hash = createHash("sha256");
      for (let at = 0; at < size;) {
        const buffer = Buffer.allocUnsafe(Math.min(COPY_BYTES, size - at));
        const { bytesRead } = await source.read(buffer, 0, buffer.length, at);
        if (bytesRead === 0) throw storageError(new Error("it became shorter while it was read"), from);
        const part = buffer.subarray(0, bytesRead);
        hash.update(part);
        await this.#put(part);
        at += bytesRead;
      }
      await this.#put(tarPadding(size));
      this.listed.push({ path, size, sha256: hash.digest("hex") });
      return true;
    } finally {
      await source.close();
    }
  }

  async commit(): Promise<{ readonly bytes: number; readonly sha256: string }> {
    await this.#put(TAR_END);
    this.#packer.end();
    await this.#writing;
    this.#check();
    try {
      await this.#file.sync();
      await this.#file.close();
      await rename(this.#draft, this.#path);
      await syncFolder(dirname(this.#path));
    } catch (error) {
      throw storageError(error, this.#path);
    }
    return { bytes: this.#bytes, sha256: this.#hash.digest("hex") };
  }

  /** Leaves nothing behind. */
  async abandon(): Promise<void> {
    this.#packer.destroy();
    await this.#writing;
    await Promise.allSettled([this.#file.close()]);
    await rm(this.#draft, { force: true });
  }

  async #drain(): Promise<void> {
    for await (const chunk of this.#packer as AsyncIterable<Buffer>) {
      this.#hash.update(chunk);
      this.#bytes += chunk.length;
      for (let at = 0; at < chunk.length;) at += (await this.#file.write(chunk, at)).bytesWritten;
    }
  }

  async #put(bytes: Buffer): Promise<void> {
    this.#check();
    if (bytes.length === 0) return;
    await new Promise<void>((taken) => {
      // Also where the writing failed, which the check below says better than the stream that was ended for it.
      this.#packer.write(bytes, () => taken());
    });
    this.#check();
  }

  #check(): void {
    if (this.#failure !== undefined) throw storageError(this.#failure, this.#draft);
  }
}

/** `sha256sum -c` reads it. */
export function listText(listed: readonly Listed[]): string {
  return listed.map(({ path, sha256 }) => `${sha256}  ${path}\n`).join("");
}

export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
