import type { JsonObject } from "../core/json.ts";
import { branchArguments, changed } from "./git-clone.ts";
import type { Git } from "./git-run.ts";

export interface CheckoutInput {
  readonly ref?: string;
  readonly commit?: string;
  readonly branch?: string;
  readonly force?: boolean;
}

/** Checks out one commit of a repository that is here. */
export async function checkout(git: Git, cwd: string, input: CheckoutInput): Promise<JsonObject> {
  const { ref, commit, branch, force = false } = input;
  const wanted = await git.commitOf(cwd, ref ?? commit ?? "HEAD");
  if (commit !== undefined && wanted !== commit) throw changed(`${ref ?? "HEAD"} is ${wanted}`, commit);
  const previous = await git.head(cwd);
  await git.call({
    cwd,
    writes: true,
    args: [
      "checkout",
      "--quiet",
      "--no-recurse-submodules",
      ...(force ? ["--force"] : []),
      ...branchArguments(branch),
      wanted,
    ],
  });
  const found = await git.commitOf(cwd, "HEAD");
  if (found !== wanted) throw changed(`${cwd} is at ${found}`, wanted);
  return { path: cwd, commit: wanted, previous, changed: previous !== wanted };
}

export interface Person {
  readonly name: string;
  readonly email: string;
}

export interface CommitInput {
  readonly message: string;
  readonly author: Person;
  readonly committer?: Person;
  readonly paths: readonly string[];
  readonly date?: string;
  readonly onto?: string;
}

/** Commits the named paths as they are now, and nothing else. Where nothing changed there is no commit. */
export async function commit(git: Git, cwd: string, input: CommitInput): Promise<JsonObject> {
  const { message, author, committer = author, paths, date, onto } = input;
  const parent = await git.head(cwd);
  if (onto !== undefined && parent !== onto) throw changed(`${cwd} is at ${parent ?? "no commit yet"}`, onto);
  const status = await git.call({
    cwd,
    args: ["status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all", "--", ...paths],
  });
  const files = status.stdout.split("\0").filter((line) => line !== "");
  if (files.length === 0) return { path: cwd, commit: parent, parent, changed: false, count: 0 };
  // The path may also name what was removed.
  await git.call({ cwd, writes: true, args: ["add", "--all", "--", ...paths] });
  await git.call({
    cwd,
    writes: true,
    args: [
      "commit",
      "--quiet",
      "--no-verify",
      "--no-gpg-sign",
      "--cleanup=verbatim",
      "--allow-empty-message",
      "--file=-",
      "--only",
      "--",
      ...paths,
    ],
    stdin: message,
    env: {
      GIT_AUTHOR_NAME: author.name,
      GIT_AUTHOR_EMAIL: author.email,
      GIT_COMMITTER_NAME: committer.name,
      GIT_COMMITTER_EMAIL: committer.email,
      ...(date === undefined ? {} : { GIT_AUTHOR_DATE: date, GIT_COMMITTER_DATE: date }),
    },
  });
  const made = await git.commitOf(cwd, "HEAD");
  return { path: cwd, commit: made, parent, changed: true, count: files.length };
}
