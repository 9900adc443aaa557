import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { JsonObject } from "../core/json.ts";
import { fileFacts } from "./file-facts.ts";
import type { Git } from "./git-run.ts";
import { pathWithin } from "./row-writer.ts";
import { TaskFailure } from "./task.ts";

export const DEFAULT_COUNT = 100;

export interface LogInput {
  readonly ref?: string;
  readonly from?: string;
  readonly paths?: readonly string[];
  readonly maxCount?: number;
}

/** Commits that can be reached from `ref` and not from `from`, the newest first. */
export async function log(git: Git, cwd: string, input: LogInput): Promise<JsonObject> {
  const { ref = "HEAD", from, paths = [], maxCount = DEFAULT_COUNT } = input;
  const range = [await git.commitOf(cwd, ref), ...(from === undefined ? [] : [`^${await git.commitOf(cwd, from)}`])];
  const { stdout } = await git.call({
    cwd,
    args: [
      "log",
      "-z",
      "--no-show-signature",
      "--no-color",
      "--no-mailmap",
      `--max-count=${maxCount}`,
      `--format=${["%H", "%P", "%T", "%an", "%ae", "%at", "%ct", "%B"].join("%x00")}`,
      ...range,
      "--",
      ...paths,
    ],
  });
  const fields = stdout.split("\0");
  const commits: JsonObject[] = [];
  for (let i = 0; i + 7 < fields.length; i += 8) {
    const [commit = "", parents = "", tree = "", name = "", email = "", authored = "", committed = "", message = ""] =
      fields.slice(i, i + 8);
    commits.push({
      commit,
      parents: parents.split(" ").filter((id) => id !== ""),
      tree,
      author: { name, email },
      authoredAt: Number(authored) * 1000,
      committedAt: Number(committed) * 1000,
      subject: message.split("\n", 1)[0] ?? "",
      message,
    });
  }
  return { path: cwd, commits, count: commits.length };
}

export interface DiffInput {
  readonly from?: string;
  readonly ref?: string;
  readonly paths?: readonly string[];
  readonly patch?: string;
  readonly maxFiles?: number;
  readonly maxBytes?: number;
}

export const DEFAULT_FILES = 1000;
export const DEFAULT_PATCH_BYTES = 64 * 1024 * 1024;

/** What differs between two commits, or between a commit and the files as they are. */
export async function diff(git: Git, cwd: string, input: DiffInput): Promise<JsonObject> {
  const { from = "HEAD", ref, paths = [], patch, maxFiles = DEFAULT_FILES, maxBytes = DEFAULT_PATCH_BYTES } = input;
  const commits = [await git.commitOf(cwd, from), ...(ref === undefined ? [] : [await git.commitOf(cwd, ref)])];
  const common = ["diff", "--no-ext-diff", "--no-textconv", "--no-color", "--no-renames", "--ignore-submodules=dirty"];
  const { stdout } = await git.call({ cwd, args: [...common, "--raw", "--numstat", "-z", ...commits, "--", ...paths] });
  const files = filesOf(stdout);
  if (files.length > maxFiles)
    throw new TaskFailure({
      code: "LIMIT",
      message: `${files.length} files differ, more than ${maxFiles} (\`maxFiles\`). Name \`paths\`, or raise it.`,
      final: true,
    });
  const sum = (name: "added" | "deleted"): number => files.reduce((total, file) => total + (file[name] ?? 0), 0);
  const output = {
    path: cwd,
    from: commits[0] ?? "",
    to: commits[1] ?? null,
    count: files.length,
    added: sum("added"),
    deleted: sum("deleted"),
    files: files.map((file) => ({ ...file })),
  };
  return patch === undefined
    ? output
    : { ...output, patch: await writePatch(git, cwd, { args: [...common, ...commits], paths, name: patch, maxBytes }) };
}

