import { createHash } from "node:crypto";
import { constants, createReadStream } from "node:fs";
import { lstat, open, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { MaestroError, messageOf } from "../../core/problem.ts";
import { DISCLOSURE_LIMITS } from "../../provenance/disclosure/form.ts";
import { PackagePaths } from "../../provenance/disclosure/package-path.ts";
import type { PackageContents, PackageFile } from "../../provenance/disclosure/verify-package.ts";
import type { TarMember } from "../tar.ts";
import { readTar, ustarHeader } from "../tar.ts";

/** What is only hashed, since it may be of any size. */
const ARTIFACT = /^evidence\/[^/]+\/artifacts\//;
const MAX_DEPTH = 8;

/** Whether it looks like a package: a folder, or a tar. Errors: `invalid_request` where it cannot be read. */
export async function isPackage(path: string): Promise<boolean> {
  try {
    const handle = await open(path, "r");
    try {
      if ((await handle.stat()).isDirectory()) return true;
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(512), 0, 512, 0);
      return buffer.toString("latin1", 257, 262) === "ustar" || (bytesRead > 0 && path.endsWith(".tar"));
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw unreadable(path, error);
  }
}

/**
 * Reads a package as somebody who believes nothing of it: what is wrong with its form is in the result, and nothing that
 * came after it was read. Nothing is written and no link followed. Errors: `invalid_request` where it cannot be read at all.
 */
export async function readPackage(path: string): Promise<PackageContents> {
  const files = new Map<string, PackageFile>();
  try {
    if ((await lstat(path)).isDirectory()) await readFolder(path, files);
    else await readFile(path, files);
    return { files };
  } catch (error) {
    if (error instanceof SyntaxError) return { files, fault: error.message };
    throw unreadable(path, error);
  }
}

/** The members of a tar that is one of ours in every byte but the time. Throws a SyntaxError that says which is not. */
export async function* membersOfPackage(stream: Readable): AsyncGenerator<TarMember> {
  for await (const member of readTar(stream)) {
    const { path, size, header } = member;
    const mtime = Number.parseInt(header?.toString("latin1", 136, 147) ?? "", 8);
    // Owners, modes, comments: what nobody signed is not there.
    if (
      header === undefined ||
      !Number.isSafeInteger(mtime) ||
      ustarHeader(path, size, mtime * 1000)?.equals(header) !== true
    )
      throw new SyntaxError(
        `its entry of ${JSON.stringify(path.slice(0, 200))} is not plain; unpack it and verify the folder if you trust whoever packed it again`,
      );
    yield member;
  }
}

async function readFile(path: string, files: Map<string, PackageFile>): Promise<void> {
  const intake = new Intake(files);
  for await (const { path: name, size, body } of membersOfPackage(createReadStream(path, { highWaterMark: 1 << 20 })))
    await intake.take(name, size, body);
}

async function readFolder(root: string, files: Map<string, PackageFile>): Promise<void> {
  const intake = new Intake(files);
  const visit = async (folder: string, prefix: string, depth: number): Promise<void> => {
    if (depth > MAX_DEPTH) throw new SyntaxError(`its folders are nested deeper than ${MAX_DEPTH}`);
    const entries = await readdir(folder, { withFileTypes: true });
    if (entries.length === 0)
      throw new SyntaxError(prefix === "" ? "the package is empty" : `the folder ${JSON.stringify(prefix)} is empty`);
    for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      const name = `${prefix}${entry.name}`;
      if (entry.isDirectory()) await visit(join(folder, entry.name), `${name}/`, depth + 1);
      else if (entry.isFile()) await readOne(join(folder, entry.name), name, intake);
      else
        throw new SyntaxError(`${JSON.stringify(name)} is ${entry.isSymbolicLink() ? "a symbolic link" : "no file"}`);
    }
  };
  await visit(root, "", 0);
}

async function readOne(file: string, name: string, intake: Intake): Promise<void> {
  // Also where it became a link since it was listed.
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) throw new SyntaxError(`${JSON.stringify(name)} is no file`);
    await intake.take(name, stat.size, handle.createReadStream({ autoClose: false, highWaterMark: 1 << 20 }));
  } finally {
    await handle.close();
  }
}

/** Takes files in, each checked by its name and size before a byte of it is read. */
class Intake {
  readonly #files: Map<string, PackageFile>;
  readonly #paths = new PackagePaths();
  #bytes = 0;
  #textBytes = 0;

  constructor(files: Map<string, PackageFile>) {
    this.#files = files;
  }

  async take(path: string, size: number, body: AsyncIterable<Buffer>): Promise<void> {
    this.#paths.add(path);
    const isText = !ARTIFACT.test(path);
    this.#bytes += size;
    if (isText) this.#textBytes += size;
    this.#refuse();
    const hash = createHash("sha256");
    const parts: Buffer[] = [];
    let read = 0;
    for await (const part of body) {
      read += part.length;
      if (read > size) throw new SyntaxError(`${path} became longer while it was read`);
      hash.update(part);
      if (isText) parts.push(part);
    }
    const sha256 = hash.digest("hex");
    this.#files.set(path, { size: read, sha256, ...(isText ? { bytes: Buffer.concat(parts) } : {}) });
  }

  #refuse(): void {
    const { files, bytes, textBytes } = DISCLOSURE_LIMITS;
    if (this.#files.size >= files) throw new SyntaxError(`it has more than ${files} files`);
    if (this.#bytes > bytes) throw new SyntaxError(`its files have more than ${bytes} bytes together`);
    if (this.#textBytes > textBytes)
      throw new SyntaxError(`its files, artifacts left aside, have more than ${textBytes} bytes together`);
  }
}

function unreadable(path: string, error: unknown): MaestroError {
  return new MaestroError("invalid_request", `${path} cannot be read: ${messageOf(error)}.`, {
    cause: error,
    fix: "Check the path and its permissions.",
  });
}
