import type { JsonObject } from "../core/json.ts";
import { CREDENTIAL_SCHEMA } from "./credential.ts";
import { DEFAULT_COUNT, DEFAULT_FILES, DEFAULT_PATCH_BYTES } from "./git-read.ts";
import { DEFAULT_TRANSPORTS } from "./git-remote.ts";
import type { TaskDescription } from "./task.ts";

const PATH = { type: "string", minLength: 1, maxLength: 4096 } as const;
const REVISION: JsonObject = { type: "string", minLength: 1, maxLength: 250 };
const COMMIT = "^(?:[0-9a-f]{40}|[0-9a-f]{64})$";
const PERSON: JsonObject = {
  type: "object",
  required: ["name", "email"],
  properties: {
    name: { type: "string", minLength: 1, maxLength: 200, pattern: "^[^<>\\n\\r\\u0000]+$", description: "A name." },
    email: { type: "string", minLength: 1, maxLength: 200, pattern: "^[^<>\\s]+$", description: "An address." },
  },
  additionalProperties: false,
};

export const gitDescription: TaskDescription = {
  name: "git",
  version: 1,
  title: "Clones, checks out, compares and commits with git",
  docs: `One \`operation\` with git(1), under the task's \`runner\`: \`clone\`, \`checkout\`, \`diff\`, \`commit\`, \`log\`, \`status\` or \`describe\`.

**\`clone\`** fetches \`commit\`, or what \`ref\` names, or HEAD, with \`depth\` commits of history, and checks out exactly that commit; with both, \`ref\` must be \`commit\` (else \`CHANGED\`). The result is the folder \`tasks.ID.output.path\` of the attempt, or \`path\`, which appears when all of it is there.
Submodules and LFS files are left out.

**Where it may go.** \`transports\` are https and ssh unless it says otherwise. A host is resolved first and its address checked, as \`http@1\` does; private addresses must be listed under \`allowPrivate\`. Redirects are not followed. TLS certificates and ssh host keys (\`knownHosts\`) are always verified.

**Credentials** are named (\`password\`, \`sshKey\`) and read when the task runs. They are in no argument, no URL and no file of the repository; git gets them for that one host. A URL with a password is refused.

**Nothing else runs.** Hooks, the configuration of the user and the machine, pagers, editors, prompts, file system monitors, external diffs and remote helpers (\`ext::\`) are off, whatever the repository says. Names that begin with \`-\` are refused, and paths are paths, never patterns or options. Filters run only where the
configuration of a repository that was here before names them.

**\`commit\`** takes the files under \`paths\` as they are now, new and removed ones too, and nothing else that was staged; the message is kept as it is. Where nothing changed it makes no commit and says \`changed: false\`, so it can be retried. \`onto\` is the commit that must be checked out.

**\`diff\`** compares \`from\` (default HEAD) with \`ref\`, or with the files as they are, by path and number of lines, and with \`patch\` keeps a patch as an artifact.

In a sandbox git sees the folder the run was started in and writes only where it has to; where the engine is root it is nobody there, so a repository that it changes must be writable for everybody, or the task says \`runner: { kind: process, sandbox: none }\`.

**It fails** with \`GIT_REF\` (no such commit, branch or tag), \`GIT_REPOSITORY\`, \`GIT_AUTH\`, \`GIT_TLS\`, \`GIT_REDIRECT\`, \`GIT_DIRTY\` (changes are in the way), \`CHANGED\`, \`EXISTS\`, \`DENIED\`, \`BLOCKED_ADDRESS\`, \`CREDENTIAL\`, all final; with \`GIT_CONNECT\`, \`GIT_BUSY\` and \`UNAVAILABLE\`,
which are worth a retry; with \`LIMIT\` and \`SIGNAL\` as \`exec@1\` does; with \`GIT_FAILED\` and git's own words for the rest.`,
  input: {
    type: "object",
    required: ["operation"],
    properties: {
      operation: {
        enum: ["clone", "checkout", "diff", "commit", "log", "status", "describe"],
        description: "What to do.",
      },
      path: {
        ...PATH,
        description:
          "The repository's folder, relative to the folder the run was started in. `clone`: where to put it; default: the attempt's own folder.",
        examples: ["checkout"],
      },
      url: {
        type: "string",
        minLength: 1,
        maxLength: 4096,
        description: "`clone`: where the repository is: an https, ssh or file URL, `host:path`, or a folder.",
        examples: ["https://git.example.com/shop/web.git"],
      },
      ref: {
        ...REVISION,
        description:
          "`clone`: a branch or tag. `checkout`, `diff`, `log`, `describe`: a branch, tag or commit, also `main~3`.",
        examples: ["v1.4.0"],
      },
      commit: {
        type: "string",
        pattern: COMMIT,
        description: "`clone`, `checkout`: the whole id of the commit that it must be.",
      },
      depth: {
        type: "integer",
        minimum: 0,
        maximum: 1_000_000,
        default: 1,
        description: "`clone`: how many commits of history; 0: all of it, with its tags.",
      },
      branch: {
        ...REVISION,
        description: "`clone`, `checkout`: make this branch there. Default: none (a detached HEAD).",
        examples: ["update-dependencies"],
      },
      force: { type: "boolean", default: false, description: "`checkout`: lose what was changed and not committed." },
      from: { ...REVISION, description: "`diff`: the older side, default HEAD. `log`: leave out what it has." },
      paths: {
        type: "array",
        minItems: 1,
        maxItems: 1000,
        items: PATH,
        description: "`commit`, `diff`, `log`, `status`: files and folders of the repository. `commit` needs them.",
        examples: [["package.json", "package-lock.json"]],
      },
      message: {
        type: "string",
        minLength: 1,
        maxLength: 100_000,
        description: "`commit`: the message, kept as it is.",
      },
      author: {
        ...PERSON,
        description: "`commit`: who wrote it.",
        examples: [{ name: "Maestro", email: "maestro@example.com" }],
      },
      committer: { ...PERSON, description: "`commit`: who commits it. Default: the author." },
      date: {
        type: "string",
        format: "date-time",
        description:
          "`commit`: its time. Default: now. The same content, parents, people, time and message are the same commit.",
      },
      onto: { type: "string", pattern: COMMIT, description: "`commit`: the commit that must be checked out." },
      patch: {
        type: "string",
        minLength: 1,
        maxLength: 1000,
        description: "`diff`: keep a patch under this name, as an artifact.",
        examples: ["changes.patch"],
      },
      maxBytes: {
        type: "integer",
        minimum: 1,
        maximum: 2 ** 40,
        default: DEFAULT_PATCH_BYTES,
        description: "`diff`: a larger patch fails the task.",
      },
      maxFiles: {
        type: "integer",
        minimum: 1,
        maximum: 100_000,
        default: DEFAULT_FILES,
        description: "`diff`, `status`: more files fail the task.",
      },
      maxCount: {
        type: "integer",
        minimum: 1,
        maximum: 10_000,
        default: DEFAULT_COUNT,
        description: "`log`: at most so many commits, the newest first.",
      },
      transports: {
        type: "array",
        minItems: 1,
        items: { enum: ["https", "http", "ssh", "file"] },
        default: [...DEFAULT_TRANSPORTS],
        description: "`clone`: what `url` may be. A folder of this machine is `file`.",
        examples: [["file"]],
      },
      allowPrivate: {
        type: "array",
        maxItems: 100,
        items: { type: "string", minLength: 1, maxLength: 253 },
        description: "`clone`: hosts, addresses and ranges that may be called although they are not public.",
        examples: [["git.internal", "10.20.0.0/16"]],
      },
      username: {
        type: "string",
        minLength: 1,
        maxLength: 200,
        pattern: "^[^\\r\\n\\u0000]+$",
        default: "git",
        description: "`clone`: the user name that goes with `password`.",
      },
      password: CREDENTIAL_SCHEMA,
      sshKey: CREDENTIAL_SCHEMA,
      knownHosts: {
        ...PATH,
        description: "`clone` by ssh: a file with the host's keys, as `ssh-keyscan` prints them.",
      },
      ca: { ...PATH, description: "`clone` by https: a file with the certificate (PEM) of the authority to trust." },
    },
    additionalProperties: false,
  },
  output: {
    type: "object",
    required: ["path"],
    properties: {
      path: { type: "string", description: "The repository's folder, absolute." },
      commit: {
        type: ["string", "null"],
        description: "The commit that is checked out, was made or described; null where there is none yet.",
      },
      tree: { type: "string", description: "`clone`: the id of its content." },
      url: { type: "string", description: "`clone`: where it came from." },
      changed: { type: "boolean", description: "`clone`, `checkout`, `commit`: whether anything was changed." },
      previous: { type: ["string", "null"], description: "`checkout`: the commit that was checked out before." },
      parent: { type: ["string", "null"], description: "`commit`: the commit before it." },
      branch: { type: ["string", "null"], description: "`status`: the branch; null for a detached HEAD." },
      clean: { type: "boolean", description: "`status`: whether everything is committed." },
      count: { type: "integer", description: "How many files, entries or commits there are." },
      entries: {
        type: "array",
        description: "`status`: what is not committed.",
        items: {
          type: "object",
          required: ["status", "path"],
          properties: {
            status: { type: "string", description: "Two letters as `git status --porcelain` has them; `??` is new." },
            path: { type: "string", description: "Its path in the repository." },
          },
        },
      },
      from: { type: "string", description: "`diff`: the commit on the older side." },
      to: {
        type: ["string", "null"],
        description: "`diff`: the commit on the newer side; null for the files as they are.",
      },
      added: { type: "integer", description: "`diff`: lines that were added." },
      deleted: { type: "integer", description: "`diff`: lines that were deleted." },
      files: {
        type: "array",
        description: "`diff`: the files that differ.",
        items: {
          type: "object",
          required: ["path", "status", "added", "deleted"],
          properties: {
            path: { type: "string", description: "Its path in the repository." },
            status: { type: "string", description: "A (added), D (deleted), M (modified) or T (another type)." },
            added: { type: ["integer", "null"], description: "Lines that were added; null for what is no text." },
            deleted: { type: ["integer", "null"], description: "Lines that were deleted; null for what is no text." },
          },
        },
      },
      patch: {
        type: "object",
        description: "`diff`: the patch.",
        properties: {
          path: { type: "string", description: "The file, absolute." },
          bytes: { type: "integer", description: "Its size." },
          digest: { type: "string", description: "Its sha256." },
        },
      },
      commits: {
        type: "array",
        description: "`log`: the commits, the newest first.",
        items: {
          type: "object",
          required: ["commit", "subject"],
          properties: {
            commit: { type: "string", description: "Its id." },
            parents: { type: "array", items: { type: "string" }, description: "The ids of its parents." },
            tree: { type: "string", description: "The id of its content." },
            author: {
              type: "object",
              description: "Who wrote it.",
              properties: {
                name: { type: "string", description: "The name." },
                email: { type: "string", description: "The address." },
              },
            },
            authoredAt: { type: "integer", description: "When it was written, in epoch milliseconds." },
            committedAt: { type: "integer", description: "When it was committed, in epoch milliseconds." },
            subject: { type: "string", description: "The first line of its message." },
            message: { type: "string", description: "Its message." },
          },
        },
      },
      tag: { type: ["string", "null"], description: "`describe`: the nearest tag." },
      distance: { type: ["integer", "null"], description: "`describe`: how many commits since." },
      describe: {
        type: "string",
        description: "`describe`: tag, distance and commit in one name, such as `v1.4.0-2-g1a2b3c4d5e6f`.",
      },
    },
  },
  effects: ["network", "process", "write"],
  runs: "process",
  example: {
    operation: "clone",
    url: "https://git.example.com/shop/web.git",
    ref: "v1.4.0",
    password: { env: "GIT_TOKEN" },
  },
};
