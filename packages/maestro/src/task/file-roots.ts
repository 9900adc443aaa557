import { constants } from "node:fs";
import { mkdir, open, readlink, realpath } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { messageOf } from "../core/problem.ts";
import { isInside } from "../runner/sandbox.ts";
import { installation, isMaestros, ownPlaceFailure, runFolder } from "./places.ts";
import { TaskFailure } from "./task.ts";
import type { TaskContext } from "./task.ts";

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = constants;

/** A folder that is open. What is reached by `at` is in this very folder, wherever its path leads by now. */
export interface Folder extends AsyncDisposable {
  readonly handle: FileHandle;
  readonly real: string;
  at(name: string): string;
}

interface Root {
  readonly named: string;
  readonly real: string;
  readonly readOnly: boolean;
}

/**
 * The folders that a task may touch. A path is first compared by its words, and what was opened by where it really is: a
 * link that leads out is found also when it appears between the two. Fails with OUTSIDE (final).
 */
export class Roots {
  readonly #context: TaskContext;
  readonly #roots: readonly Root[];

  private constructor(context: TaskContext, roots: readonly Root[]) {
    this.#context = context;
    this.#roots = roots;
  }

  static async open(context: TaskContext, names: readonly string[]): Promise<Roots> {
    const declared = await Promise.all(
      names.map(async (name) => {
        const named = resolve(context.base, name);
        const real = await realpath(named).catch((cause: NodeJS.ErrnoException) => {
          throw fileFailure(cause, named, "The root");
        });
        return { named, real, readOnly: false };
      }),
    );
    const [dir, run] = [await realpath(context.dir()), runFolder(context)];
    return new Roots(context, [
      ...declared,
      { named: context.dir(), real: dir, readOnly: false },
      // What earlier tasks of the run left, to read.
      { named: run, real: run, readOnly: true },
    ]);
  }

