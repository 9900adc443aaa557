import { createHash } from "node:crypto";
import { closeSync, createReadStream, openSync, readSync, statSync } from "node:fs";
import { basename, dirname } from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import type { Digest } from "../core/digest.ts";
import { messageOf } from "../core/problem.ts";
import type { ResidentCommand } from "../runner/resident.ts";
import { TaskFailure } from "./task.ts";

/**
 * How a file becomes a process: by itself; as a script whose first line asks for whatever Node there is, which is then
 * the one that runs Maestro, with the SDK; or as a module that the SDK loads and serves.
 */
export type ProgramKind = "executable" | "script" | "module";

/** A file that carries out a task type, as it was when it was added. */
export interface Program {
  /** Absolute. */
  readonly path: string;
  readonly kind: ProgramKind;
  /** SHA-256 of the file; what it imports or calls is not in it. */
  readonly digest: Digest;
  /** Variables of the engine's environment that it is given. */
  readonly env: readonly string[];
}

const MODULE = /\.[cm]?[jt]s$/;
const EXECUTABLE_BITS = 0o111;
/** `env` takes several words only after -S. */
const ANY_NODE = /^#! *\/usr\/bin\/env(?: +node| +-S *node(?<flags>(?: +-\S+)*)) *$/;
/** Systems read no more of a first line. */
const FIRST_LINE_BYTES = 256;

/** Says what can be done with a file that cannot be a program. */
export function kindOf(path: string): ProgramKind | { readonly problem: string } {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return { problem: `there is no file ${path}` };
  if (!found.isFile()) return { problem: `${path} is not a file` };
  let first: string;
  try {
    first = firstLine(path);
  } catch (error) {
    return { problem: `${path} cannot be read: ${messageOf(error)}` };
  }
  if ((found.mode & EXECUTABLE_BITS) !== 0) {
    if (ANY_NODE.test(first)) return "script";
    // Some file systems call every file executable; a module without a first line for it cannot be.
    if (!MODULE.test(path) || first.startsWith("#!")) return "executable";
  }
  if (MODULE.test(path)) return "module";
  return {
    problem: `${path} is neither executable (chmod +x, and a first line such as #!/usr/bin/env python3) nor a module (.ts, .mts, .js, .mjs)`,
  };
}

/** The command of a program's process; it works in the program's own folder. */
export function commandOf(
  { path, kind, env }: Omit<Program, "digest">,
  environment: (name: string) => string | undefined,
): ResidentCommand & { readonly readable: readonly string[] } {
  const given = env.flatMap((name) => {
    const value = environment(name);
    return value === undefined ? [] : [[name, value] as const];
  });
  const { argv, readable } = argumentsOf(path, kind);
  return { argv, env: Object.fromEntries(given), cwd: dirname(path), readable };
}

function argumentsOf(
  path: string,
  kind: ProgramKind,
): { readonly argv: readonly [string, ...string[]]; readonly readable: readonly string[] } {
  if (kind === "executable") return { argv: [path], readable: [] };
  // Resolved only where it is needed: the SDK is a package of its own.
  const own =
    kind === "module"
      ? import.meta.resolve("@summit/maestro-sdk/host")
      : import.meta.resolve("@summit/maestro-sdk/script");
  const folder = dirname(fileURLToPath(own));
  const flags = ANY_NODE.exec(firstLine(path))?.groups?.["flags"]?.split(" ").filter(Boolean) ?? [];
  return {
    argv:
      kind === "module"
        ? [process.execPath, fileURLToPath(own), path]
        : [process.execPath, ...flags, "--import", own, path],
    readable: [folder, dirname(folder)],
  };
}

function firstLine(path: string): string {
  const file = openSync(path, "r");
  try {
    const bytes = Buffer.alloc(FIRST_LINE_BYTES);
    const size = readSync(file, bytes, 0, FIRST_LINE_BYTES, 0);
    return /^[^\r\n]*/.exec(bytes.toString("utf8", 0, size))?.[0] ?? "";
  } finally {
    closeSync(file);
  }
}

/** SHA-256 of a file, read in parts. */
export async function digestOfFile(path: string): Promise<Digest> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return `sha256:${hash.digest("hex")}`;
}

/** Looks whether a program's file still is the one that was added; cheap where nothing touched it. */
export class Seal {
  readonly #program: Program;
  readonly #name: string;
  #seen = "";

  constructor(program: Program, name: string) {
    this.#program = program;
    this.#name = name;
  }

  /** Rejects with TaskFailure PROGRAM_CHANGED. */
  async check(): Promise<void> {
    const { path, digest } = this.#program;
    let now: string;
    try {
      const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
      now = [dev, ino, size, mtimeNs, ctimeNs].join(" ");
      // The system sets ctime at every change, so that the file need not be read again.
      if (now === this.#seen) return;
      const found = await digestOfFile(path);
      if (found !== digest) throw changed(this.#name, `${path} has the digest ${found}, and ${digest} was added`, path);
    } catch (error) {
      if (error instanceof TaskFailure) throw error;
      throw changed(this.#name, `${path} cannot be read: ${messageOf(error)}`, path, error);
    }
    this.#seen = now;
  }
}

/** Somebody has to look at a changed program before it runs under a name that plans and receipts have pinned. */
export function changed(name: string, what: string, path: string, cause?: unknown): TaskFailure {
  return new TaskFailure(
    {
      code: "PROGRAM_CHANGED",
      final: true,
      message: `The program of ${name} is not the one that was added: ${what}. Look at what has changed in ${basename(path)}, add it again (\`maestro task add ${path}\`), and start a new run.`,
    },
    cause === undefined ? {} : { cause },
  );
}
