import { constants } from "node:os";

/** The first bytes of a stream, up to a limit. */
export class Capture {
  readonly #limit: number;
  readonly #chunks: Buffer[] = [];
  #size = 0;
  truncated = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Whether any of them were kept: then they must stay as they are. */
  add(bytes: Buffer): boolean {
    const room = this.#limit - this.#size;
    if (bytes.byteLength > room) this.truncated = true;
    if (room <= 0) return false;
    const part = bytes.subarray(0, room);
    this.#chunks.push(part);
    this.#size += part.byteLength;
    return true;
  }

  bytes(): Uint8Array {
    return Buffer.concat(this.#chunks, this.#size);
  }
}

const TAIL_BYTES = 8192;

/** The last bytes of a stream, as text. */
export class Tail {
  #bytes: Buffer = Buffer.alloc(0);

  add(bytes: Buffer): void {
    const joined = bytes.byteLength >= TAIL_BYTES ? bytes : Buffer.concat([this.#bytes, bytes]);
    this.#bytes = Buffer.from(joined.subarray(Math.max(0, joined.byteLength - TAIL_BYTES)));
  }

  text(): string {
    return this.#bytes.toString("utf8");
  }
}

/** Smaller chunks may share their memory with others (Buffer's pool), and the collector deals with them well. */
const LARGE_BYTES = 32 * 1024;

/**
 * Chunks that nobody but the log wants, whose memory is let go as soon as they are written. Left to the garbage collector,
 * each 32 MB of output would cost a look at the whole heap: more than to read, to count and to write them together.
 */
export class Spent {
  #chunks: Buffer[] = [];
  bytes = 0;

  add(chunk: Buffer): void {
    if (chunk.byteLength < LARGE_BYTES || chunk.byteLength < chunk.buffer.byteLength) return;
    this.#chunks.push(chunk);
    this.bytes += chunk.byteLength;
  }

  /** Those so far; the function lets go of them. */
  take(): () => void {
    const chunks = this.#chunks;
    this.#chunks = [];
    this.bytes = 0;
    return () => {
      for (const { buffer } of chunks) if (buffer instanceof ArrayBuffer) buffer.transfer(0);
    };
  }
}

const SIGNALS = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]));

/** The signal that an exit code stands for where a shell or a sandbox had to say it as one: 128 + number. */
export function signalOfExit(code: number | null): string | undefined {
  return code === null || code <= 128 ? undefined : SIGNALS.get(code - 128);
}
