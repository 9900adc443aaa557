import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import { messageOf } from "../core/problem.ts";

/** Where a notice goes. */
export interface Channel {
  readonly name: string;
  /** For messages: the host of a webhook, the path of a file. */
  readonly shown: string;
  /** Rejects where it could not be delivered. */
  deliver(letter: Letter): Promise<void>;
}

export interface Letter {
  /** The same with each try, so that a receiver can tell that it has it. */
  readonly id: string;
  /** A CloudEvent. */
  readonly text: string;
}

export interface NoticeParts {
  readonly channels: ReadonlyMap<string, Channel>;
  /** A folder for what is not delivered yet, so that the next engine goes on with it. */
  readonly spool: string;
  readonly source: string;
  readonly now: () => number;
  readonly newId: () => string;
  /** Told when a notice is given up, or has no room. */
  readonly failed: (notice: { readonly id: string; readonly channel: string; readonly why: string }) => void;
  /** Milliseconds before the next try; default: NOTICE_LIMITS. */
  readonly pauseMs?: (tries: number) => number;
}

export const NOTICE_LIMITS = { waiting: 1_000, tries: 8, firstPauseMs: 1_000, longestPauseMs: 300_000 } as const;

interface Waiting extends Letter {
  readonly channel: string;
}

/**
 * Notices on their way. What is taken is on disk before `send` returns, is tried until it was delivered or NOTICE_LIMITS.tries
 * were in vain, and a notice that is given up is told aloud.
 */
export class Notices {
  readonly #parts: NoticeParts;
  readonly #waiting = new Map<string, Waiting>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #running = new Set<Promise<void>>();
  #closed = false;

  constructor(parts: NoticeParts) {
    this.#parts = parts;
  }

  get names(): ReadonlySet<string> {
    return new Set(this.#parts.channels.keys());
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Goes on with what an engine before this one could not deliver. */
  resume(): void {
    for (const letter of this.#readSpool()) {
      this.#waiting.set(keyOf(letter), letter);
      this.#try(letter, 1);
    }
  }

  /** One letter to each of the channels. What names none that is configured is refused by the gate before. */
  send(to: readonly string[], type: string, data: JsonObject): void {
    const { newId, now, source, failed } = this.#parts;
    const id = newId();
    const event = {
      specversion: "1.0",
      id,
      source,
      type: `dev.summit-maestro.${type}`,
      time: new Date(now()).toISOString(),
      datacontenttype: "application/json",
      data,
    };
    for (const channel of new Set(to)) {
      const letter: Waiting = { id, channel, text: JSON.stringify(event) };
      if (this.#waiting.size >= NOTICE_LIMITS.waiting) {
        failed({ id, channel, why: `${NOTICE_LIMITS.waiting} notices wait to be delivered already` });
        continue;
      }
      this.#waiting.set(keyOf(letter), letter);
      try {
        this.#keep(letter);
      } catch (error) {
        // It is sent all the same; only a crash in the next minutes would lose it.
        failed({ id, channel, why: `it could not be kept on disk: ${messageOf(error)}` });
      }
      this.#try(letter, 1);
    }
  }

  /** Lets tries that are under way end; what is not delivered stays on disk. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    await Promise.all(this.#running);
  }

  /** Resolves when nothing is being tried at this moment. */
  async quiet(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  #try(letter: Waiting, tries: number): void {
    const work = this.#deliver(letter, tries).finally(() => this.#running.delete(work));
    this.#running.add(work);
  }

  async #deliver(letter: Waiting, tries: number): Promise<void> {
    const channel = this.#parts.channels.get(letter.channel);
    try {
      if (channel === undefined) throw new Error(`the channel ${letter.channel} is not configured any more`);
      await channel.deliver(letter);
      this.#done(letter);
    } catch (error) {
      if (tries < NOTICE_LIMITS.tries && channel !== undefined) return this.#later(letter, tries);
      this.#done(letter);
      const where = channel === undefined ? "" : `${channel.shown}: `;
      this.#parts.failed({ id: letter.id, channel: letter.channel, why: `${where}${messageOf(error)}` });
    }
  }

  #later(letter: Waiting, tries: number): void {
    if (this.#closed) return;
    const { pauseMs = pause } = this.#parts;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#try(letter, tries + 1);
    }, pauseMs(tries)).unref();
    this.#timers.add(timer);
  }

  #keep(letter: Waiting): void {
    const { spool } = this.#parts;
    mkdirSync(spool, { recursive: true, mode: 0o700 });
    const path = this.#pathOf(letter);
    // Whole or not there.
    writeFileSync(`${path}.part`, JSON.stringify(letter), { mode: 0o600, flush: true });
    renameSync(`${path}.part`, path);
  }

  #done(letter: Waiting): void {
    this.#waiting.delete(keyOf(letter));
    rmSync(this.#pathOf(letter), { force: true });
  }

  #pathOf({ id, channel }: Waiting): string {
    return join(this.#parts.spool, `${id}.${channel}.json`);
  }

  #readSpool(): readonly Waiting[] {
    let names: readonly string[];
    try {
      names = readdirSync(this.#parts.spool)
        .filter((name) => name.endsWith(".json"))
        .toSorted();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    }
    return names.slice(0, NOTICE_LIMITS.waiting).flatMap((name) => {
      const letter = readLetter(readFileSync(join(this.#parts.spool, name), "utf8"));
      if (letter !== undefined && `${letter.id}.${letter.channel}.json` === name) return [letter];
      this.#parts.failed({ id: name, channel: "", why: "what was kept of it on disk cannot be read" });
      return [];
    });
  }
}

function pause(tries: number): number {
  return Math.min(NOTICE_LIMITS.longestPauseMs, NOTICE_LIMITS.firstPauseMs * 4 ** (tries - 1));
}

function keyOf({ id, channel }: Waiting): string {
  return `${id} ${channel}`;
}

function readLetter(text: string): Waiting | undefined {
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch {
    return undefined; // The caller says so.
  }
  if (!isJsonObject(value)) return undefined;
  const { id, channel, text: event } = value;
  return typeof id === "string" && typeof channel === "string" && typeof event === "string"
    ? { id, channel, text: event }
    : undefined;
}
