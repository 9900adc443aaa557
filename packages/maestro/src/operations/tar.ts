// A tar of regular files, written and read as a stream (POSIX.1-2001 pax): what `tar` can list and unpack, too.
import type { Readable } from "node:stream";

const BLOCK = 512;
/** Octal in eleven digits: from 8 GiB on the size stands in a pax record. */
const MAX_OCTAL = 8 ** 11;
/** A header of ours is a few hundred bytes; this is what a stranger's may be. */
const MAX_PAX_BYTES = 64 * 1024;

/** The blocks before a file's bytes. */
export function tarHeader(path: string, size: number, mtimeMs: number): Buffer {
  const records = [
    ...(Buffer.byteLength(path) > 100 ? [paxRecord("path", path)] : []),
    ...(size >= MAX_OCTAL ? [paxRecord("size", String(size))] : []),
  ].join("");
  const file = block(path, size >= MAX_OCTAL ? 0 : size, mtimeMs, "0");
  if (records === "") return file;
  const bytes = Buffer.from(records);
  return Buffer.concat([block("PaxHeader", bytes.length, mtimeMs, "x"), bytes, tarPadding(bytes.length), file]);
}

/** Plain ustar of one file for everybody to read, as any implementation since 1988 reads it; undefined where its path does not fit. */
export function ustarHeader(path: string, size: number, mtimeMs: number): Buffer | undefined {
  if (size >= MAX_OCTAL) return undefined;
  const bytes = Buffer.from(path);
  if (bytes.length <= NAME_BYTES) return block(path, size, mtimeMs, "0", { mode: "0000644" });
  // The name is what follows one of the slashes; the prefix what is before it.
  const slash = bytes.indexOf("/", Math.max(1, bytes.length - NAME_BYTES - 1));
  if (slash === -1 || slash > PREFIX_BYTES || slash === bytes.length - 1) return undefined;
  const [prefix, name] = [bytes.toString("utf8", 0, slash), bytes.toString("utf8", slash + 1)];
  return block(name, size, mtimeMs, "0", { mode: "0000644", prefix });
}

const NAME_BYTES = 100;
const PREFIX_BYTES = 155;

/** Fills a file's bytes up to a whole block. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}

/** Two empty blocks. */
export const TAR_END = Buffer.alloc(2 * BLOCK);

function block(
  path: string,
  size: number,
  mtimeMs: number,
  type: "0" | "x",
  { mode = "0000600", prefix = "" }: { readonly mode?: string; readonly prefix?: string } = {},
): Buffer {
  const header = Buffer.alloc(BLOCK);
  header.write(path.slice(0, 100), 0, 100, "utf8");
  header.write(`${mode}\0`, 100, "latin1");
  header.write("0000000\0", 108, "latin1");
  header.write("0000000\0", 116, "latin1");
  header.write(`${size.toString(8).padStart(11, "0")}\0`, 124, "latin1");
  header.write(
    `${Math.floor(mtimeMs / 1000)
      .toString(8)
      .padStart(11, "0")}\0`,
    136,
    "latin1",
  );
  header.write("        ", 148, "latin1");
  header.write(type, 156, "latin1");
  header.write("ustar\x0000", 257, "latin1");
  header.write(prefix, 345, PREFIX_BYTES, "utf8");
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return header;
}

/** `LENGTH KEY=VALUE\n`, where LENGTH counts itself. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = Buffer.byteLength(rest);
  length += String(length + String(length).length).length;
  return `${length}${rest}`;
}

export interface TarMember {
  readonly path: string;
  readonly size: number;
  /** The block that describes it, for who wants it to be that and nothing else; undefined where there was more than one. */
  readonly header: Buffer | undefined;
  /** Its bytes, to be read before the next member is asked for; what is left unread is passed over. */
  readonly body: AsyncIterable<Buffer>;
}

