import { sha256 } from "../core/digest.ts";
import type { Member } from "./archive-members.ts";

const BLOCK = 512;

/** A POSIX (or GNU) tar says so in its first header. */
export function isTar(bytes: Buffer): boolean {
  return bytes.length >= BLOCK && bytes.toString("latin1", 257, 262) === "ustar";
}

/** Members of a tar in their order (POSIX.1-2017 pax, with GNU's long names). Throws where it is damaged. Reads nothing but the bytes given. */
export function readTar(bytes: Buffer): readonly Member[] {
  const members: Member[] = [];
  let extended: Record<string, string> = {};
  for (let at = 0; at + BLOCK <= bytes.length;) {
    const header = bytes.subarray(at, at + BLOCK);
    if (header.every((byte) => byte === 0)) break;
    checkSum(header, at);
    const size = number(extended["size"] ?? "", 10) ?? field(header, 124, 12) ?? 0;
    const start = at + BLOCK;
    if (start + size > bytes.length) throw new Error(`the tar ends within a member at byte ${at}`);
    const content = bytes.subarray(start, start + size);
    const type = header.toString("latin1", 156, 157);
    if (type === "x") Object.assign(extended, paxRecords(content));
    else if (type === "L" || type === "K") extended[type === "L" ? "path" : "linkpath"] = text(content, 0, size);
    else if (type !== "g") {
      members.push(member(header, type, content, extended));
      extended = {};
    }
    at = start + Math.ceil(size / BLOCK) * BLOCK;
  }
  return members;
}

function member(header: Buffer, type: string, content: Buffer, extended: Readonly<Record<string, string>>): Member {
  const prefix = text(header, 345, 155);
  const name = text(header, 0, 100);
  const mtime = extended["mtime"] === undefined ? field(header, 136, 12) : Number(extended["mtime"]);
  return {
    path: extended["path"] ?? (prefix === "" ? name : `${prefix}/${name}`),
    content: sha256(content),
    size: content.length,
    facts: {
      type: TYPES[type] ?? type,
      mode: (field(header, 100, 8) ?? 0).toString(8).padStart(4, "0"),
      owner: `${field(header, 108, 8) ?? 0}:${field(header, 116, 8) ?? 0}`,
      "owner name": `${extended["uname"] ?? text(header, 265, 32)}:${extended["gname"] ?? text(header, 297, 32)}`,
      mtime: time(mtime),
      link: extended["linkpath"] ?? text(header, 157, 100),
    },
  };
}

const TYPES: Readonly<Record<string, string>> = {
  "0": "file",
  "\0": "file",
  "1": "hard link",
  "2": "symlink",
  "3": "device",
  "4": "device",
  "5": "directory",
  "6": "fifo",
};

function time(seconds: number | undefined): string {
  const ms = (seconds ?? 0) * 1000;
  return Number.isFinite(ms) && Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : String(seconds);
}

function checkSum(header: Buffer, at: number): void {
  let sum = 0;
  // The checksum is taken with its own field as blanks.
  for (let i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? 32 : (header[i] ?? 0);
  if (field(header, 148, 8) !== sum) throw new Error(`the tar header at byte ${at} is damaged`);
}

/** A number: octal text, or with the top bit set GNU's base 256. */
function field(header: Buffer, at: number, length: number): number | undefined {
  const first = header[at] ?? 0;
  if ((first & 0x80) === 0) return number(text(header, at, length).trim(), 8);
  let value = first & 0x7f;
  for (let i = 1; i < length; i++) value = value * 256 + (header[at + i] ?? 0);
  if (!Number.isSafeInteger(value)) throw new Error("a number in the tar is too large");
  return value;
}

function number(digits: string, radix: 8 | 10): number | undefined {
  return (radix === 8 ? /^[0-7]+$/ : /^\d{1,15}$/).test(digits) ? Number.parseInt(digits, radix) : undefined;
}

function text(bytes: Buffer, at: number, length: number): string {
  const end = bytes.indexOf(0, at);
  return bytes.toString("utf8", at, end === -1 ? at + length : Math.min(end, at + length));
}

/** Records of the form `LENGTH KEY=VALUE\n`, where LENGTH counts itself. */
function paxRecords(content: Buffer): Readonly<Record<string, string>> {
  const records: [string, string][] = [];
  for (let at = 0; at < content.length;) {
    const space = content.indexOf(32, at);
    const length = number(content.toString("latin1", at, Math.max(at, space)), 10);
    if (length === undefined || length < 5 || at + length > content.length) break;
    const record = content.toString("utf8", space + 1, at + length - 1);
    const equals = record.indexOf("=");
    if (equals > 0) records.push([record.slice(0, equals), record.slice(equals + 1)]);
    at += length;
  }
  return Object.fromEntries(records);
}
