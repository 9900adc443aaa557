import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { CommandResult } from "../runner/runner.ts";
import { lastWords } from "./last-words.ts";
import { TaskFailure } from "./task.ts";
import type { TaskContext } from "./task.ts";

/** Settings of this one call, which win over those of the repository, the user and the machine. */
export type GitConfig = readonly (readonly [name: string, value: string])[];

export interface GitCall {
  /** The folder of the repository, absolute. */
  readonly cwd: string;
  readonly args: readonly string[];
  readonly stdin?: string;
  /** The repository is changed, so a sandbox must let it be written. */
  readonly writes?: boolean;
  readonly network?: boolean;
  readonly config?: GitConfig;
  readonly env?: Readonly<Record<string, string>>;
  /** Exit codes besides 0 that are an answer. */
  readonly answers?: readonly number[];
  readonly captureBytes?: number;
}

export interface GitAnswer {
  readonly exit: number;
  readonly stdout: string;
}

const CAPTURE_BYTES = 16 * 1024 * 1024;

/**
 * What a repository could make git do besides git's own work: programs it would start, and addresses it would go to
 * instead. In-tree filters run only where the repository's own configuration names their program.
 */
const FENCES: GitConfig = [
  ["core.hooksPath", "/dev/null"],
  ["core.fsmonitor", "false"],
  ["core.untrackedCache", "false"],
  ["core.pager", "cat"],
  ["core.editor", "false"],
  ["core.askPass", "false"],
  ["core.sshCommand", "ssh"],
  ["core.gitProxy", "none"],
  ["core.attributesFile", "/dev/null"],
  ["core.excludesFile", "/dev/null"],
  ["core.alternateRefsCommand", "true"],
  ["core.quotePath", "false"],
  ["core.protectHFS", "true"],
  ["core.protectNTFS", "true"],
  ["credential.helper", ""],
  ["protocol.allow", "never"],
  ["http.followRedirects", "false"],
  ["http.proxy", ""],
  ["http.sslVerify", "true"],
  ["submodule.recurse", "false"],
  ["fetch.recurseSubmodules", "false"],
  ["transfer.fsckObjects", "true"],
  // Both are in the history of well-known projects, and harm nobody.
  ["fetch.fsck.zeroPaddedFilemode", "ignore"],
  ["fetch.fsck.badTimezone", "ignore"],
  ["commit.gpgSign", "false"],
  ["log.showSignature", "false"],
  ["diff.noprefix", "false"],
  ["diff.mnemonicPrefix", "false"],
  ["gc.auto", "0"],
  ["maintenance.auto", "false"],
  ["advice.detachedHead", "false"],
  ["i18n.commitEncoding", "UTF-8"],
  ["i18n.logOutputEncoding", "UTF-8"],
];

/** git(1) under the task's runner, with nothing of the user's configuration, no hooks, no prompts and no way out but the one it is given. */
export class Git {
  readonly context: TaskContext;
  readonly #global: string;

  private constructor(context: TaskContext, global: string) {
    this.context = context;
    this.#global = global;
  }

  static async open(context: TaskContext): Promise<Git> {
    const global = join(context.dir(), ".gitconfig-of-the-task");
    // Whose repository it is says nothing: under a sandbox it is never git's own user. Only this file may say so.
    await writeFile(global, "[safe]\n\tdirectory = *\n", { mode: 0o600 });
    return new Git(context, global);
  }

  /** Resolves with what git answered; rejects with TaskFailure. */
  async call(call: GitCall): Promise<GitAnswer> {
    const config = [...FENCES, ...(call.config ?? [])];
    const result = await this.context.command({
      argv: ["git", "--no-pager", "--literal-pathspecs", ...call.args],
      cwd: call.cwd,
      env: {
        HOME: this.context.dir(),
        LC_ALL: "C",
        TZ: "UTC",
        GIT_CONFIG_NOSYSTEM: "1",
        GIT_CONFIG_GLOBAL: this.#global,
        GIT_ATTR_NOSYSTEM: "1",
        GIT_TERMINAL_PROMPT: "0",
        GIT_ASKPASS: "false",
        SSH_ASKPASS: "false",
        GIT_EDITOR: "false",
        GIT_NO_REPLACE_OBJECTS: "1",
        GIT_OPTIONAL_LOCKS: "0",
        GIT_PROTOCOL_FROM_USER: "0",
        // Not a repository of a folder above.
        GIT_CEILING_DIRECTORIES: dirname(call.cwd),
        ...call.env,
        GIT_CONFIG_COUNT: String(config.length),
        ...Object.fromEntries(
          config.flatMap(([name, value], i) => [
            [`GIT_CONFIG_KEY_${i}`, name],
            [`GIT_CONFIG_VALUE_${i}`, value],
          ]),
        ),
      },
      ...(call.stdin === undefined ? {} : { stdin: call.stdin }),
      writable: call.writes === true ? [call.cwd] : [],
      network: call.network ?? false,
      captureBytes: call.captureBytes ?? CAPTURE_BYTES,
    });
    this.context.signal.throwIfAborted();
    if (result.exit !== 0 && !(result.exit !== null && call.answers?.includes(result.exit) === true))
      throw failureOf(call, result);
    if (result.stdoutTruncated)
      throw new TaskFailure({
        code: "LIMIT",
        message: `git ${call.args[0] ?? ""} answered with more than ${result.stdout.length} bytes. Ask for less: fewer paths, a smaller range.`,
        final: true,
      });
    return { exit: result.exit, stdout: Buffer.from(result.stdout).toString("utf8") };
  }