  /** A regular file to read. A link is followed as long as it stays inside. */
  async file(path: string): Promise<FileHandle> {
    const full = this.#admit(path, "read");
    // Without O_NONBLOCK, a pipe that nobody writes would keep the task waiting for ever.
    const handle = await open(full, O_RDONLY | O_NONBLOCK | O_NOCTTY).catch((cause: NodeJS.ErrnoException) => {
      throw fileFailure(cause, full);
    });
    try {
      await this.#check(handle, full, "read");
      const stat = await handle.stat();
      if (!stat.isFile()) throw kindFailure(full, stat.isDirectory() ? "a folder" : "no regular file");
      return handle;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** A folder; with `make`, it and the folders above it are made where they are missing. */
  async folder(path: string, use: "read" | "write", make = false): Promise<Folder> {
    const full = this.#admit(path, use);
    try {
      return await this.#openFolder(full, use, O_RDONLY | O_DIRECTORY, full);
    } catch (cause) {
      if (!make || !isMissing(cause)) throw cause instanceof TaskFailure ? cause : fileFailure(cause, full);
    }
    if (this.#roots.some(({ named, real }) => full === named || full === real)) throw kindFailure(full, "gone");
    await using parent = await this.folder(dirname(full), use, true);
    const name = basename(full);
    try {
      await mkdir(parent.at(name)).catch((cause: NodeJS.ErrnoException) => {
        // Somebody else was faster.
        if (cause.code !== "EEXIST") throw cause;
      });
      return await this.#openFolder(parent.at(name), use, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, full);
    } catch (cause) {
      throw cause instanceof TaskFailure ? cause : fileFailure(cause, full);
    }
  }

  /** The folder of a file that is to be written, and the file's name in it. */
  async place(
    path: string,
    options: { readonly make: boolean },
  ): Promise<{ readonly folder: Folder; readonly name: string }> {
    const full = this.#admit(path, "write");
    if (this.#roots.some(({ named, real }) => full === named || full === real)) throw kindFailure(full, "a root");
    return { folder: await this.folder(dirname(full), "write", options.make), name: basename(full) };
  }

  async #openFolder(path: string, use: "read" | "write", flags: number, shown: string): Promise<Folder> {
    const handle = await open(path, flags);
    try {
      const real = await this.#check(handle, shown, use);
      const way = process.platform === "linux" ? `/proc/self/fd/${handle.fd}` : real;
      return { handle, real, at: (name) => `${way}/${name}`, [Symbol.asyncDispose]: () => handle.close() };
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Refuses to remove a folder that Maestro's own data directory lies in. */
  checkRemoval(folder: Folder, name: string, path: string): void {
    const own = installation(this.#context);
    if (own !== undefined && isInside(own, join(folder.real, name))) throw ownPlaceFailure(path);
  }

  /** Whether a folder that was found in one of the roots belongs to Maestro itself. */
  isOwn(real: string): boolean {
    return isMaestros(real, this.#context);
  }

  #admit(path: string, use: "read" | "write"): string {
    const full = resolve(this.#context.base, path);
    const isIn = this.#roots.some(
      ({ named, real, readOnly }) => (use === "read" || !readOnly) && (isInside(full, named) || isInside(full, real)),
    );
    if (!isIn) throw this.#outside(path, full, use);
    return full;
  }

  /** Where an open handle really is, which no rename or link can change any more. */
  async #check(handle: FileHandle, path: string, use: "read" | "write"): Promise<string> {
    const real = process.platform === "linux" ? await readlink(`/proc/self/fd/${handle.fd}`) : await realpath(path);
    const isIn = this.#roots.some((root) => (use === "read" || !root.readOnly) && isInside(real, root.real));
    if (!isIn) throw this.#outside(path, real, use);
    if (isMaestros(real, this.#context)) throw ownPlaceFailure(path);
    return real;
  }

  #outside(path: string, real: string, use: "read" | "write"): TaskFailure {
    const where = path === real ? path : `${path} is ${real}, and that`;
    const roots = this.#roots.filter(({ readOnly }) => !readOnly).map(({ named }) => named);
    return new TaskFailure({
      code: "OUTSIDE",
      message: `${where} is outside of what this task may ${use}: ${roots.slice(0, -1).join(", ")}. If it is meant, list its folder under \`roots\`.`,
      final: true,
    });
  }
}

function isMissing(thrown: unknown): boolean {
  return thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT";
}

export function kindFailure(path: string, what: string): TaskFailure {
  return new TaskFailure({
    code: "KIND",
    message: `${path} is ${what}. Name a regular file, or a folder where one is asked for.`,
    final: true,
  });
}

const REASONS: Readonly<Record<string, readonly [code: string, why: string, final: boolean]>> = {
  ENOENT: ["NOT_FOUND", "does not exist", true],
  ENOTDIR: ["NOT_FOUND", "does not exist: what should be a folder is a file", true],
  EACCES: ["DENIED", "may not be used by this user", true],
  EPERM: ["DENIED", "may not be used by this user", true],
  EROFS: ["DENIED", "is on a disk that is read-only", true],
  ELOOP: ["KIND", "is a link, or links that go round in circles", true],
  EISDIR: ["KIND", "is a folder", true],
  ENOTEMPTY: ["NOT_EMPTY", "is a folder that is not empty; set `recursive: true` to remove all of it", true],
  EEXIST: ["EXISTS", "is there already", true],
  ENXIO: ["KIND", "is no regular file", true],
  ENAMETOOLONG: ["INPUT_INVALID", "is too long a name", true],
  ENOSPC: ["NO_SPACE", "could not be written: the disk is full", false],
  EDQUOT: ["NO_SPACE", "could not be written: the quota is used up", false],
};

/** What the system said about a path, in words. */
export function fileFailure(thrown: unknown, path: string, what?: string): unknown {
  if (thrown instanceof TaskFailure || !(thrown instanceof Error) || !("code" in thrown)) return thrown;
  const [code, why, final] = REASONS[String(thrown.code)] ?? [
    "UNAVAILABLE",
    `could not be used: ${messageOf(thrown)}`,
    false,
  ];
  return new TaskFailure(
    { code, message: `${what === undefined ? "" : `${what} `}${path} ${why}.`, ...(final ? { final } : {}) },
    { cause: thrown },
  );
}