/** The members of a stream in order. Throws SyntaxError for what is no tar, ends early, or holds anything but files. */
export async function* readTar(stream: Readable): AsyncGenerator<TarMember> {
  const input = new Blocks(stream);
  for (;;) {
    const first = await input.take(BLOCK);
    if (first.every((byte) => byte === 0)) return await input.expectEnd();
    let block = first;
    let header = readHeader(block);
    const records: Record<string, string> = {};
    while (header.type === "x") {
      if (header.size > MAX_PAX_BYTES) throw new SyntaxError("a header is larger than 64 KiB");
      const pax = await input.take(header.size);
      await input.take(tarPadding(header.size).length);
      Object.assign(records, paxRecords(pax));
      block = await input.take(BLOCK);
      header = readHeader(block);
    }
    const path = records["path"] ?? header.path;
    const size = records["size"] === undefined ? header.size : Number(records["size"]);
    if (!Number.isSafeInteger(size) || size < 0) throw new SyntaxError(`${path} has the size ${records["size"]}`);
    if (header.type !== "0") throw new SyntaxError(`${path} is ${KINDS[header.type] ?? "not a regular file"}`);
    const body = input.body(size);
    yield { path, size, header: block === first ? first : undefined, body };
    for await (const _ of body);
    const padding = await input.take(tarPadding(size).length);
    if (padding.some((byte) => byte !== 0)) throw new SyntaxError(`there is something after the end of ${path}`);
  }
}

/** POSIX `typeflag`. */
const KINDS: Readonly<Record<string, string>> = {
  "1": "a hard link",
  "2": "a symbolic link",
  "3": "a device",
  "4": "a device",
  "5": "a folder",
  "6": "a pipe",
};

function readHeader(header: Buffer): { readonly path: string; readonly size: number; readonly type: string } {
  const sum = header.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 32 : byte), 0);
  if (header.toString("latin1", 257, 262) !== "ustar" || octal(header, 148, 8) !== sum)
    throw new SyntaxError("it is not a tar, or is damaged");
  const prefix = text(header, 345, PREFIX_BYTES);
  const name = text(header, 0, NAME_BYTES);
  return {
    path: prefix === "" ? name : `${prefix}/${name}`,
    size: octal(header, 124, 12),
    type: header.toString("latin1", 156, 157),
  };
}

function octal(header: Buffer, at: number, length: number): number {
  const digits = text(header, at, length).trim();
  if (!/^[0-7]{1,11}$/.test(digits)) throw new SyntaxError("a number in a header is not octal");
  return Number.parseInt(digits, 8);
}

function text(bytes: Buffer, at: number, length: number): string {
  const end = bytes.indexOf(0, at);
  return bytes.toString("utf8", at, end === -1 ? at + length : Math.min(end, at + length));
}

function paxRecords(bytes: Buffer): Readonly<Record<string, string>> {
  const records: [string, string][] = [];
  for (let at = 0; at < bytes.length;) {
    const space = bytes.indexOf(32, at);
    const length = Number(bytes.toString("latin1", at, Math.max(at, space)));
    if (!Number.isSafeInteger(length) || length < 5 || at + length > bytes.length)
      throw new SyntaxError("a header is damaged");
    const record = bytes.toString("utf8", space + 1, at + length - 1);
    const equals = record.indexOf("=");
    records.push([record.slice(0, equals), record.slice(equals + 1)]);
    at += length;
  }
  return Object.fromEntries(records);
}

/** Bytes by count, whatever the chunks they come in. */
class Blocks {
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(stream: Readable) {
    this.#chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  async take(count: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for await (const part of this.body(count)) parts.push(part);
    return parts.length === 1 ? (parts[0] ?? this.#rest) : Buffer.concat(parts);
  }

  async *body(count: number): AsyncGenerator<Buffer> {
    for (let left = count; left > 0;) {
      if (this.#rest.length === 0) await this.#more();
      const part = this.#rest.subarray(0, left);
      this.#rest = this.#rest.subarray(part.length);
      left -= part.length;
      yield part;
    }
  }

  /** After the end there may be empty blocks, and nothing else: what the archive's digest covers is all there is. */
  async expectEnd(): Promise<void> {
    for (;;) {
      if (this.#rest.some((byte) => byte !== 0)) throw new SyntaxError("there is something after its end");
      const next = await this.#chunks.next();
      if (next.done === true) return;
      this.#rest = next.value;
    }
  }

  async #more(): Promise<void> {
    const next = await this.#chunks.next();
    if (next.done === true) throw new SyntaxError("it ends too early");
    this.#rest = next.value;
  }
}
