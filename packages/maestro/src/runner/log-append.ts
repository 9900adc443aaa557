import { closeSync, fstatSync, mkdirSync, openSync, writev, writevSync } from "node:fs";
import { dirname } from "node:path";
import { promisify } from "node:util";

/** The size of a log's file. Makes the file, and the run's folder when it is the first. */
export function sizeNow(path: string): number {
  const file = openOrMake(path);
  try {
    return fstatSync(file).size;
  } finally {
    closeSync(file);
  }
}

function openOrMake(path: string): number {
  try {
    return openSync(path, "a", 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    return openSync(path, "a", 0o600);
  }
}

/** Appends before it returns: for small writes, which cost less than handing them to another thread and back. */
export function appendNow(path: string, chunks: readonly Uint8Array[]): void {
  const file = openSync(path, "a", 0o600);
  try {
    // Linux writes less than asked only where the disk is full or a limit was met; asking again says which.
    const total = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
    const written = writevSync(file, chunks);
    if (written < total) writevSync(file, [Buffer.concat(chunks).subarray(written)]);
  } finally {
    closeSync(file);
  }
}

/** Appends without holding up the process. To open and to close a file costs less than a thread would to do it. */
export async function appendLater(path: string, chunks: readonly Uint8Array[]): Promise<void> {
  const file = openSync(path, "a", 0o600);
  try {
    const total = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
    const { bytesWritten } = await write(file, chunks);
    if (bytesWritten < total) await write(file, [Buffer.concat(chunks).subarray(bytesWritten)]);
  } finally {
    closeSync(file);
  }
}

const write = promisify(writev);
