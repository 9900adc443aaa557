import type { Member } from "./archive-members.ts";

const END = 0x06054b50;
const CENTRAL = 0x02014b50;
const MAX_COMMENT = 65_535;

export function isZip(bytes: Buffer): boolean {
  return bytes.length >= 22 && (bytes.readUInt32LE(0) === 0x04034b50 || bytes.readUInt32LE(0) === END);
}

/**
 * Members of a zip in the order of its central directory (APPNOTE 6.3, section 4.3.12). Contents are told by CRC and size, nothing is inflated. Throws
 * where it is damaged, and for ZIP64, which no file that we explain is large enough to need.
 */
export function readZip(bytes: Buffer): readonly Member[] {
  const end = findEnd(bytes);
  const count = bytes.readUInt16LE(end + 10);
  let at = bytes.readUInt32LE(end + 16);
  if (count === 0xffff || at === 0xffffffff) throw new Error("it is a ZIP64 archive");
  const members: Member[] = [];
  for (let i = 0; i < count; i++) {
    if (at + 46 > end || bytes.readUInt32LE(at) !== CENTRAL)
      throw new Error(`the zip's directory is damaged at byte ${at}`);
    const [nameLength, extraLength, commentLength] = [
      bytes.readUInt16LE(at + 28),
      bytes.readUInt16LE(at + 30),
      bytes.readUInt16LE(at + 32),
    ];
    const extra = at + 46 + nameLength;
    if (extra + extraLength + commentLength > end) throw new Error(`the zip's directory is damaged at byte ${at}`);
    members.push({
      path: bytes.toString("utf8", at + 46, extra),
      content: bytes
        .readUInt32LE(at + 16)
        .toString(16)
        .padStart(8, "0"),
      size: bytes.readUInt32LE(at + 24),
      facts: {
        method: bytes.readUInt16LE(at + 10) === 0 ? "stored" : `compressed (${bytes.readUInt16LE(at + 10)})`,
        "compressed size": String(bytes.readUInt32LE(at + 20)),
        mtime: dosTime(bytes.readUInt16LE(at + 14), bytes.readUInt16LE(at + 12)),
        mode: (bytes.readUInt32LE(at + 38) >>> 16).toString(8),
        "made by": String(bytes.readUInt16LE(at + 4)),
        "extra fields": bytes.toString("hex", extra, extra + extraLength),
      },
    });
    at = extra + extraLength + commentLength;
  }
  return members;
}

function findEnd(bytes: Buffer): number {
  const first = Math.max(0, bytes.length - 22 - MAX_COMMENT);
  for (let at = bytes.length - 22; at >= first; at--) if (bytes.readUInt32LE(at) === END) return at;
  throw new Error("the zip has no end record");
}

/** MS-DOS date and time, two seconds fine and without a zone. */
function dosTime(date: number, time: number): string {
  const two = (value: number): string => String(value).padStart(2, "0");
  return `${1980 + (date >> 9)}-${two((date >> 5) & 15)}-${two(date & 31)} ${two(time >> 11)}:${two((time >> 5) & 63)}:${two((time & 31) * 2)}`;
}
