import { readFile, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { MaestroError, messageOf } from "../core/problem.ts";
import { usage } from "./cli.ts";
import type { Cli } from "./cli.ts";

/** What to run or plan, as the API takes it. */
export type Source =
  | { readonly manifest: string; readonly file: string; readonly folder?: string }
  | { readonly workflow: string };

/** The API refuses more; there is no use in reading it. */
const MAX_BYTES = 4 * 1024 * 1024;

/** A file, `-`, or the name of a stored workflow: whatever is not a file and looks like a name. Errors: `not_found`, `invalid_request`. */
export async function readSource(cli: Cli, reference: string): Promise<Source> {
  if (reference === "-") return { manifest: decode(await readStdin(cli), "stdin"), file: "stdin" };
  const path = resolve(cli.cwd, reference);
  const found = await stat(path).then(
    (stats) => stats,
    (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
      throw unreadable(reference, error);
    },
  );
  if (found?.isDirectory() === true) throw usage(`${reference} is a folder; give the manifest in it.`);
  if (found !== undefined) return { manifest: await readText(cli, reference), file: reference, folder: dirname(path) };
  if (/^([a-z0-9-]+\/)?[a-z0-9-]+(@[0-9A-Za-z.+-]+)?$/.test(reference)) return { workflow: reference };
  throw new MaestroError("not_found", `There is no file ${reference}.`, {
    fix: "Check the path; stored workflows are named name, namespace/name or namespace/name@version.",
  });
}

/** What of it a control plane can use: the neighbours of a manifest are only there where it has the same files. */
export function sourceFor(client: { readonly isRemote: boolean }, source: Source): Source {
  if (!client.isRemote || !("folder" in source)) return source;
  return { manifest: source.manifest, file: source.file };
}

/** A text file of at most 4 MiB, UTF-8. Errors: `invalid_request`, `not_found`, `payload_too_large`. */
export async function readText(cli: Cli, path: string): Promise<string> {
  const absolute = resolve(cli.cwd, path);
  try {
    const stats = await stat(absolute);
    if (stats.size > MAX_BYTES) throw tooLarge(path);
    return decode(await readFile(absolute), path);
  } catch (error) {
    throw error instanceof MaestroError ? error : unreadable(path, error);
  }
}

export async function readStdin(cli: Cli): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of cli.terminal.stdin()) {
    size += part.byteLength;
    if (size > MAX_BYTES) throw tooLarge("stdin");
    parts.push(part);
  }
  return Buffer.concat(parts);
}

export function decode(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new MaestroError("invalid_request", `${name} is not text in UTF-8.`, {
      cause: error,
      fix: "Save it as UTF-8.",
    });
  }
}

function tooLarge(name: string): MaestroError {
  return new MaestroError("payload_too_large", `${name} is larger than ${MAX_BYTES} bytes.`);
}

function unreadable(path: string, error: unknown): MaestroError {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ENOENT" || code === "ENOTDIR")
    return new MaestroError("not_found", `There is no file ${path}.`, { cause: error, fix: "Check the path." });
  return new MaestroError("invalid_request", `${path} cannot be read: ${messageOf(error)}`, {
    cause: error,
    fix: "Check what it is and its permissions.",
  });
}
