/** The stated limit of everything that could grow. docs/reference/limits.md is kept equal to this table by a test. */
export interface Limits {
  /** Attempts at work at once, of any kind. */
  readonly running: number;
  /** ... of one namespace. */
  readonly runningPerNamespace: number;
  /** ... of task types that compute in the engine's own process. */
  readonly inline: number;
  /** ... of task types that start commands. */
  readonly process: number;
  /** ... in programs that stay and have room for so many. */
  readonly resident: number;
  /** Requests of callers that wait for the next turn. */
  readonly mailbox: number;
  /** Runs in memory that are not asleep; a start beyond it is refused. */
  readonly activeRuns: number;
  /** Bytes of a run's inputs as JSON. */
  readonly inputBytes: number;
  /** Bytes of a signal's payload as JSON. */
  readonly signalBytes: number;
  /** A payload above this many bytes lives in the blob store, not in its row. */
  readonly inlineBytes: number;
  /** Messages taken in one turn. */
  readonly turn: number;
  /** New runs recorded in one turn. */
  readonly starts: number;
  /** Steps of one run that only compute and may follow one another in one turn. */
  readonly rounds: number;
  /** A turn that has taken this long begins no further round. */
  readonly turnMs: number;
  /** With fewer requests and results waiting, a turn is decided only when the one before it is durable. */
  readonly overlap: number;
  /** A run that sleeps for longer than this leaves memory. */
  readonly evictAfterMs: number;
  /** Sleeping runs are loaded this long before they are due. */
  readonly prefetchMs: number;
  /** ... and at most so many in one turn, so that those that are due are not kept waiting. */
  readonly prefetchRuns: number;
  /** From SIGTERM to SIGKILL, on cancel and timeout. */
  readonly graceMs: number;
  /** Child runs inside one another. */
  readonly depth: number;
}

export const DEFAULT_LIMITS: Limits = {
  running: 2048,
  runningPerNamespace: 2048,
  inline: 2048,
  process: 4,
  resident: 16,
  mailbox: 10_000,
  activeRuns: 50_000,
  inputBytes: 1_048_576,
  signalBytes: 262_144,
  inlineBytes: 32_768,
  turn: 1024,
  starts: 256,
  rounds: 16,
  turnMs: 25,
  overlap: 64,
  evictAfterMs: 5_000,
  prefetchMs: 3_000,
  prefetchRuns: 250,
  graceMs: 10_000,
  depth: 8,
};

/** An attempt that was told to stop and has not ended this long after its grace is taken for ended. */
export const FORCE_AFTER_MS = 15_000;

/**
 * Turns that may be on their way to the disk while the next is decided. With one, whoever writes waits for the engine after
 * every commit, and the engine for the commit after every turn: W1 takes an eighth longer. With three it is no faster.
 */
export const ON_THE_WAY = 2;
