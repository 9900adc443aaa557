import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { MaestroError } from "../core/problem.ts";
import { storageError } from "../store/storage-error.ts";
import {
  countLines,
  decodeSegments,
  encodeSegments,
  RECORD_BYTES,
  SegmentWriter,
  type Segment,
  type Stream,
} from "./log-index.ts";
import { appendLater, appendNow, sizeNow } from "./log-append.ts";
import { absent, withFile } from "./log-open.ts";
import { searchFile, tailFile } from "./log-read.ts";
import type { LogLine, LogRef, LogStore } from "./logs.ts";

export interface LogLimits {
  /** Bytes of one log; what comes after is dropped and one line says so. Default 256 MiB. */
  readonly maxBytes?: number;
  /** Bytes of one log that wait to be written before `append` asks its caller to pause. Default 1 MiB. */
  readonly maxBacklog?: number;
}

/** Logs as files, and which of their bytes came from which stream. */
export interface FileLogs extends LogStore {
  /** The segments of a log in order, the last one of stream `end` where it was closed. */
  segments(attempt: LogRef): Promise<readonly Segment[]>;
}

/**
 * Task logs under `dir`: `<run>/<task>[.<item>].<attempt>.log` has the bytes as they came, all streams in one file;
 * `.idx` beside it the segments. Files are opened for a write and closed after it, so thousands of open logs cost
 * no descriptors, and an attempt that logs nothing costs no file. Bytes handed to `append` must not be changed afterwards.
 * Errors of `close`: `storage_full`, `storage_failed`, once, when something of the log could not be kept.
 */
export function openLogs(dir: string, limits: LogLimits = {}): FileLogs {
  return new LogFiles(dir, limits.maxBytes ?? 256 << 20, limits.maxBacklog ?? 1 << 20);
}

const PARALLEL_READS = 32;
/** What an entry of the queue costs besides its bytes; it bounds floods of tiny writes. */
const ENTRY_BYTES = 64;
/** Up to here a write is done at once: handing it to another thread and back costs several times the write itself. */
const WRITE_AT_ONCE = 64 * 1024;
/** Records of the index wait for their log's end or for company; a crash loses no more than these. */
const MAX_PENDING = 64;
/** From here on tiny chunks are joined before writing, since one vector entry per chunk would cost more than the copy. */
const JOIN_BELOW = 4096;

interface Entry {
  readonly stream: Stream;
  readonly bytes: Uint8Array;
  readonly at: number;
}

/** A log that is being written. */
interface OpenLog {
  readonly path: string;
  queue: Entry[];
  backlog: number;
  /** Bytes taken in so far, for the cap. */
  taken: number;
  cut: boolean;
  writer: SegmentWriter | undefined;
  /** Records that are not in the index file yet. */
  pending: Segment[];
  flushing: Promise<void> | undefined;
  lastAt: number;
  failure: MaestroError | undefined;
}

class LogFiles implements FileLogs {
  readonly #dir: string;
  readonly #maxBytes: number;
  readonly #maxBacklog: number;
  readonly #open = new Map<string, OpenLog>();

  constructor(dir: string, maxBytes: number, maxBacklog: number) {
    this.#dir = dir;
    this.#maxBytes = maxBytes;
    this.#maxBacklog = maxBacklog;
  }

