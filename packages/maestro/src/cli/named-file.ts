import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { MaestroError, messageOf } from "../core/problem.ts";
import type { Cli } from "./cli.ts";

/** A file that a flag or an argument names. Errors: `invalid_request` where it cannot be read. */
export async function readNamed(cli: Cli, path: string): Promise<string> {
  return (await readNamedBytes(cli, path)).toString("utf8");
}

/** As `readNamed`, of a file that is no text. */
export async function readNamedBytes(cli: Cli, path: string): Promise<Buffer> {
  try {
    return await readFile(resolve(cli.cwd, path));
  } catch (error) {
    throw unreadable(path, error, "Check the path and its permissions.");
  }
}

/** What the file system said of something that somebody named, in words. `path` may begin with what it is. */
export function unreadable(path: string, error: unknown, fix: string): MaestroError {
  return new MaestroError("invalid_request", `${path} cannot be read: ${reasonOf(error)}.`, { cause: error, fix });
}

function reasonOf(error: unknown): string {
  switch (error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined) {
    case "ENOENT":
    case "ENOTDIR":
      return "there is no such file";
    case "EISDIR":
      return "it is a folder";
    case "EACCES":
      return "its permissions do not allow it";
    default:
      return messageOf(error).replace(/\.$/, "");
  }
}
