import { readFileSync } from "node:fs";
import type { CommandLimits } from "../core/plan.ts";
import type { LimitName } from "./limits.ts";
import { readProcesses, scanFrom, type Process, type ProcessTree } from "./tree.ts";

/** A command whose use of the machine is counted. */
export interface Watched {
  readonly tree: ProcessTree;
  readonly limits: Required<CommandLimits>;
  /** Called once, with the limit the tree went beyond. */
  exceeded(limit: LimitName): void;
  peakBytes: number;
  cpuMs: number;
  threads: number;
  over: boolean;
}

const TICK_MS = 100;

/**
 * Counts what process trees use and names the limit that one of them goes beyond. One scan of /proc serves all
 * running commands and starts at the oldest of their pids, so watching costs about a millisecond per tick.
 */
export class Watch {
  readonly #watched = new Set<Watched>();
  #timer: NodeJS.Timeout | undefined;

  add(watched: Watched): void {
    this.#watched.add(watched);
    this.#timer ??= setInterval(() => this.tick(), TICK_MS).unref();
  }

  remove(watched: Watched): void {
    this.#watched.delete(watched);
    if (this.#watched.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Threads of all watched commands, as last counted. */
  get threads(): number {
    let threads = 0;
    for (const watched of this.#watched) threads += watched.threads;
    return threads;
  }

  tick(): void {
    if (this.#watched.size === 0) return;
    const oldest = Math.min(...[...this.#watched].map((watched) => watched.tree.root));
    const table = readProcesses(scanFrom(oldest));
    for (const watched of this.#watched) {
      if (!watched.over) measure(watched, watched.tree.members(table));
    }
  }
}

function measure(watched: Watched, members: readonly Process[]): void {
  const { limits } = watched;
  watched.threads = sum(members, (member) => member.threads);
  watched.cpuMs = Math.max(
    watched.cpuMs,
    sum(members, (member) => member.cpuMs),
  );
  const bytes = memoryOf(members, limits.memoryBytes);
  watched.peakBytes = Math.max(watched.peakBytes, bytes);
  const limit =
    bytes > limits.memoryBytes
      ? "memory"
      : watched.cpuMs > limits.cpuSeconds * 1000
        ? "cpu"
        : watched.threads > limits.processes
          ? "processes"
          : undefined;
  if (limit === undefined) return;
  watched.over = true;
  watched.exceeded(limit);
}

/** The sum of resident sizes counts shared pages once per process; only where it is above the limit is that worth correcting. */
function memoryOf(members: readonly Process[], limit: number): number {
  const resident = sum(members, (member) => member.residentBytes);
  return resident <= limit ? resident : sum(members, (member) => proportionalBytes(member.pid) ?? member.residentBytes);
}

/** Pss: each page divided among those who share it. Unknown where the process ended or is not this user's to look at. */
function proportionalBytes(pid: number): number | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/smaps_rollup`, "latin1");
  } catch {
    return undefined;
  }
  const match = /^Pss:\s+(\d+) kB$/m.exec(text);
  return match === null ? undefined : Number(match[1]) * 1024;
}

function sum(members: readonly Process[], value: (member: Process) => number): number {
  let total = 0;
  for (const member of members) total += value(member);
  return total;
}
