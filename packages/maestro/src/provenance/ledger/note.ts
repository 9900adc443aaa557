import { createPublicKey, verify, type KeyObject } from "node:crypto";
import { sha256Bytes } from "../../core/digest.ts";
import { messageOf } from "../../core/problem.ts";
import { spkiOf } from "../keyid.ts";

// Signed notes (c2sp.org/signed-note) with Ed25519, and the cosignatures of witnesses on them (c2sp.org/tlog-cosignature).

/** A key that may sign notes, under a name. Name and id together say which key made a signature. */
export interface NoteKey {
  /** A URL without its scheme by custom; no white space, no plus. */
  readonly name: string;
  readonly kind: NoteKeyKind;
  readonly publicKey: KeyObject;
}

/** `log` signs the note, `witness` the note and the time at which it saw it. */
export type NoteKeyKind = "log" | "witness";

export interface NoteSignature {
  readonly name: string;
  /** Four bytes, eight hex digits. */
  readonly id: string;
  /** What follows the id: 64 bytes of a log, 72 of a witness. */
  readonly bytes: Buffer;
}

export interface Note {
  /** What is signed, with its last line break. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** Makes the 64 bytes of an Ed25519 signature, RFC 8032. */
export type Sign = (message: Uint8Array) => Buffer;

/** What a signature of a known key says. */
export interface Endorsement {
  readonly key: NoteKey;
  /** Epoch seconds; only a witness says when. */
  readonly time?: number;
}

const TYPES: Readonly<Record<NoteKeyKind, number>> = { log: 0x01, witness: 0x04 };
const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;

/** Far beyond the 16 that everybody must accept. */
const MAX_SIGNATURES = 64;
const MAX_NOTE_BYTES = 1024 * 1024;

const NAME = /^[^\s+\p{Cc}]+$/u;
/** All below U+0020 but the line break. */
const CONTROL = /[\p{Cc}--[\n\u007f-\u009f]]/v;

/** `SHA-256(name || 0x0A || type || key)[:4]`, as hex digits. */
export function noteKeyId({ name, kind, publicKey }: NoteKey): string {
  const head = Buffer.from(`${name}\n`);
  const id = sha256Bytes(Buffer.concat([head, Uint8Array.of(TYPES[kind]), rawKey(publicKey)]));
  return Buffer.from(id.subarray(0, 4)).toString("hex");
}

/** `name+id+key`, the one line by which a key of this kind is handed around. */
export function writeNoteKey(key: NoteKey): string {
  const material = Buffer.concat([Uint8Array.of(TYPES[key.kind]), rawKey(key.publicKey)]);
  return `${key.name}+${noteKeyId(key)}+${material.toString("base64")}`;
}

/** The inverse of `writeNoteKey`. Throws a SyntaxError that says what is wrong. */
export function readNoteKey(text: string): NoteKey {
  const [, name, id, material] = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)$/u.exec(text) ?? [];
  if (name === undefined || id === undefined || material === undefined)
    throw new SyntaxError("it is not of the form name+id+key");
  const bytes = Buffer.from(material, "base64");
  const kind = bytes[0] === TYPES.log ? "log" : bytes[0] === TYPES.witness ? "witness" : undefined;
  if (kind === undefined || bytes.length !== KEY_BYTES + 1)
    throw new SyntaxError("its key is not an Ed25519 key of a log or of a witness");
  const key: NoteKey = { name, kind, publicKey: publicKeyOf(bytes.subarray(1)) };
  if (noteKeyId(key) !== id) throw new SyntaxError(`its id ${id} does not belong to its name and key`);
  return key;
}

/** The note that a log signs. `text` ends in a line break. */
export function signNote(text: string, key: NoteKey, sign: Sign): string {
  checkText(text);
  return `${text}\n${signatureLine(key, sign(Buffer.from(text)))}`;
}

/** The line by which a witness says that it saw the text at a time; it is put behind the note. `time` is in epoch seconds. */
export function cosign(text: string, time: number, key: NoteKey, sign: Sign): string {
  checkText(text);
  const stamp = Buffer.alloc(8);
  stamp.writeBigUInt64BE(BigInt(time));
  return signatureLine(key, Buffer.concat([stamp, sign(cosigned(text, BigInt(time)))]));
}

