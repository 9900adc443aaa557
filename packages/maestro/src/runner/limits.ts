import type { CommandLimits } from "../core/plan.ts";
import type { CommandResult } from "./runner.ts";

/** What a command may use where its plan does not say. Of the whole process tree, but `fileBytes`, which is per file. */
export const DEFAULT_LIMITS: Required<CommandLimits> = {
  memoryBytes: 4 * 2 ** 30,
  cpuSeconds: 3600,
  fileBytes: 8 * 2 ** 30,
  processes: 1024,
};

export type LimitName = NonNullable<CommandResult["limit"]>;

export function withDefaults(limits: CommandLimits): Required<CommandLimits> {
  return { ...DEFAULT_LIMITS, ...limits };
}

/**
 * Arguments for prlimit(1). The kernel counts per process (and, for `nproc`, per user), so these are fences a little
 * further out than the limits: they stop what is faster than the watch, which counts the tree and names the limit.
 * `othersThreads`: threads that other attempts run as the same user, which the kernel counts together.
 */
export function prlimitArguments(limits: Required<CommandLimits>, othersThreads: number): readonly string[] {
  return [
    // RLIMIT_DATA, not RLIMIT_AS: runtimes with a virtual machine reserve address space that they never use, and even
    // of data they map some hundreds of MB before they start (Node.js 24: 570 MB).
    `--data=${limits.memoryBytes + 2 ** 30}`,
    // SIGXCPU first; who ignores it is killed.
    `--cpu=${Math.ceil(limits.cpuSeconds) + 1}:${Math.ceil(limits.cpuSeconds) + 3}`,
    `--fsize=${limits.fileBytes}`,
    `--nproc=${limits.processes + othersThreads + 64}`,
    "--core=0",
  ];
}

export interface Ending {
  readonly exit: number | null;
  readonly signal: string | null;
  readonly stderrTail: string;
  /** Of the tree, as last seen. */
  readonly peakBytes: number;
  readonly cpuMs: number;
}

/**
 * Which limit ended a command that the watch did not stop itself. Signals say it for certain; where a program met a
 * limit as an error and gave up, its own last words do.
 */
export function limitOf(ending: Ending, limits: Required<CommandLimits>): LimitName | null {
  if (ending.exit === 0) return null;
  // A shell reports a child's signal as 128 + number.
  if (ending.signal === "SIGXCPU" || ending.exit === 128 + 24) return "cpu";
  if (ending.signal === "SIGXFSZ" || ending.exit === 128 + 25) return "file";
  if (ending.signal === "SIGKILL" && ending.cpuMs >= limits.cpuSeconds * 900) return "cpu";
  if (ending.peakBytes >= limits.memoryBytes * 0.9) return "memory";
  const words = ending.stderrTail;
  if (/file too large|EFBIG/i.test(words)) return "file";
  if (
    /out of memory|cannot allocate memory|bad_alloc|MemoryError|ENOMEM|memory exhausted|Array buffer allocation failed/i.test(
      words,
    )
  )
    return "memory";
  if (/cannot fork|fork: retry|fork: resource|resource temporarily unavailable|spawn \S+ EAGAIN/i.test(words))
    return "processes";
  return null;
}
