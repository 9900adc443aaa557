import { readFile, stat } from "node:fs/promises";
import { canonical } from "../core/canonical.ts";
import type { JsonValue } from "../core/json.ts";
import { messageOf } from "../core/problem.ts";
import { explainJsonError } from "./json-position.ts";
import { TaskFailure } from "./task.ts";

/** Whether there is a file (or a link to one). A folder is none. Anything but absence is an error. */
export async function fileExists(file: string): Promise<boolean> {
  const found = await stat(file).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT" || cause.code === "ENOTDIR") return undefined;
    throw unreadable(file, cause);
  });
  return found?.isFile() ?? false;
}

/** The JSON in a file of at most `maxBytes`. Fails with NOT_FOUND, TOO_LARGE or INPUT_INVALID, final each, naming file and place. */
export async function readJsonFile(file: string, maxBytes: number): Promise<JsonValue> {
  const found = await stat(file).catch((cause: NodeJS.ErrnoException) => Promise.reject(unreadable(file, cause)));
  if (!found.isFile()) throw new TaskFailure({ code: "INPUT_INVALID", message: `${file} is not a file.`, final: true });
  if (found.size > maxBytes)
    throw new TaskFailure({
      code: "TOO_LARGE",
      message: `${file} has ${found.size} bytes; at most ${maxBytes} are read as one JSON value.`,
      final: true,
    });
  const bytes = await readFile(file).catch((cause: NodeJS.ErrnoException) => Promise.reject(unreadable(file, cause)));
  const parsed = parseJson(bytes);
  if (!parsed.ok)
    throw new TaskFailure({ code: "INPUT_INVALID", message: `${file} is not JSON: ${parsed.message}`, final: true });
  return parsed.value;
}

/**
 * JSON of a stranger: UTF-8, with or without a byte order mark, and within what our canonical form can carry
 * (512 levels, no lone surrogates). The message names line and column.
 */
export function parseJson(
  bytes: Uint8Array,
): { readonly ok: true; readonly value: JsonValue } | { readonly ok: false; readonly message: string } {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return { ok: false, message: "it is not UTF-8" };
  }
  if (text.trim() === "") return { ok: false, message: "it is empty" };
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch {
    return { ok: false, message: explainJsonError(text) };
  }
  try {
    canonical(value);
    return { ok: true, value };
  } catch (thrown) {
    return { ok: false, message: messageOf(thrown) };
  }
}

/** The failure of a file that could not be opened or read, with the system's reason in words. */
export function unreadable(file: string, cause: NodeJS.ErrnoException): TaskFailure {
  const why =
    cause.code === "ENOENT" || cause.code === "ENOTDIR"
      ? "does not exist"
      : cause.code === "EACCES"
        ? "may not be read by this user"
        : `could not be read (${cause.code ?? cause.message})`;
  return new TaskFailure(
    {
      code: cause.code === "ENOENT" || cause.code === "ENOTDIR" ? "NOT_FOUND" : "UNREADABLE",
      message: `${file} ${why}.`,
      final: true,
    },
    { cause },
  );
}
