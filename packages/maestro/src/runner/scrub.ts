const MASK = "***";

/**
 * Takes secrets out of what an attempt writes, that it was given while it worked: as they are, not in other encodings.
 * ASCII only.
 */
export class Scrubber {
  readonly #secrets: string[] = [];
  /** By stream: the end of what came, where it may be the beginning of a secret. */
  readonly #held = new Map<string, Buffer>();

  add(secret: string): void {
    this.#secrets.push(secret);
  }

  get isIdle(): boolean {
    return this.#secrets.length === 0;
  }

  text(text: string): string {
    return this.#secrets.reduce((left, secret) => left.replaceAll(secret, MASK), text);
  }

  /** A JSON value without them. */
  value<T>(value: T): T {
    if (this.isIdle) return value;
    const text = JSON.stringify(value);
    const clean = this.text(text);
    return clean === text ? value : (JSON.parse(clean) as T);
  }

  /** What of a stream may go on now; a secret may come in pieces. */
  bytes(stream: string, bytes: Uint8Array): Uint8Array {
    if (this.isIdle) return bytes;
    const all = Buffer.concat([this.#held.get(stream) ?? Buffer.alloc(0), bytes]);
    // Latin-1 maps each byte to a character and back.
    const clean = this.text(all.toString("latin1"));
    const kept = clean.length - this.#beginning(clean);
    this.#held.set(stream, Buffer.from(clean.slice(kept), "latin1"));
    return Buffer.from(clean.slice(0, kept), "latin1");
  }

  /** What was held back, by stream: nothing follows. */
  rest(): readonly (readonly [stream: string, bytes: Uint8Array])[] {
    const left = [...this.#held].filter(([, bytes]) => bytes.byteLength > 0);
    this.#held.clear();
    return left;
  }

  /** How many characters at the end could be the beginning of a secret. */
  #beginning(text: string): number {
    const longest = Math.max(...this.#secrets.map((secret) => secret.length - 1));
    for (let length = Math.min(longest, text.length); length > 0; length--) {
      const end = text.slice(-length);
      if (this.#secrets.some((secret) => secret.startsWith(end))) return length;
    }
    return 0;
  }
}
