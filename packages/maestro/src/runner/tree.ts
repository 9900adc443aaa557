import { closeSync, openSync, readdirSync, readFileSync, readSync } from "node:fs";

/** One process as /proc/<pid>/stat shows it (proc(5)). */
export interface Process {
  readonly pid: number;
  readonly zombie: boolean;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  readonly threads: number;
  /** Of the process and of the children it waited for. */
  readonly cpuMs: number;
  readonly residentBytes: number;
  /** Clock ticks after boot: with the pid it names a process for good, since pids are given again. */
  readonly start: number;
}

/** Says which attempt a process belongs to, in its environment, which children inherit. */
export const MARKER = "MAESTRO_MARK";

const PAGE = 4096;
/** USER_HZ is 100 on every Linux that Node.js runs on. */
const MS_PER_TICK = 10;

/** The machine's processes, or only those with a pid from `from` on. Empty where there is no /proc. */
export function readProcesses(from = 0): readonly Process[] {
  const processes: Process[] = [];
  for (const name of procEntries()) {
    const pid = Number(name);
    if (!(pid >= from) || pid === 0) continue;
    const found = readProcess(pid);
    if (found !== undefined) processes.push(found);
  }
  return processes;
}

function procEntries(): readonly string[] {
  try {
    return readdirSync("/proc");
  } catch {
    return []; // Not Linux: only process groups are known there.
  }
}

const buffer = Buffer.allocUnsafe(4096);

export function readProcess(pid: number): Process | undefined {
  const text = readSmall(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  // The name may hold spaces and brackets, so fields are counted from the last bracket.
  const field = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const number = (i: number): number => Number(field[i]);
  return {
    pid,
    zombie: field[0] === "Z" || field[0] === "X",
    parent: number(1),
    group: number(2),
    session: number(3),
    cpuMs: (number(11) + number(12) + number(13) + number(14)) * MS_PER_TICK,
    threads: number(17),
    start: number(19),
    residentBytes: number(21) * PAGE,
  };
}

/** Reads without asking for the size first: a scan touches hundreds of these files. */
function readSmall(path: string): string | undefined {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch {
    return undefined; // It ended between the listing and now.
  }
  try {
    return buffer.toString("latin1", 0, readSync(file, buffer, 0, buffer.byteLength, 0));
  } catch {
    return undefined; // ESRCH: it ended between opening and reading.
  } finally {
    closeSync(file);
  }
}

/** The marker in a process's environment, if this user may read it. */
export function markerOf(pid: number): string | undefined {
  let environment: string;
  try {
    environment = readFileSync(`/proc/${pid}/environ`, "latin1");
  } catch {
    return undefined; // Ended, or another user's: not ours to know.
  }
  const prefix = `${MARKER}=`;
  return environment
    .split("\0")
    .find((entry) => entry.startsWith(prefix))
    ?.slice(prefix.length);
}

/**
 * The processes of one command, however they tried to leave it: descendants, members of its group and session,
 * whoever was seen among them before (an orphan has another parent, but the same pid and start), and orphans that
 * carry its marker. A process that hides from all of these at once is possible; only a pid namespace makes it certain.
 */
export class ProcessTree {
  readonly root: number;
  readonly #marker: string;
  /** pid to start. */
  readonly #known = new Map<number, number>();
  /** Processes that were looked at and are not ours, so that each environment is read once. */
  readonly #foreign = new Map<number, number>();

  constructor(root: number, marker: string) {
    this.root = root;
    this.#marker = marker;
  }

  /** Members in a table of processes, zombies left out. */
  members(table: readonly Process[]): readonly Process[] {
    const inside = new Map<number, Process>();
    const rest: Process[] = [];
    for (const process of table) {
      if (this.#isMember(process)) inside.set(process.pid, process);
      else rest.push(process);
    }
    this.#addDescendants(inside, rest);
    for (const process of rest) {
      if (!inside.has(process.pid) && this.#carriesMarker(process)) inside.set(process.pid, process);
    }
    this.#addDescendants(inside, rest);
    this.#known.clear();
    for (const process of inside.values()) this.#known.set(process.pid, process.start);
    return [...inside.values()].filter((process) => !process.zombie);
  }

  #isMember(process: Process): boolean {
    return (
      process.pid === this.root ||
      process.group === this.root ||
      process.session === this.root ||
      this.#known.get(process.pid) === process.start
    );
  }

  #addDescendants(inside: Map<number, Process>, rest: readonly Process[]): void {
    for (let grown = true; grown;) {
      grown = false;
      for (const process of rest) {
        if (inside.has(process.pid) || !inside.has(process.parent)) continue;
        inside.set(process.pid, process);
        grown = true;
      }
    }
  }

  #carriesMarker(candidate: Process): boolean {
    if (
      candidate.pid < this.root ||
      candidate.zombie ||
      candidate.parent === process.pid ||
      this.#foreign.get(candidate.pid) === candidate.start
    )
      return false;
    if (markerOf(candidate.pid) === this.#marker) return true;
    if (this.#foreign.size > 10_000) this.#foreign.clear();
    this.#foreign.set(candidate.pid, candidate.start);
    return false;
  }
}

export function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // ESRCH: it is gone, which is what was wanted. EPERM: it changed its user, and only root could reach it.
    if (code !== "ESRCH" && code !== "EPERM") throw error;
  }
}

const ROUNDS = 200;
const PAUSE_MS = 5;

/**
 * Kills all of a tree and waits until it is gone. The group goes first and at once (the kernel signals a group as
 * one, so forking does not outrun it); then, round by round, whoever left the group. Resolves with how many survived.
 */
export async function killTree(tree: ProcessTree): Promise<number> {
  let left = 0;
  for (let round = 0; round < ROUNDS; round++) {
    sendSignal(-tree.root, "SIGKILL");
    const members = tree.members(readProcesses(scanFrom(tree.root)));
    left = members.length;
    if (left === 0) return 0;
    for (const member of members) sendSignal(member.pid, "SIGKILL");
    await new Promise<void>((resolve) => {
      setTimeout(resolve, PAUSE_MS);
    });
  }
  return left;
}

/** Where a scan for descendants of `root` may begin: pids are given in rising order until they start again. */
export function scanFrom(root: number): number {
  const [max, last] = [readSmall("/proc/sys/kernel/pid_max"), readSmall("/proc/loadavg")];
  // Where pids start again often (the old ceiling of 32,768) a descendant may have a lower one.
  if (max === undefined || last === undefined || Number(max) < 1_000_000) return 0;
  return Number(last.trim().split(" ").at(-1)) < root ? 0 : root;
}
