import { closeSync, fstatSync, openSync, read, readSync } from "node:fs";
import { promisify } from "node:util";
import { storageError } from "../store/storage-error.ts";

/** A log that is being read. */
export interface LogFile {
  /** Fewer bytes than asked for only at the end. */
  read(buffer: Uint8Array, offset: number, length: number, position: number): Promise<{ readonly bytesRead: number }>;
}

/** Up to here bytes are read at once: handing it to another thread and back costs several times the read itself. */
const READ_AT_ONCE = 64 * 1024;

/** What `work` makes of the file, or `missing` where there is none. Errors: as `storageError`. */
export async function withFile<T>(
  path: string,
  missing: T,
  work: (file: LogFile, size: number) => Promise<T>,
): Promise<T> {
  const file = openOrNone(path);
  if (file === undefined) return missing;
  try {
    return await work({ read: async (...what) => readSome(file, ...what) }, fstatSync(file).size);
  } catch (error) {
    throw storageError(error, path);
  } finally {
    closeSync(file);
  }
}

/** For `catch`: what is not there is no fault. */
export function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code === "ENOENT") return undefined;
  throw storageError(error, error.path ?? "the log folder");
}

function openOrNone(path: string): number | undefined {
  try {
    return openSync(path, "r");
  } catch (error) {
    return absent(error as NodeJS.ErrnoException);
  }
}

async function readSome(
  file: number,
  buffer: Uint8Array,
  offset: number,
  length: number,
  position: number,
): Promise<{ readonly bytesRead: number }> {
  return length <= READ_AT_ONCE
    ? { bytesRead: readSync(file, buffer, offset, length, position) }
    : readLater(file, buffer, offset, length, position);
}

const readLater = promisify(read);
