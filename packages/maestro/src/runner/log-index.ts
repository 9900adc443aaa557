/**
 * The index beside a log: one record of 24 bytes for each segment, that is, for each stretch of bytes of one stream
 * that came at about one time. It tells a reader of the interleaved log which bytes were stderr and when they came.
 */
export interface Segment {
  readonly offset: number;
  /** Epoch milliseconds. */
  readonly at: number;
  /** Line feeds before `offset`. */
  readonly lines: number;
  readonly stream: Stream;
}

export type Stream = "stdout" | "stderr" | "info" | "end";

/** `end` closes an index: its offset is the log's size, its lines the log's lines. */
const STREAMS: readonly Stream[] = ["stdout", "stderr", "info", "end"];

export const RECORD_BYTES = 24;

export function encodeSegments(segments: readonly Segment[]): Buffer {
  const buffer = Buffer.allocUnsafe(segments.length * RECORD_BYTES);
  let position = 0;
  for (const segment of segments) {
    buffer.writeDoubleLE(segment.offset, position);
    buffer.writeDoubleLE(segment.at, position + 8);
    buffer.writeUInt32LE(segment.lines, position + 16);
    buffer.writeUInt32LE(STREAMS.indexOf(segment.stream), position + 20);
    position += RECORD_BYTES;
  }
  return buffer;
}

/** Whole records only: what a crash tore off at the end is left out, and so is what no writer of ours wrote. */
export function decodeSegments(bytes: Buffer): readonly Segment[] {
  const segments: Segment[] = [];
  for (let position = 0; position + RECORD_BYTES <= bytes.byteLength; position += RECORD_BYTES) {
    const stream = STREAMS[bytes.readUInt32LE(position + 20)];
    if (stream === undefined) break;
    segments.push({
      offset: bytes.readDoubleLE(position),
      at: bytes.readDoubleLE(position + 8),
      lines: bytes.readUInt32LE(position + 16),
      stream,
    });
  }
  return segments;
}

/** A new segment begins with another stream, or after this much or this long, so that times stay useful. */
const SEGMENT_BYTES = 64 * 1024;
const SEGMENT_MS = 1000;
/** A log that changes its stream with every byte must not get an index larger than itself. */
const MAX_SEGMENTS = 1_000_000;

/** Follows a log as it grows and says which records its index needs. */
export class SegmentWriter {
  #offset: number;
  #lines: number;
  #segments: number;
  #last: Segment | undefined;

  constructor(offset: number, lines: number, segments: number) {
    this.#offset = offset;
    this.#lines = lines;
    this.#segments = segments;
  }

  get offset(): number {
    return this.#offset;
  }

  get lines(): number {
    return this.#lines;
  }

  /** Counts the bytes in; the record to write for them, if they begin a segment. */
  add(stream: Stream, bytes: Uint8Array, at: number): Segment | undefined {
    const last = this.#last;
    let begun: Segment | undefined;
    if (
      (last === undefined ||
        last.stream !== stream ||
        this.#offset - last.offset >= SEGMENT_BYTES ||
        at - last.at >= SEGMENT_MS) &&
      this.#segments < MAX_SEGMENTS
    ) {
      begun = { offset: this.#offset, at, lines: this.#lines, stream };
      this.#last = begun;
      this.#segments += 1;
    }
    this.#offset += bytes.byteLength;
    this.#lines += countLines(bytes);
    return begun;
  }

  end(at: number): Segment {
    return { offset: this.#offset, at, lines: this.#lines, stream: "end" };
  }
}

/**
 * Line feeds, four bytes at a time: byte by byte it would cost more than to read and to write them, and `indexOf` pays a call
 * for every line. A byte of `word ^ FEEDS` is zero where there was a feed, and only there does no bit of it survive.
 */
export function countLines(bytes: Uint8Array): number {
  const { buffer, byteOffset, byteLength } = bytes;
  if (byteLength < 16) return feedsIn(bytes, 0, byteLength);
  const head = -byteOffset & 3;
  const words = new Uint32Array(buffer, byteOffset + head, (byteLength - head) >>> 2);
  let lines = feedsIn(bytes, 0, head) + feedsIn(bytes, head + words.byteLength, byteLength);
  for (let i = 0; i < words.length;) {
    // Four sums in one number; each holds up to 255.
    const end = Math.min(words.length, i + 255);
    let sums = 0;
    for (; i < end; i++) {
      const word = words[i]! ^ FEEDS;
      sums += (~(((word & LOW) + LOW) | word) >>> 7) & ONES;
    }
    lines += (sums & 0xff) + ((sums >>> 8) & 0xff) + ((sums >>> 16) & 0xff) + (sums >>> 24);
  }
  return lines;
}

const FEEDS = 0x0a0a0a0a;
const LOW = 0x7f7f7f7f;
const ONES = 0x01010101;

function feedsIn(bytes: Uint8Array, from: number, end: number): number {
  let lines = 0;
  for (let i = from; i < end; i++) if (bytes[i] === 0x0a) lines++;
  return lines;
}
