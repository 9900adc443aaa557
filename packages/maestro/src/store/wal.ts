import { readFile } from "node:fs/promises";

const HEADER = 32;
const FRAME_HEADER = 24;

/**
 * What is wrong with a write-ahead log, as a clause; undefined where it may be read. SQLite ends its reading, without a
 * word, at the first frame whose checksum fails, because a commit that power loss interrupted looks like that. But the
 * next commit begins only when the one before is on disk. So where two commits or more end at or after the bad frame, the
 * first of them was acknowledged and would be lost: that is damage. (The very last commit cannot be told from a torn one.)
 * Format: https://sqlite.org/fileformat2.html#the_write_ahead_log
 */
export async function walDamage(path: string): Promise<string | undefined> {
  const log = await readFile(path);
  if (log.length < HEADER + FRAME_HEADER) return undefined;
  const magic = log.readUInt32BE(0);
  const checksum = new WalChecksum(magic === 0x377f0683);
  checksum.add(log, 0, 24);
  if ((magic | 1) !== 0x377f0683 || !checksum.is(log, 24)) return "its header is not one that SQLite wrote";
  const frame = FRAME_HEADER + log.readUInt32BE(8);
  let bad: number | undefined;
  let commits = 0;
  for (let at = HEADER, n = 1; at + frame <= log.length; at += frame, n++) {
    const ours = log.compare(log, 16, 24, at + 8, at + 16) === 0;
    if (bad === undefined) {
      checksum.add(log, at, 8);
      checksum.add(log, at + FRAME_HEADER, frame - FRAME_HEADER);
      // Frames of an earlier use of the file follow the last one of this use, with another salt.
      if (!ours || !checksum.is(log, at + 16)) bad = n;
    }
    if (bad !== undefined && ours && log.readUInt32BE(at + 4) > 0) commits += 1;
  }
  return commits < 2 ? undefined : `frame ${bad} does not match its checksum, and ${commits} commits depend on it`;
}

/** The running checksum of a log: Fibonacci weighted sums of 32-bit words, in the byte order the header's magic says. */
class WalChecksum {
  #a = 0;
  #b = 0;
  readonly #big: boolean;

  constructor(bigEndian: boolean) {
    this.#big = bigEndian;
  }

  add(log: Buffer, from: number, length: number): void {
    const view = new DataView(log.buffer, log.byteOffset + from, length);
    let a = this.#a;
    let b = this.#b;
    for (let i = 0; i < length; i += 8) {
      a = (a + view.getUint32(i, !this.#big) + b) | 0;
      b = (b + view.getUint32(i + 4, !this.#big) + a) | 0;
    }
    this.#a = a;
    this.#b = b;
  }

  is(log: Buffer, at: number): boolean {
    return log.readInt32BE(at) === this.#a && log.readInt32BE(at + 4) === this.#b;
  }
}