  /** The id of the commit that a name means. */
  async commitOf(cwd: string, name: string): Promise<string> {
    const { exit, stdout } = await this.call({
      cwd,
      args: ["rev-parse", "--verify", "--quiet", "--end-of-options", `${name}^{commit}`],
      answers: [1, 128],
    });
    const id = stdout.trim();
    if (exit === 0 && /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(id)) return id;
    // The same exit code says that there is no repository.
    await this.call({ cwd, args: ["rev-parse", "--git-dir"] });
    throw refFailure(name, cwd);
  }

  /** The commit that is checked out; null where there is none yet. */
  async head(cwd: string): Promise<string | null> {
    try {
      return await this.commitOf(cwd, "HEAD");
    } catch (thrown) {
      if (thrown instanceof TaskFailure && thrown.error.code === "GIT_REF") return null;
      throw thrown;
    }
  }
}

export function refFailure(name: string, where: string): TaskFailure {
  return new TaskFailure({
    code: "GIT_REF",
    message: `There is no commit ${JSON.stringify(name)} in ${where}. Check the spelling; a clone has only the history that \`depth\` asks for.`,
    final: true,
  });
}

interface Reason {
  readonly pattern: RegExp;
  readonly code: string;
  readonly final: boolean;
  readonly next: string;
}

/** What git says in plain English (LC_ALL=C), and what it means for a runbook. The first that fits. */
const REASONS: readonly Reason[] = [
  {
    pattern:
      /Authentication failed|could not read (?:Username|Password)|Permission denied \(publickey|HTTP 403|returned error: 403|terminal prompts disabled/i,
    code: "GIT_AUTH",
    final: true,
    next: "Name the credential with `password` or `sshKey`, and check that it may read the repository.",
  },
  {
    pattern: /Host key verification failed|REMOTE HOST IDENTIFICATION/i,
    code: "GIT_AUTH",
    final: true,
    next: "The server's key is not in `knownHosts`. Compare it with what the server's owner says, then add it.",
  },
  {
    pattern: /certificate|SSL|TLS/,
    code: "GIT_TLS",
    final: true,
    next: "Give the server a valid certificate, or name the authority that signed it with `ca`.",
  },
  {
    pattern: /unable to update url base from redirection|returned error: 30\d|redirect/i,
    code: "GIT_REDIRECT",
    final: true,
    next: "Redirects are not followed: give the address where the repository is.",
  },
  {
    pattern:
      /repository '.*' not found|does not appear to be a git repository|returned error: 404|not a git repository/i,
    code: "GIT_REPOSITORY",
    final: true,
    next: "Check the address or path. A sandbox sees only the folder the run was started in, and nothing of Maestro's own.",
  },
  {
    pattern: /couldn't find remote ref|not our ref|unadvertised object|bad object|unknown revision/i,
    code: "GIT_REF",
    final: true,
    next: "Check the name of the branch, tag or commit.",
  },
  {
    pattern: /local changes|would be overwritten|untracked working tree files|unmerged/i,
    code: "GIT_DIRTY",
    final: true,
    next: "Commit what was changed there, or set `force: true` to lose it.",
  },
  {
    pattern: /index\.lock|Unable to create '.*\.lock'|cannot lock ref/i,
    code: "GIT_BUSY",
    final: false,
    next: "Another git works there, or one was ended in the middle and left its lock file.",
  },
  {
    pattern: /Permission denied|Read-only file system|insufficient permission/i,
    code: "DENIED",
    final: true,
    next: "A sandboxed command is nobody where the engine is root: let everybody write the folder, or set `runner: { kind: process, sandbox: none }`.",
  },
  {
    pattern:
      /Could not resolve host|Connection (?:refused|timed out|reset)|Failed to connect|Operation timed out|Network is unreachable|unexpected disconnect|early EOF|hung up|Empty reply|RPC failed|Recv failure|Send failure|transfer closed|returned error: (?:429|5\d\d)|Couldn't connect/i,
    code: "GIT_CONNECT",
    final: false,
    next: "Check that the server is up and can be reached.",
  },
];

function failureOf({ args }: GitCall, result: CommandResult): TaskFailure {
  const name = `git ${args[0] ?? ""}`;
  if (result.limit !== null)
    return new TaskFailure({
      code: "LIMIT",
      message: `${name} was ended because it reached its limit on ${result.limit}. Raise \`runner.limits\`, or ask for less.`,
      details: { limit: result.limit },
    });
  if (result.signal !== null)
    return new TaskFailure({
      code: "SIGNAL",
      message: `${name} was ended by ${result.signal}.`,
      details: { signal: result.signal },
    });
  const words = lastWords(result.stderrTail);
  const reason = REASONS.find(({ pattern }) => pattern.test(words));
  return new TaskFailure({
    code: reason?.code ?? "GIT_FAILED",
    message: `${name} failed: ${words === "" ? `exit code ${result.exit ?? -1}` : words} ${reason?.next ?? ""}`.trim(),
    ...(reason?.final === true ? { final: true } : {}),
    details: { exit: result.exit ?? -1 },
  });
}
