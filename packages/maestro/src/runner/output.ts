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

  add(bytes: Buffer): void {
    const room = this.#limit - this.#size;
    if (bytes.byteLength > room) this.truncated = true;
    if (room <= 0) return;
    const part = bytes.subarray(0, room);
    this.#chunks.push(part);
    this.#size += part.byteLength;
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

const SIGNALS = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]));

/** The signal that an exit code stands for where a shell or a sandbox had to say it as one: 128 + number. */
export function signalOfExit(code: number | null): string | undefined {
  return code === null || code <= 128 ? undefined : SIGNALS.get(code - 128);
}
