import { cp, mkdir, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { JsonObject } from "../core/json.ts";
import { inputPath } from "./define.ts";
import { openRemote } from "./git-remote.ts";
import type { Remote, RemoteInput } from "./git-remote.ts";
import { refFailure } from "./git-run.ts";
import type { Git } from "./git-run.ts";
import { isMaestros, ownPlaceFailure } from "./places.ts";
import { TaskFailure } from "./task.ts";

export interface CloneInput extends RemoteInput {
  readonly path?: string;
  readonly ref?: string;
  readonly commit?: string;
  readonly depth?: number;
  readonly branch?: string;
}

/**
 * Fetches one commit and checks out exactly that. All of it happens in the attempt's folder; a folder elsewhere gets the
 * clone when it is complete and its commit is the one that was asked for.
 */
export async function clone(git: Git, input: CloneInput): Promise<JsonObject> {
  const { context } = git;
  const remote = await openRemote(input, context);
  const cwd = join(context.dir(), "repository");
  await rm(cwd, { recursive: true, force: true });
  await mkdir(cwd);
  await git.call({
    cwd,
    args: ["init", "--quiet", "--template=", ...(input.commit?.length === 64 ? ["--object-format=sha256"] : [])],
  });
  await git.call({ cwd, args: ["remote", "add", "origin", remote.url] });
  const commit = await fetch(git, cwd, remote, input);
  await git.call({
    cwd,
    args: ["checkout", "--quiet", "--no-recurse-submodules", ...branchArguments(input.branch), commit],
  });
  const found = await git.commitOf(cwd, "HEAD");
  if (found !== commit) throw changed(`${remote.url} gave ${found}`, commit);
  const tree = (await git.call({ cwd, args: ["rev-parse", "HEAD^{tree}"] })).stdout.trim();
  const output = { commit, tree, url: remote.url };
  if (input.path === undefined) return { ...output, path: cwd, changed: true };
  const target = inputPath(context, input.path);
  const isNew = await settle(git, cwd, target, commit);
  return { ...output, path: target, changed: isNew };
}

export function branchArguments(branch: string | undefined): readonly string[] {
  return branch === undefined ? ["--detach"] : ["-b", branch];
}

/** Resolves with the id of the commit, which then is here. */
async function fetch(git: Git, cwd: string, remote: Remote, input: CloneInput): Promise<string> {
  const { ref, commit, depth = 1 } = input;
  const fetched = async (refspecs: readonly string[], all: boolean): Promise<string | undefined> => {
    await git.call({
      cwd,
      args: [
        "fetch",
        "--quiet",
        "--no-recurse-submodules",
        "--upload-pack=git-upload-pack",
        ...(all || depth === 0 ? ["--tags"] : [`--depth=${depth}`, "--no-tags"]),
        remote.url,
        ...refspecs,
      ],
      network: remote.network,
      config: remote.config,
      env: remote.env,
    });
    return all ? undefined : git.commitOf(cwd, "FETCH_HEAD");
  };
  if (ref !== undefined || commit === undefined) {
    const found = (await fetched([ref ?? "HEAD"], false)) ?? "";
    if (commit !== undefined && found !== commit)
      throw changed(`${ref ?? "HEAD"} of ${remote.url} is ${found}`, commit);
    return found;
  }
  try {
    return (await fetched([commit], false)) ?? "";
  } catch (thrown) {
    // Some servers give commits by name only: then all names are fetched, and the commit must be among what came.
    if (!(thrown instanceof TaskFailure && thrown.error.code === "GIT_REF")) throw thrown;
  }
  await fetched(["+refs/heads/*:refs/remotes/origin/*"], true);
  const { exit } = await git.call({ cwd, args: ["cat-file", "-e", `${commit}^{commit}`], answers: [1, 128] });
  if (exit !== 0) throw refFailure(commit, remote.url);
  return commit;
}

/** Puts the clone where it is wanted; false where the same commit is there already. */
async function settle(git: Git, from: string, target: string, commit: string): Promise<boolean> {
  const found = await readdir(target).catch((cause: NodeJS.ErrnoException): readonly string[] => {
    if (cause.code === "ENOENT") return [];
    throw occupied(target, cause);
  });
  if (found.length > 0) {
    if (!found.includes(".git") || (await git.head(target)) !== commit) throw occupied(target);
    await rm(from, { recursive: true });
    return false;
  }
  await mkdir(dirname(target), { recursive: true });
  try {
    await rename(from, target);
  } catch (thrown) {
    if (!(thrown instanceof Error && "code" in thrown && thrown.code === "EXDEV")) throw occupied(target, thrown);
    await cp(from, target, { recursive: true, verbatimSymlinks: true, errorOnExist: true, force: false });
    await rm(from, { recursive: true });
  }
  return true;
}

/** A clone may not be put into Maestro's own folders. */
export function checkTarget(git: Git, path: string | undefined): void {
  if (path === undefined) return;
  const target = inputPath(git.context, path);
  if (isMaestros(target, git.context)) throw ownPlaceFailure(target);
}

function occupied(target: string, cause?: unknown): TaskFailure {
  return new TaskFailure(
    {
      code: "EXISTS",
      message: `${target} is there already, and is not this commit. Name another folder, or use \`checkout\` in it.`,
      final: true,
    },
    cause === undefined ? {} : { cause },
  );
}

export function changed(what: string, expected: string): TaskFailure {
  return new TaskFailure({
    code: "CHANGED",
    message: `${what}, and ${expected} was expected. Look at what came between before you go on.`,
    final: true,
    details: { expected },
  });
}
