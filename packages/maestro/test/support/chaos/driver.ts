import type { ChildProcessByStdio } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import type { Finding } from "./checks.ts";
import { check } from "./checks.ts";
import type { EngineOrder } from "./engine.ts";
import { ENGINE_PROGRAM } from "./engine.ts";
import { WORKLOAD, keyOf } from "./workload.ts";

export interface ChaosOptions {
  readonly seed: number;
  readonly kills: number;
  /** Told about every process that ended. */
  readonly report?: (line: string) => void;
}

export interface ChaosResult {
  readonly kills: number;
  readonly processes: number;
  readonly rounds: number;
  readonly runs: number;
  readonly lost: number;
  readonly findings: readonly Finding[];
}

/** What the processes said, as far as they came to say it. */
export interface Record {
  /** Runs by key, as acknowledged; more than one for a key would be a broken promise. */
  readonly acknowledged: Map<string, Set<string>>;
  readonly ended: Map<string, string>;
  /** `RUN SEQ` to the number of the process that announced the event. */
  readonly announced: Map<string, number>;
  readonly problems: string[];
}

/** A process that says nothing for so long is stuck. */
const PATIENCE_MS = 60_000;

/**
 * Runs the workload once undisturbed, then again and again in processes that are killed without warning, at moments that
 * follow from the seed, until the kills are used up and every run has ended. Then compares and checks all that is left.
 */
export async function chaos(options: ChaosOptions): Promise<ChaosResult> {
  const root = mkdtempSync(join(tmpdir(), "maestro-chaos-"));
  try {
    const calm = new Driver(root, "calm", { ...options, kills: 0 });
    await calm.run();
    const wild = new Driver(root, "wild", options);
    await wild.run();
    const { findings, runs, lost } = await check(calm.place, wild.place);
    return { kills: wild.kills, processes: wild.place.processes, rounds: wild.place.rounds, runs, lost, findings };
  } finally {
    rmSync(root, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** A data directory, what was written beside it, and what was said about it. */
export interface Place {
  readonly dataDir: string;
  readonly effects: string;
  readonly record: Record;
  processes: number;
  rounds: number;
}

class Driver {
  readonly place: Place;
  kills = 0;
  readonly #options: ChaosOptions;
  readonly #cache: string;
  readonly #random: () => number;

  constructor(root: string, name: string, options: ChaosOptions) {
    const dir = join(root, name);
    this.#cache = join(root, "compiled");
    this.#options = options;
    this.#random = mulberry32(options.seed);
    this.place = {
      dataDir: join(dir, "data"),
      effects: join(dir, "effects"),
      record: { acknowledged: new Map(), ended: new Map(), announced: new Map(), problems: [] },
      processes: 0,
      rounds: 1,
    };
  }

  async run(): Promise<void> {
    for (;;) {
      const { place } = this;
      const from = firstOpen(place);
      const kill = this.kills < this.#options.kills;
      if (from === place.rounds) {
        if (!kill) return;
        place.rounds += this.#random() < 0.3 ? 2 : 1;
      }
      await this.#engine(from, kill ? this.#plan() : undefined);
    }
  }

  /** When and how the next process dies. Early deaths are as likely as late ones: starting is where recovery happens. */
  #plan(): Death {
    // Every fourth lives long enough to finish what it found: an attempt that is lost too often rightly fails.
    const least = this.place.processes % 4 === 3 ? 120 : 1;
    const at = least + Math.floor(this.#random() ** 2 * 160);
    const how = this.#random();
    return { at, how: how < 0.5 ? "itself" : how < 0.75 ? "process" : "group" };
  }

  async #engine(from: number, death: Death | undefined): Promise<void> {
    const { dataDir, effects, rounds: to } = this.place;
    const dieAt = death?.how === "itself" ? death.at : 0;
    const order: EngineOrder = { dataDir, effects, from, to, dieAt };
    // A group of its own, so that a kill can reach the whole of it or only its leader.
    const child = spawn(process.execPath, [ENGINE_PROGRAM, JSON.stringify(order)], {
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      // The undisturbed process leaves its compiled modules there, and all later ones start in half the time.
      env: { ...process.env, NODE_COMPILE_CACHE: this.#cache },
    });
    this.place.processes += 1;
    const ended = once(child, "close") as Promise<[number | null, NodeJS.Signals | null]>;
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    const stuck = await this.#listen(child, death);
    const [code, signal] = await ended;
    const { problems } = this.place.record;
    if (stuck)
      problems.push(
        `process ${this.place.processes} said nothing for ${PATIENCE_MS / 1000} s; open: ${openKeys(this.place).join(", ")}`,
      );
    else if (signal === "SIGKILL") this.kills += 1;
    else if (code !== 0)
      problems.push(`process ${this.place.processes} ended by itself with ${code ?? signal}: ${stderr.trim()}`);
    this.#options.report?.(
      `process ${this.place.processes} ${signal === "SIGKILL" ? `killed (${death?.how} at line ${death?.at})` : `ended with ${code}`}, ${this.place.record.ended.size} runs ended`,
    );
    if (problems.length > 0) throw new ChaosError(problems);
  }

  /** Reads to the end. True when nothing came for too long, and it had to be ended for that. */
  async #listen(child: ChildProcessByStdio<null, Readable, Readable>, death: Death | undefined): Promise<boolean> {
    let lines = 0;
    let stuck = false;
    const kill = (target: number): void => void process.kill(target, "SIGKILL");
    const watchdog = setTimeout(() => {
      stuck = true;
      kill(-child.pid!);
    }, PATIENCE_MS);
    for await (const line of createInterface({ input: child.stdout })) {
      watchdog.refresh();
      this.#note(line);
      lines += 1;
      if (lines === death?.at && death.how !== "itself" && child.exitCode === null) {
        kill(death.how === "group" ? -child.pid! : child.pid!);
      }
    }
    clearTimeout(watchdog);
    return stuck;
  }

  #note(line: string): void {
    const { acknowledged, ended, announced, problems } = this.place.record;
    const [word, first = "", second = ""] = line.split(" ");
    if (word === "ack") {
      const runs = acknowledged.get(first) ?? new Set();
      acknowledged.set(first, runs.add(second));
    } else if (word === "ended") ended.set(first, second);
    else if (word === "event") announced.set(`${first} ${second}`, this.place.processes);
    else if (word === "log" && first !== "info" && !line.includes("processes of an engine that died were ended")) {
      problems.push(`process ${this.place.processes} had to log: ${line}`);
    }
  }
}

interface Death {
  /** After this line of its progress. */
  readonly at: number;
  readonly how: "itself" | "process" | "group";
}

/** The workload came to a standstill or an engine ended by itself: there is nothing to compare. */
export class ChaosError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.problems = problems;
  }
}

/** The first round of which a run has not been seen to end. */
function firstOpen(place: Place): number {
  for (let round = 0; round < place.rounds; round++) {
    if (WORKLOAD.some((item) => !place.record.ended.has(keyOf(round, item)))) return round;
  }
  return place.rounds;
}

function openKeys(place: Place): readonly string[] {
  return [...place.record.acknowledged.keys()].filter((key) => !place.record.ended.has(key));
}

/** A small generator with a seed, good enough to choose moments. */
export function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
