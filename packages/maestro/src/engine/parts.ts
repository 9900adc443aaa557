import type { AttemptResult, RunCreated, RunEvent } from "../core/event.ts";
import type { RunInput } from "../core/input.ts";
import { MaestroError } from "../core/problem.ts";
import type { Gate } from "../policy/gate.ts";
import type { Signer } from "../provenance/signer.ts";
import type { AttemptRequest } from "../runner/attempt.ts";
import type { BlobStore } from "../store/blobs.ts";
import type { Store } from "../store/store.ts";
import type { TaskType } from "../task/task.ts";
import type { Attempt } from "./attempts.ts";
import type { Clock } from "./clock.ts";
import type { Limits } from "./limits.ts";
import type { LiveRun } from "./live.ts";

/** Everything the engine works with; serve.ts puts it together. */
export interface EngineParts {
  readonly store: Store;
  readonly blobs: BlobStore;
  readonly gate: Gate;
  /** Null: runs leave no receipts (only for measuring what receipts cost). */
  readonly signer: Signer | null;
  readonly types: ReadonlyMap<string, TaskType>;
  /** Executes one attempt; never rejects. */
  execute(request: ExecuteRequest): Promise<AttemptResult>;
  readonly clock: Clock;
  /** Cryptographic randomness, `count` bytes. */
  randomBytes(count: number): Uint8Array;
  /** In [0, 1). */
  random(): number;
  /** Attempts get their folders below it. */
  readonly workDir: string;
  readonly version: string;
  /** What policies call this installation: `production`, `local`. */
  readonly environment: string;
  readonly limits: Limits;
  /** Records what it is sent and starts nothing. */
  readonly passive: boolean;
  /** Whether spans of this run are exported; absent: nobody exports any. */
  traces?(created: Pick<RunCreated, "run" | "origin">): boolean;
  /** Called after each commit that added to the run. Must be quick and must not throw. */
  observe?(live: LiveRun, events: readonly RunEvent[]): void;
  /** Where the engine tells an operator what went wrong; one line per fact. */
  log(level: "info" | "warn" | "error", message: string, fields: Readonly<Record<string, string | number>>): void;
}

/** What the attempt host takes; the engine always wants to hear of a sign of life, for `timeout.heartbeat`. */
export type ExecuteRequest = AttemptRequest & {
  beat(): void;
  /** It undoes what an earlier attempt of the step did. */
  readonly undo: boolean;
};

/** Something for one run that waits for the next turn; `done` answers the caller once it is durable. */
export interface Message {
  readonly run: string;
  readonly input: RunInput;
  readonly done?: Answer;
  /** The attempt whose result this is, where it ran in this engine. */
  readonly attempt?: Attempt;
  /** The run as it was when a question was asked for it: the answer is counted off only there. */
  readonly from?: LiveRun;
}

export interface Answer {
  resolve(): void;
  reject(error: unknown): void;
}

export type Listener = (run: string, events: readonly RunEvent[]) => void;

/** The store could not be read or written, for whatever run: trying again later may help. */
export function isOfStorage(error: unknown): boolean {
  return error instanceof MaestroError && (error.code === "storage_full" || error.code === "storage_failed");
}