async function writePatch(
  git: Git,
  cwd: string,
  {
    args,
    paths,
    name,
    maxBytes,
  }: {
    readonly args: readonly string[];
    readonly paths: readonly string[];
    readonly name: string;
    readonly maxBytes: number;
  },
): Promise<JsonObject> {
  const { context } = git;
  const file = pathWithin(context.dir(), name);
  if (file === undefined) throw new Error("validate() let a path out of the folder through");
  const made = join(context.dir(), ".patch-of-the-task");
  await rm(made, { force: true });
  await git.call({
    cwd,
    args: [
      ...args,
      "--binary",
      "--full-index",
      "--src-prefix=a/",
      "--dst-prefix=b/",
      `--output=${made}`,
      "--",
      ...paths,
    ],
  });
  const { size } = await stat(made);
  if (size > maxBytes)
    throw new TaskFailure({
      code: "LIMIT",
      message: `The patch has ${size} bytes, more than ${maxBytes} (\`maxBytes\`). Name \`paths\`, or raise it.`,
      final: true,
    });
  context.emit({ kind: "artifact", name, path: made });
  return { path: made, ...(await fileFacts(made, context.signal)) };
}

interface Changed {
  readonly path: string;
  /** As git says it: A, D, M, T. */
  readonly status: string;
  /** Null for what is no text. */
  readonly added: number | null;
  readonly deleted: number | null;
}

/** Reads `--raw --numstat -z`: first what became of each path, then how many lines. */
function filesOf(text: string): readonly Changed[] {
  const fields = text.split("\0");
  const status = new Map<string, string>();
  const files: Changed[] = [];
  for (let i = 0; i < fields.length; i += 1) {
    const field = fields[i] ?? "";
    const raw = /^:\S+ \S+ \S+ \S+ (\S)/.exec(field);
    if (raw !== null) {
      i += 1;
      status.set(fields[i] ?? "", raw[1] ?? "M");
      continue;
    }
    const [added, deleted, ...path] = field.split("\t");
    if (added === undefined || deleted === undefined) continue;
    const name = path.join("\t");
    const count = (digits: string): number | null => (digits === "-" ? null : Number(digits));
    files.push({ path: name, status: status.get(name) ?? "M", added: count(added), deleted: count(deleted) });
  }
  return files;
}

/** Whether there is anything that is not committed, and where the repository is. */
export async function status(
  git: Git,
  cwd: string,
  { paths = [], maxFiles = DEFAULT_FILES }: { readonly paths?: readonly string[]; readonly maxFiles?: number },
): Promise<JsonObject> {
  const { stdout } = await git.call({
    cwd,
    args: ["status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all", "--", ...paths],
  });
  const entries = stdout
    .split("\0")
    .filter((line) => line !== "")
    .map((line) => ({ status: line.slice(0, 2), path: line.slice(3) }));
  if (entries.length > maxFiles)
    throw new TaskFailure({
      code: "LIMIT",
      message: `${entries.length} files are not committed, more than ${maxFiles} (\`maxFiles\`). Name \`paths\`, or raise it.`,
      final: true,
    });
  const branch = await git.call({ cwd, args: ["symbolic-ref", "--quiet", "--short", "HEAD"], answers: [1] });
  return {
    path: cwd,
    commit: await git.head(cwd),
    branch: branch.exit === 0 ? branch.stdout.trim() : null,
    clean: entries.length === 0,
    count: entries.length,
    entries,
  };
}

/** The nearest tag, how many commits ago, and the commit. */
export async function describe(
  git: Git,
  cwd: string,
  { ref = "HEAD" }: { readonly ref?: string },
): Promise<JsonObject> {
  const commit = await git.commitOf(cwd, ref);
  const { exit, stdout } = await git.call({
    cwd,
    args: ["describe", "--tags", "--long", "--abbrev=64", commit],
    answers: [128],
  });
  const found = exit === 0 ? /^(.+)-(\d+)-g[0-9a-f]+$/.exec(stdout.trim()) : null;
  const [tag, distance] = found === null ? [null, null] : [found[1] ?? "", Number(found[2])];
  const short = commit.slice(0, 12);
  const name = tag === null ? short : distance === 0 ? tag : `${tag}-${distance}-g${short}`;
  return { path: cwd, commit, tag, distance, describe: name };
}