  append(attempt: LogRef, stream: Stream, bytes: Uint8Array, at: number): boolean {
    if (bytes.byteLength === 0) return true;
    const log = this.#logOf(attempt);
    if (log.cut) return true;
    const room = this.#maxBytes - log.taken;
    log.lastAt = at;
    if (bytes.byteLength <= room) {
      this.#enqueue(log, { stream, bytes, at });
    } else {
      log.cut = true;
      if (room > 0) this.#enqueue(log, { stream, bytes: bytes.subarray(0, room), at });
      this.#enqueue(log, {
        stream: "info",
        bytes: Buffer.from(
          `\n[maestro] The log ends here: it reached its limit of ${this.#maxBytes} bytes. The task went on.\n`,
        ),
        at,
      });
    }
    log.flushing ??= this.#flush(log);
    return log.backlog < this.#maxBacklog;
  }

  async drained(attempt: LogRef): Promise<void> {
    await this.#open.get(this.#pathOf(attempt))?.flushing;
  }

  async close(attempt: LogRef): Promise<void> {
    const path = this.#pathOf(attempt);
    const log = this.#open.get(path);
    if (log === undefined) return;
    await log.flushing;
    // Whoever appended in the meantime keeps the log open and closes it again.
    if (log.queue.length > 0 || this.#open.get(path) !== log) return;
    this.#open.delete(path);
    if (log.failure !== undefined) throw log.failure;
    if (log.writer === undefined) return;
    try {
      appendNow(`${log.path}.idx`, [encodeSegments([...log.pending, log.writer.end(log.lastAt)])]);
    } catch (error) {
      throw storageError(error, log.path);
    }
  }

  async refs(run: string): Promise<readonly LogRef[]> {
    return (await this.#namesOf(run)).map((name) => parseName(run, stemOf(name))).filter((ref) => ref !== undefined);
  }

  async list(run: string): Promise<readonly (LogRef & { readonly size: number; readonly lines: number })[]> {
    const folder = join(this.#dir, safe(run));
    const found: { readonly ref: LogRef; readonly began: number; readonly size: number; readonly lines: number }[] = [];
    const wanted = (await this.#namesOf(run)).toSorted();
    for (let i = 0; i < wanted.length; i += PARALLEL_READS) {
      found.push(
        ...(
          await Promise.all(wanted.slice(i, i + PARALLEL_READS).map((name) => this.#summary(run, folder, name)))
        ).filter((one) => one !== undefined),
      );
    }
    found.sort((a, b) => a.began - b.began);
    return found.map((one) => ({ ...one.ref, size: one.size, lines: one.lines }));
  }

  async read(
    attempt: LogRef,
    range: { readonly offset: number; readonly limit: number },
  ): Promise<{ readonly bytes: Uint8Array; readonly size: number }> {
    const path = `${this.#pathOf(attempt)}.log`;
    return withFile(path, { bytes: new Uint8Array(), size: 0 }, async (file, size) => {
      const offset = Math.max(0, range.offset);
      const wanted = Math.max(0, Math.min(range.limit, size - offset));
      const buffer = Buffer.allocUnsafe(wanted);
      const { bytesRead } = await file.read(buffer, 0, wanted, offset);
      return { bytes: buffer.subarray(0, bytesRead), size };
    });
  }

  async tail(
    attempt: LogRef,
    range: { readonly lines: number; readonly limit: number },
  ): Promise<{ readonly bytes: Uint8Array; readonly offset: number; readonly size: number }> {
    return withFile(`${this.#pathOf(attempt)}.log`, { bytes: new Uint8Array(), offset: 0, size: 0 }, (file, size) =>
      tailFile(file, size, range),
    );
  }

  async search(attempt: LogRef, query: { readonly text: string; readonly limit: number }): Promise<readonly LogLine[]> {
    return withFile(`${this.#pathOf(attempt)}.log`, [], (file, size) => searchFile(file, size, query));
  }

  async segments(attempt: LogRef): Promise<readonly Segment[]> {
    const path = this.#pathOf(attempt);
    const bytes = (await readFile(`${path}.idx`).catch(absent)) ?? Buffer.alloc(0);
    return [...decodeSegments(bytes), ...(this.#open.get(path)?.pending ?? [])];
  }

  #enqueue(log: OpenLog, entry: Entry): void {
    log.queue.push(entry);
    log.taken += entry.bytes.byteLength;
    log.backlog += entry.bytes.byteLength + ENTRY_BYTES;
  }

  /** Writes until nothing is left. Never rejects: a failure is kept for `close`, and the writer is not held up by it. */
  async #flush(log: OpenLog): Promise<void> {
    // One turn of patience turns many small appends into one write.
    await new Promise<void>((resolve) => setImmediate(resolve));
    while (log.queue.length > 0) {
      const entries = log.queue;
      log.queue = [];
      const backlog = log.backlog;
      try {
        await this.#write(log, entries);
      } catch (error) {
        log.failure ??= storageError(error, log.path);
        // Some of it may be in the file; the next write finds out how much.
        log.writer = undefined;
      }
      log.backlog -= backlog;
    }
    log.flushing = undefined;
  }

  async #write(log: OpenLog, entries: readonly Entry[]): Promise<void> {
    log.writer ??= await resume(log);
    for (const entry of entries) {
      const segment = log.writer.add(entry.stream, entry.bytes, entry.at);
      if (segment !== undefined) log.pending.push(segment);
    }
    const chunks = entries.map((entry) => entry.bytes);
    const total = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
    const parts = total / chunks.length < JOIN_BELOW ? [Buffer.concat(chunks, total)] : chunks;
    if (total <= WRITE_AT_ONCE) appendNow(`${log.path}.log`, parts);
    else await appendLater(`${log.path}.log`, parts);
    if (log.pending.length < MAX_PENDING) return;
    appendNow(`${log.path}.idx`, [encodeSegments(log.pending)]);
    log.pending = [];
  }

  #logOf(attempt: LogRef): OpenLog {
    const path = this.#pathOf(attempt);
    let log = this.#open.get(path);
    if (log === undefined) {
      log = {
        path,
        queue: [],
        backlog: 0,
        taken: 0,
        cut: false,
        writer: undefined,
        pending: [],
        flushing: undefined,
        lastAt: 0,
        failure: undefined,
      };
      this.#open.set(path, log);
    }
    return log;
  }

  async #namesOf(run: string): Promise<readonly string[]> {
    const names = (await readdir(join(this.#dir, safe(run))).catch(absent)) ?? [];
    return names.filter((name) => name.endsWith(".log"));
  }

  async #summary(
    run: string,
    folder: string,
    name: string,
  ): Promise<
    { readonly ref: LogRef; readonly began: number; readonly size: number; readonly lines: number } | undefined
  > {
    const ref = parseName(run, stemOf(name));
    if (ref === undefined) return undefined;
    const stem = join(folder, stemOf(name));
    const live = this.#open.get(stem);
    const { size, birthtimeMs } = await stat(`${stem}.log`);
    const { began, lines } = await ends(stem, size);
    return { ref, began: began ?? live?.pending[0]?.at ?? birthtimeMs, size, lines: live?.writer?.lines ?? lines };
  }

  #pathOf(attempt: LogRef): string {
    const item = attempt.item < 0 ? "" : `.${attempt.item}`;
    return join(this.#dir, safe(attempt.run), `${safe(attempt.task)}${item}.${attempt.attempt}`);
  }
}

/** The first time and the number of lines of a log: from its index, or counted where that is unfinished. */
async function ends(
  stem: string,
  size: number,
): Promise<{ readonly began: number | undefined; readonly lines: number }> {
  const known = await withFile(`${stem}.idx`, undefined, async (file, bytes) => {
    const record = Buffer.alloc(RECORD_BYTES);
    const at = async (position: number): Promise<Segment | undefined> => {
      const { bytesRead } = await file.read(record, 0, RECORD_BYTES, Math.max(0, position));
      return decodeSegments(record.subarray(0, bytesRead))[0];
    };
    const last = await at((Math.floor(bytes / RECORD_BYTES) - 1) * RECORD_BYTES);
    return last === undefined ? undefined : { first: await at(0), last };
  });
  const from = known?.last ?? { offset: 0, lines: 0 };
  return {
    began: known?.first?.at,
    lines: from.lines + (from.offset < size ? await linesFrom(`${stem}.log`, from.offset) : 0),
  };
}

async function linesFrom(path: string, offset: number): Promise<number> {
  return withFile(path, 0, async (file) => {
    const buffer = Buffer.allocUnsafe(1 << 20);
    let lines = 0;
    for (let position = offset; ;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.byteLength, position);
      if (bytesRead === 0) return lines;
      lines += countLines(buffer.subarray(0, bytesRead));
      position += bytesRead;
    }
  });
}

/** Where a log goes on that an earlier engine began; at zero for a new one. */
async function resume(log: OpenLog): Promise<SegmentWriter> {
  const size = sizeNow(`${log.path}.log`);
  if (size === 0) return new SegmentWriter(0, 0, 0);
  // What is in the file counts towards the cap too, and what this engine took in is partly in the file already.
  log.taken = Math.max(log.taken, size);
  return new SegmentWriter(size, (await ends(log.path, size)).lines, 0);
}

/** Ids are letters, digits, `_` and `-`; whatever else someone passes must not become a path. */
function safe(id: string): string {
  return id.replaceAll(
    /[^A-Za-z0-9_-]/g,
    (character) => `%${[...Buffer.from(character)].map((byte) => byte.toString(16).padStart(2, "0")).join("%")}`,
  );
}

function stemOf(name: string): string {
  return name.slice(0, -".log".length);
}

function parseName(run: string, stem: string): LogRef | undefined {
  const match = /^([A-Za-z0-9_%-]+)(?:\.(\d+))?\.(\d+)$/.exec(stem);
  const [, task, item, attempt] = match ?? [];
  if (task === undefined || attempt === undefined) return undefined;
  return {
    run,
    task: decodeURIComponent(task),
    item: item === undefined ? -1 : Number(item),
    attempt: Number(attempt),
  };
}
