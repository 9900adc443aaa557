import { countLines } from "./log-index.ts";
import type { LogFile } from "./log-open.ts";
import type { LogLine } from "./logs.ts";

const BLOCK = 1 << 20;
const TAIL_BLOCK = 64 * 1024;
/** A found line is shown, not transported: beyond this it is cut around the first hit. */
const MAX_TEXT = 4096;

/** The last `lines` lines, at most `limit` bytes of them, reading backwards from the end. */
export async function tailFile(
  file: LogFile,
  size: number,
  range: { readonly lines: number; readonly limit: number },
): Promise<{ readonly bytes: Uint8Array; readonly offset: number; readonly size: number }> {
  const floor = Math.max(0, size - Math.max(0, range.limit));
  let start = size;
  // The last block first.
  const blocks: Buffer[] = [];
  let feeds = 0;
  while (start > floor && range.lines > 0) {
    const from = Math.max(floor, start - TAIL_BLOCK);
    const block = Buffer.allocUnsafe(start - from);
    await file.read(block, 0, block.byteLength, from);
    // The feed that ends the last line does not begin another one.
    for (let i = block.byteLength - 1; i >= 0; i--) {
      if (block[i] !== 0x0a || from + i === size - 1) continue;
      feeds += 1;
      if (feeds < range.lines) continue;
      blocks.push(block.subarray(i + 1));
      return { bytes: Buffer.concat(blocks.reverse()), offset: from + i + 1, size };
    }
    blocks.push(block);
    start = from;
  }
  return { bytes: Buffer.concat(blocks.reverse()), offset: start, size };
}

/**
 * Lines that hold the text, in any case. Reads the file once in blocks that end at a line; a line longer than a
 * block is searched in parts that overlap, and found once.
 */
export async function searchFile(
  file: LogFile,
  size: number,
  query: { readonly text: string; readonly limit: number },
): Promise<readonly LogLine[]> {
  const needle = query.text.toLowerCase();
  if (needle === "" || query.limit <= 0) return [];
  // A character has at most 4 bytes, and lower case may be shorter than what it came from.
  const overlap = Math.min(BLOCK / 2, Buffer.byteLength(needle) * 4);
  const buffer = Buffer.allocUnsafe(BLOCK);
  const found: LogLine[] = [];
  let position = 0;
  let line = 1;
  let lineStart = 0;
  while (position < size && found.length < query.limit) {
    const { bytesRead } = await file.read(buffer, 0, BLOCK, position);
    if (bytesRead === 0) break;
    const whole = position + bytesRead >= size ? bytesRead : buffer.lastIndexOf(0x0a, bytesRead - 1) + 1;
    const block = buffer.subarray(0, whole === 0 ? bytesRead : whole);
    line = searchBlock({ block, needle, position, line, lineStart, found, limit: query.limit });
    if (whole === 0) {
      position += bytesRead - overlap;
    } else {
      position += whole;
      lineStart = position;
    }
  }
  return found;
}

interface BlockSearch {
  readonly block: Buffer;
  readonly needle: string;
  /** Byte offset of the block, and of the line it begins in. */
  readonly position: number;
  readonly lineStart: number;
  readonly line: number;
  readonly found: LogLine[];
  readonly limit: number;
}

/** Adds the block's hits; returns the number of the line after it. */
function searchBlock({ block, needle, position, line, lineStart, found, limit }: BlockSearch): number {
  // Lower case may change the length of a text but not the number of its lines, so hits are located by line.
  const text = block.toString("utf8").toLowerCase();
  let lines = 0;
  let from = 0;
  let byte = 0;
  for (let hit = text.indexOf(needle); hit !== -1 && found.length < limit;) {
    for (let feed = text.indexOf("\n", from); feed !== -1 && feed < hit; feed = text.indexOf("\n", from)) {
      from = feed + 1;
      lines += 1;
      byte = block.indexOf(0x0a, byte) + 1;
    }
    const feed = block.indexOf(0x0a, byte);
    const end = feed === -1 ? block.byteLength : feed;
    const offset = byte === 0 ? lineStart : position + byte;
    if (found.at(-1)?.line !== line + lines)
      found.push({ line: line + lines, offset, text: excerpt(block.subarray(byte, end), needle) });
    const next = text.indexOf("\n", hit);
    hit = next === -1 ? -1 : text.indexOf(needle, next);
  }
  return line + countLines(block);
}

/** The line, or where it is long the part around the first hit, with `…` where something was left out. */
function excerpt(bytes: Buffer, needle: string): string {
  if (bytes.byteLength <= MAX_TEXT) return bytes.toString("utf8").replace(/\r$/, "");
  const text = bytes.toString("utf8");
  const at = Math.max(0, text.toLowerCase().indexOf(needle) - MAX_TEXT / 4);
  return `${at > 0 ? "…" : ""}${text.slice(at, at + MAX_TEXT)}${at + MAX_TEXT < text.length ? "…" : ""}`;
}
