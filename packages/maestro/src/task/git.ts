import { realpath } from "node:fs/promises";
import type { JsonObject } from "../core/json.ts";
import { inputPath, task } from "./define.ts";
import { checkout, commit } from "./git-change.ts";
import type { CheckoutInput, CommitInput } from "./git-change.ts";
import { checkTarget, clone } from "./git-clone.ts";
import type { CloneInput } from "./git-clone.ts";
import { gitDescription } from "./git-description.ts";
import { describe, diff, log, status } from "./git-read.ts";
import type { DiffInput, LogInput } from "./git-read.ts";
import { remoteProblems } from "./git-remote.ts";
import { Git } from "./git-run.ts";
import { allowanceProblem } from "./http-admit.ts";
import { unreadable } from "./json-file.ts";
import { isMaestros, ownPlaceFailure } from "./places.ts";
import { pathWithin } from "./row-writer.ts";
import type { TaskContext, TaskType } from "./task.ts";

type Operation = "clone" | "checkout" | "diff" | "commit" | "log" | "status" | "describe";

interface Input
  extends
    Partial<CloneInput>,
    CheckoutInput,
    Partial<Omit<CommitInput, "paths">>,
    Omit<LogInput, "paths">,
    Omit<DiffInput, "paths"> {
  readonly operation: Operation;
  readonly paths?: readonly string[];
}

const REMOTE = ["url", "transports", "allowPrivate", "username", "password", "sshKey", "knownHosts", "ca"] as const;

/** Which fields each operation takes, and which it needs. */
const FIELDS: Readonly<
  Record<Operation, { readonly takes: readonly (keyof Input)[]; readonly needs: readonly (keyof Input)[] }>
> = {
  clone: { takes: [...REMOTE, "path", "ref", "commit", "depth", "branch"], needs: ["url"] },
  checkout: { takes: ["path", "ref", "commit", "branch", "force"], needs: ["path"] },
  diff: { takes: ["path", "from", "ref", "paths", "patch", "maxFiles", "maxBytes"], needs: ["path"] },
  commit: {
    takes: ["path", "message", "author", "committer", "paths", "date", "onto"],
    needs: ["path", "message", "author", "paths"],
  },
  log: { takes: ["path", "ref", "from", "paths", "maxCount"], needs: ["path"] },
  status: { takes: ["path", "paths", "maxFiles"], needs: ["path"] },
  describe: { takes: ["path", "ref"], needs: ["path"] },
};

export const git: TaskType = {
  description: gitDescription,
  init: (context) =>
    task<Input>({ check: (input) => problemsOf(input, context), work: (input) => execute(input, context) }),
};

function problemsOf(input: Input, context: TaskContext): readonly string[] {
  const { operation, url, ref, commit: id, paths = [], patch, message } = input;
  const { takes, needs } = FIELDS[operation];
  const problems = Object.keys(input)
    .filter((name) => name !== "operation" && !takes.some((one) => one === name))
    .map((name) => `${name}: does not go with \`${operation}\``);
  for (const name of needs) if (input[name] === undefined) problems.push(`${name}: \`${operation}\` needs it`);
  if (operation === "checkout" && ref === undefined && id === undefined) problems.push("give `ref` or `commit`");
  for (const name of ["ref", "from", "branch"] as const) {
    const problem = nameProblem(input[name], operation === "clone" || name === "branch");
    if (problem !== undefined) problems.push(`${name}: ${problem}`);
  }
  for (const path of paths) {
    const isBad =
      path.includes("\0") || path.startsWith("/") || path.split("/").some((part) => part === ".." || part === ".git");
    if (isBad)
      problems.push(
        `paths: ${JSON.stringify(path)} is no path inside the repository; give it without "..", ".git" and a leading "/"`,
      );
  }
  for (const path of [input.path, input.ca, input.knownHosts])
    if (path?.includes("\0") === true)
      problems.push(`${JSON.stringify(path)} holds a NUL character, which no path can`);
  if (message?.includes("\0") === true) problems.push("message: holds a NUL character");
  if (patch !== undefined && pathWithin(context.dir(), patch) === undefined)
    problems.push(
      `patch: ${JSON.stringify(patch)} leads out of the attempt's folder; give a relative path without ".."`,
    );
  for (const entry of input.allowPrivate ?? []) {
    const problem = allowanceProblem(entry);
    if (problem !== undefined) problems.push(`allowPrivate: ${problem}`);
  }
  if (operation === "clone" && url !== undefined) problems.push(...remoteProblems({ ...input, url }, context));
  return problems;
}

/**
 * What is wrong with a name. What git would read as an option, a range, a pattern or a refspec is none; an expression
 * such as `main~3` is one where a repository is here to look it up in.
 */
function nameProblem(name: string | undefined, plain: boolean): string | undefined {
  if (name === undefined) return undefined;
  if (name.startsWith("-")) return `${JSON.stringify(name)} begins with \`-\`, which git would read as an option`;
  if (/[\p{Cc}\s:?*[\\]|\.\./u.test(name)) return `${JSON.stringify(name)} is no name of a branch, tag or commit`;
  if (plain && (/^\+|[~^]|@\{|\/\/|\.lock$|\.$|\/$|^\//.test(name) || name === "@"))
    return `${JSON.stringify(name)} is no plain name; write the branch or tag as it is`;
  return undefined;
}

async function execute(input: Input, context: TaskContext): Promise<JsonObject> {
  const program = await Git.open(context);
  if (input.operation === "clone") {
    checkTarget(program, input.path);
    return clone(program, { ...input, url: input.url ?? "" });
  }
  const cwd = await folderOf(input.path ?? "", context);
  switch (input.operation) {
    case "checkout":
      return checkout(program, cwd, input);
    case "diff":
      return diff(program, cwd, input);
    case "commit":
      return commit(program, cwd, input as CommitInput);
    case "log":
      return log(program, cwd, input);
    case "status":
      return status(program, cwd, input);
    case "describe":
      return describe(program, cwd, input);
  }
}

async function folderOf(path: string, context: TaskContext): Promise<string> {
  const full = inputPath(context, path);
  const real = await realpath(full).catch((cause: NodeJS.ErrnoException) => {
    throw unreadable(full, cause);
  });
  if (isMaestros(real, context)) throw ownPlaceFailure(full);
  return real;
}
