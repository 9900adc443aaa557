import { MaestroError, messageOf } from "../core/problem.ts";

/** What the file system said, as `storage_full` or `storage_failed`; our own errors pass as they are. */
export function storageError(error: unknown, path: string): MaestroError {
  if (error instanceof MaestroError) return error;
  const code = codeOf(error);
  // EDQUOT: the user's quota is used up, which asks for the same remedy.
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new MaestroError("storage_full", `There is no space left to write ${path}.`, {
      cause: error,
      facts: { path, code },
    });
  }
  return new MaestroError("storage_failed", `${path} could not be read or written: ${messageOf(error)}`, {
    cause: error,
    facts: { path, code },
  });
}

function codeOf(error: unknown): string {
  const code: unknown = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === "string" ? code : "unknown";
}
