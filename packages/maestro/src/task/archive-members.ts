import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { sha256 } from "../core/digest.ts";
import { messageOf } from "../core/problem.ts";
import { isTar, readTar } from "./tar.ts";
import { isZip, readZip } from "./zip.ts";

/** One entry of an archive: all that two archives can differ in. Only what the format has is set. */
export interface Member {
  readonly path: string;
  readonly content: string;
  readonly size: number;
  readonly facts: Readonly<Record<string, string>>;
}

export interface Archive {
  readonly kind: "tar" | "tgz" | "zip";
  /** Header fields of the archive itself. */
  readonly facts: Readonly<Record<string, string>>;
  readonly members: readonly Member[];
}

/** Archives are unpacked in memory, only to explain a difference. */
const MAX_UNPACKED_BYTES = 128 * 1024 * 1024;
/** A gzip stream of honest files stays below; deflate itself cannot exceed 1032. */
const MAX_RATIO = 300;

const unzip = promisify(gunzip);

/**
 * The members of a tar, tar.gz or zip file. A text instead says why they cannot be told: damage, or more than 128 MiB or 300 times the size when unpacked.
 * Undefined: it is no archive.
 */
export async function readArchive(bytes: Buffer): Promise<Archive | string | undefined> {
  try {
    if (isZip(bytes)) return { kind: "zip", facts: {}, members: readZip(bytes) };
    if (isTar(bytes)) return { kind: "tar", facts: {}, members: readTar(bytes) };
    if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return undefined;
    const unpacked = await unzip(bytes, {
      maxOutputLength: Math.min(MAX_UNPACKED_BYTES, Math.max(1024 * 1024, bytes.length * MAX_RATIO)),
    });
    // A compressed file that is no tar: its content is its only member.
    const members = isTar(unpacked)
      ? readTar(unpacked)
      : [{ path: "(content)", content: sha256(unpacked), size: unpacked.length, facts: {} }];
    return { kind: "tgz", facts: gzipFacts(bytes), members };
  } catch (thrown) {
    return `its members cannot be read: ${messageOf(thrown)}`;
  }
}

/** RFC 1952 2.3: what the header says about the moment and the machine. */
function gzipFacts(bytes: Buffer): Readonly<Record<string, string>> {
  const flags = bytes[3] ?? 0;
  const mtime = bytes.readUInt32LE(4);
  return {
    "gzip mtime": mtime === 0 ? "none" : new Date(mtime * 1000).toISOString(),
    "gzip level": String(bytes[8]),
    "gzip system": String(bytes[9]),
    "gzip flags": String(flags),
    ...((flags & 0x0c) === 8
      ? { "gzip name": bytes.toString("latin1", 10, Math.min(bytes.length, Math.max(10, bytes.indexOf(0, 10)))) }
      : {}),
  };
}