/** Takes a note apart. Nothing of it is true before `endorsements` has been asked. Throws a SyntaxError that says what is wrong. */
export function readNote(note: string): Note {
  if (Buffer.byteLength(note) > MAX_NOTE_BYTES) throw new SyntaxError(`it is larger than ${MAX_NOTE_BYTES} bytes`);
  if (!note.isWellFormed() || CONTROL.test(note)) throw new SyntaxError("it holds characters that no note may hold");
  const end = note.lastIndexOf("\n\n");
  if (end < 0) throw new SyntaxError("no empty line parts its text from its signatures");
  if (!note.endsWith("\n")) throw new SyntaxError("its last line does not end");
  const lines = note.slice(end + 2, -1).split("\n");
  if (lines.length > MAX_SIGNATURES) throw new SyntaxError(`it has more than ${MAX_SIGNATURES} signatures`);
  return { text: note.slice(0, end + 1), signatures: lines.map((line) => readSignature(line)) };
}

/**
 * Who of the known keys signed. Signatures of others are passed over; one that is wrong, from a key that is known, spoils
 * the note: a SyntaxError names it.
 */
export function endorsements(note: Note, keys: readonly NoteKey[]): readonly Endorsement[] {
  return note.signatures.flatMap((signature) => {
    const key = keys.find((one) => one.name === signature.name && noteKeyId(one) === signature.id);
    if (key === undefined) return [];
    const endorsement = endorsementOf(note.text, signature.bytes, key);
    if (endorsement === undefined)
      throw new SyntaxError(`the signature of ${signature.name}+${signature.id} does not fit its text`);
    return [endorsement];
  });
}

function endorsementOf(text: string, bytes: Buffer, key: NoteKey): Endorsement | undefined {
  if (key.kind === "log") return verify(null, Buffer.from(text), key.publicKey, bytes) ? { key } : undefined;
  if (bytes.length !== 8 + SIGNATURE_BYTES) return undefined;
  const time = bytes.readBigUInt64BE();
  const isMade = verify(null, cosigned(text, time), key.publicKey, bytes.subarray(8));
  return isMade && time <= BigInt(Number.MAX_SAFE_INTEGER) ? { key, time: Number(time) } : undefined;
}

function cosigned(text: string, time: bigint): Buffer {
  return Buffer.from(`cosignature/v1\ntime ${time}\n${text}`);
}

function signatureLine(key: NoteKey, signature: Buffer): string {
  if (!NAME.test(key.name)) throw new TypeError(`${JSON.stringify(key.name)} is no name of a key`);
  return `— ${key.name} ${Buffer.concat([Buffer.from(noteKeyId(key), "hex"), signature]).toString("base64")}\n`;
}

function readSignature(line: string): NoteSignature {
  const [, name, base64] = /^— (\S+) ([A-Za-z0-9+/]+={0,2})$/u.exec(line) ?? [];
  if (name === undefined || base64 === undefined || !NAME.test(name))
    throw new SyntaxError(`${JSON.stringify(line.slice(0, 100))} is no signature line`);
  const bytes = Buffer.from(base64, "base64");
  if (bytes.toString("base64") !== base64 || bytes.length <= 4)
    throw new SyntaxError(`the signature of ${name} is not canonical base64`);
  return { name, id: bytes.subarray(0, 4).toString("hex"), bytes: bytes.subarray(4) };
}

function checkText(text: string): void {
  if (!text.endsWith("\n") || !text.isWellFormed() || CONTROL.test(text))
    throw new TypeError("a note is text whose last line ends, without control characters");
}

/** RFC 8032: the 32 bytes that end the SPKI. */
function rawKey(publicKey: KeyObject): Buffer {
  return spkiOf(publicKey).subarray(-KEY_BYTES);
}

function publicKeyOf(raw: Buffer): KeyObject {
  try {
    return createPublicKey({ key: Buffer.concat([ED25519_SPKI, raw]), format: "der", type: "spki" });
  } catch (error) {
    throw new SyntaxError(`its key is not an Ed25519 key: ${messageOf(error)}`, { cause: error });
  }
}

/** RFC 8410: the SPKI of an Ed25519 key up to the key. */
const ED25519_SPKI = Buffer.from("302a300506032b6570032100", "hex");
