import { existsSync } from "node:fs";
import { glob, lstat, realpath, stat } from "node:fs/promises";
import { isAbsolute, join, relative, resolve } from "node:path";
import type { Artifact } from "../core/event.ts";
import { TaskFailure } from "../task/task.ts";
import type { BlobStore } from "../store/blobs.ts";
import type { AttemptContext } from "./attempt-context.ts";
import { isInside } from "./sandbox.ts";

const MAX_ARTIFACTS = 10_000;

/**
 * Keeps the files of an attempt: those that its globs match, inside its folder only, and those it named. Sorted by
 * name, each name once. Errors: TaskFailure OUTPUT_INVALID for what leaves the folder or is no file, LIMIT for too many.
 */
export async function collectArtifacts(context: AttemptContext, blobs: BlobStore): Promise<readonly Artifact[]> {
  const { dir, artifacts: globs } = context.request;
  const found = new Map<string, string>();
  const folder = existsSync(dir) ? await realpath(dir) : dir;
  for (const pattern of globs) {
    for await (const name of matches(folder, pattern)) {
      found.set(name, await insideOf(folder, join(folder, name), name));
      if (found.size > MAX_ARTIFACTS)
        throw new TaskFailure({
          code: "LIMIT",
          final: true,
          message: `The artifacts match more than ${MAX_ARTIFACTS} files. Pack them into an archive, or match fewer.`,
        });
    }
  }
  for (const { name, path } of context.emitted ?? []) {
    const full = isAbsolute(path) ? path : resolve(folder, path);
    // A task may keep a file of its input; but what lies in the folder a command wrote to is not believed to be one.
    const outside = isAbsolute(path) && !isInside(full, folder) && !isInside(full, dir);
    found.set(name, outside ? full : await insideOf(folder, full, name));
  }
  const kept: Artifact[] = [];
  for (const [name, path] of [...found].sort(([a], [b]) => (a < b ? -1 : 1)))
    kept.push({ name, path, ...(await blobs.putFile(path)) });
  return kept;
}

/** Files by their names relative to the folder. Names that begin with a dot only where the pattern asks for them. */
async function* matches(folder: string, pattern: string): AsyncGenerator<string> {
  const wantsHidden = /(^|\/)\.[^./]/.test(pattern);
  for await (const found of glob(pattern, { cwd: folder })) {
    const name = isAbsolute(found) ? relative(folder, found) : found;
    if (!wantsHidden && /(^|\/)\.[^./]/.test(name)) continue;
    // A folder that matches is not an artifact; what is in it may be.
    if (!(await isFolder(join(folder, name)))) yield name;
  }
}

/** The file itself, links followed; it must be a file and lie in the folder. */
async function insideOf(folder: string, path: string, name: string): Promise<string> {
  const real = await realpath(path).catch((error: NodeJS.ErrnoException) => {
    throw new TaskFailure(
      { code: "OUTPUT_INVALID", message: `The artifact ${name} cannot be read: ${error.message}.` },
      { cause: error },
    );
  });
  if (!isInside(real, folder)) {
    throw new TaskFailure({
      code: "OUTPUT_INVALID",
      message: `The artifact ${name} leaves the attempt's folder (it is ${real}), so it is not kept. Copy the file instead of linking to it.`,
    });
  }
  if (!(await lstat(real)).isFile())
    throw new TaskFailure({ code: "OUTPUT_INVALID", message: `The artifact ${name} is not a regular file.` });
  return real;
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false; // A link to nowhere; `insideOf` refuses it with a reason.
  }
}
