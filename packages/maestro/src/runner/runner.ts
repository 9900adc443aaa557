import type { Isolation } from "../core/event.ts";
import type { CommandLimits, Sandbox } from "../core/plan.ts";

/** Where commands execute. Today: processes of this machine. One contract suite (runner/contract.ts) holds for every runner. */
export interface Runner {
  readonly kind: "process";
  /** Recorded with every attempt, e.g. `process@build-7`. */
  readonly name: string;
  /** How isolated a command of this declaration is here, measured from inside. Errors: as `run`. */
  measure(sandbox: Sandbox, options?: { readonly network?: boolean }): Promise<Isolation>;
  /**
   * Runs one command to its end. Resolves however the command ended; rejects with TaskFailure only where it could not be
   * started (ISOLATION, UNAVAILABLE) . On abort the whole tree gets SIGTERM, after `graceMs` SIGKILL; nothing of it survives.
   */
  run(command: Command, context: CommandContext): Promise<CommandResult>;
  /** Kills what earlier, crashed engines on the same data directory left behind. Safe to call at every start. */
  reap(): Promise<number>;
}

export interface Command {
  readonly argv: readonly [string, ...string[]];
  /** Added to a minimal environment (PATH, HOME, TMPDIR, LANG); nothing of the engine's own leaks in. */
  readonly env?: Readonly<Record<string, string>>;
  /** Absolute. Default: the attempt's folder. */
  readonly cwd?: string;
  readonly stdin?: string | Uint8Array;
  /** Absolute paths that a sandboxed command may also write; the attempt's folder always is writable. */
  readonly writable?: readonly string[];
  /** Strict sandboxes have none unless the task asks for it; asking makes the measured isolation `partial`. */
  readonly network?: boolean;
  /** Folders that a sandboxed command may also read, absolute. */
  readonly readable?: readonly string[];
  /** Bytes of stdout to hand back; the log has all of it. Default 1 MiB. */
  readonly captureBytes?: number;
  /** Takes stdout as it comes, in place of the log; false makes the writer wait until the log has drained. */
  onStdout?(bytes: Uint8Array): boolean;
  /** Ends the tree at once when it is aborted. */
  readonly stop?: AbortSignal;
}

export interface CommandContext {
  readonly dir: string;
  readonly sandbox: Sandbox;
  readonly limits: CommandLimits;
  readonly signal: AbortSignal;
  readonly graceMs: number;
  /** Output as it comes. Returns false when the reader should pause until `drained` resolves. */
  log(stream: "stdout" | "stderr", bytes: Uint8Array): boolean;
  /** What `log` was given by then is not needed any more: its memory may go. */
  drained(): Promise<void>;
  /** Folders outside the attempt's own that a sandboxed command may read, absolute: the run's base. */
  readonly readable?: readonly string[];
  /** Folders in the work folder, other than its own run's, that it may read as well, absolute. */
  readonly lent?: readonly string[];
  /** Folder with the socket of the attempt's tokens, absolute. The command is told of it by MAESTRO_TOKEN_SOCKET, and a sandbox shows it. */
  readonly tokens?: string;
  /** Aborted when the grace is over early (a forced cancel): the tree gets SIGKILL at once. */
  readonly force?: AbortSignal;
}

export interface CommandResult {
  /** Null when it was ended by a signal. */
  readonly exit: number | null;
  readonly signal: string | null;
  /** The first `captureBytes` of stdout. */
  readonly stdout: Uint8Array;
  readonly stdoutTruncated: boolean;
  readonly stderrTail: string;
  /** Which limit ended it, if one did. */
  readonly limit: "memory" | "cpu" | "file" | "processes" | null;
  readonly isolation: Isolation;
  readonly wallMs: number;
}
