import { constants } from "node:fs";
import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { messageOf } from "../core/problem.ts";
import { unreadable } from "./json-file.ts";
import { TaskFailure } from "./task.ts";

/**
 * Adds lines to the end of a file in one write, and comes back when they are on disk. A last line that a crash left
 * without its end stays as it is and gets one, so that ours begin where a line begins. Returns how many bytes were added.
 * Fails with NOT_FOUND, UNREADABLE, INPUT_INVALID (no plain file; all final) or IO.
 */
export async function appendLines(path: string, lines: readonly string[]): Promise<number> {
  // Not waiting: a named pipe without a reader would keep us for ever.
  const flags = constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;
  const file = await open(path, flags, 0o644).catch((cause: NodeJS.ErrnoException) =>
    Promise.reject(explain(path, cause)),
  );
  try {
    const found = await file.stat();
    if (!found.isFile()) throw noFile(path);
    const { size } = found;
    const bytes = Buffer.from(`${(await endsTorn(file, size)) ? "\n" : ""}${lines.join("\n")}\n`);
    const { bytesWritten } = await file.write(bytes);
    if (bytesWritten < bytes.length) throw new Error(`only ${bytesWritten} of ${bytes.length} bytes could be written`);
    await file.sync();
    if (size === 0) await syncFolder(dirname(path));
    return bytes.length;
  } catch (thrown) {
    if (thrown instanceof TaskFailure) throw thrown;
    throw new TaskFailure(
      { code: "IO", message: `${path} could not be written: ${messageOf(thrown)}. Check the space on its disk.` },
      { cause: thrown },
    );
  } finally {
    await file.close();
  }
}

async function endsTorn(file: FileHandle, size: number): Promise<boolean> {
  if (size === 0) return false;
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
  return buffer[0] !== 0x0a;
}

/** Without it the name of a new file may be gone after a power cut, although its bytes are there. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function explain(path: string, cause: NodeJS.ErrnoException): TaskFailure {
  return cause.code === "EISDIR" || cause.code === "ENXIO" ? noFile(path) : unreadable(path, cause);
}

function noFile(path: string): TaskFailure {
  return new TaskFailure({ code: "INPUT_INVALID", message: `${path} is not a plain file.`, final: true });
}
