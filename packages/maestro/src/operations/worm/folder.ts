import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { mkdir, open, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { MaestroError, messageOf } from "../../core/problem.ts";
import { storageError } from "../../store/storage-error.ts";
import type { Protection, WormFile, WormTarget } from "./target.ts";

const run = promisify(execFile);
const CHATTR_MS = 5_000;

/**
 * A folder whose files are only ever appended to. Where this user may, the file system is told to see to that (`chattr +a`,
 * Linux, root); whether it does is tried out on the files themselves.
 */
export async function openFolder(path: string): Promise<WormTarget> {
  await mkdir(path, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
    throw storageError(error, path);
  });
  return new WormFolder(path);
}

class WormFolder implements WormTarget {
  readonly shown: string;

  constructor(path: string) {
    this.shown = path;
  }

  async list(): Promise<readonly WormFile[]> {
    const names = (await readdir(this.shown)).sort();
    return Promise.all(names.map(async (name) => ({ name, bytes: (await stat(join(this.shown, name))).size })));
  }

  async read(name: string): Promise<Buffer> {
    return readFile(join(this.shown, name)).catch((error: unknown) => {
      throw storageError(error, join(this.shown, name));
    });
  }

  async create(name: string, bytes: Uint8Array): Promise<void> {
    await this.#write(name, bytes, constants.O_CREAT | constants.O_EXCL);
  }

  async append(name: string, bytes: Uint8Array): Promise<void> {
    await this.#write(name, bytes, 0);
  }

  async protection(): Promise<Protection> {
    const names = (await readdir(this.shown)).sort();
    if (process.getuid?.() === 0) await setAppendOnly([this.shown, ...names.map((name) => join(this.shown, name))]);
    const open_ = [];
    for (const name of names) if (!(await isAppendOnly(join(this.shown, name)))) open_.push(name);
    if (names.length === 0) return { enforced: false, detail: "nothing is there yet" };
    if (open_.length === 0)
      return {
        enforced: true,
        detail: `the file system takes nothing but additions to ${names.length} files (append-only attribute)`,
      };
    const why =
      process.getuid?.() === 0
        ? "the file system does not know or does not heed the append-only attribute"
        : "only root can set the append-only attribute";
    return {
      enforced: false,
      detail: `whoever has this user's rights can change ${open_.length} of ${names.length} files: ${why}`,
    };
  }

  async #write(name: string, bytes: Uint8Array, flags: number): Promise<void> {
    const path = join(this.shown, name);
    const how = constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW | flags;
    try {
      const file = await open(path, how, 0o600);
      try {
        await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
      const folder = await open(this.shown, constants.O_RDONLY);
      try {
        await folder.sync();
      } finally {
        await folder.close();
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") throw isThere(path, error);
      throw storageError(error, path);
    }
  }
}

/** It has failed where the measurement says so; what `chattr` says about it is of no use to anybody. */
async function setAppendOnly(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    try {
      await run("chattr", ["+a", "--", path], { timeout: CHATTR_MS });
    } catch (error) {
      if (!isRefusal(error)) throw new MaestroError("internal", `chattr: ${messageOf(error)}`, { cause: error });
    }
  }
}

/** It is not installed, or it ended with a code of its own. */
function isRefusal(error: unknown): boolean {
  const { code } = error as { readonly code?: unknown };
  return error instanceof Error && (typeof code === "number" || code === "ENOENT" || code === null);
}

/** Opened as whoever means to change what is there would, and closed again: an append-only file refuses that, to root too. */
async function isAppendOnly(path: string): Promise<boolean> {
  try {
    await (await open(path, constants.O_WRONLY)).close();
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function isThere(path: string, cause: unknown): MaestroError {
  return new MaestroError("conflict", `${path} is there already, and nothing is ever written over it.`, {
    cause,
    facts: { path },
    fix: "Two exports to one place at the same time do not go: let one of them end.",
  });
}
