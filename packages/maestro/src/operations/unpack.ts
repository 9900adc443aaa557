import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { PassThrough } from "node:stream";
import { createZstdDecompress } from "node:zlib";
import { MaestroError, messageOf } from "../core/problem.ts";
import { storageError } from "../store/storage-error.ts";
import { listText } from "./archive.ts";
import type { Listed } from "./archive.ts";
import { syncFolder } from "./archive.ts";
import type { BackupManifest } from "./backup-form.ts";
import { isMember, LIST_MEMBER, MANIFEST_MEMBER, readManifest } from "./backup-form.ts";
import { readTar } from "./tar.ts";
import type { TarMember } from "./tar.ts";

/** What a whole backup holds beside its files. */
export interface Unpacked {
  readonly manifest: BackupManifest;
  readonly listed: readonly Listed[];
}

/** The list and the manifest of a backup are read into memory; they are this large at most. */
const MAX_TEXT_BYTES = 1 << 30;

/**
 * Reads a backup to its end and checks every byte of it: members by their SHA-256, blobs by their names, the list by the
 * manifest. With `to` the members that `wants` takes are written there, synced. Errors: `verification_failed` (names the
 * first thing that is wrong), `not_found`, `storage_full`, `storage_failed`.
 */
export async function unpack(
  file: string,
  to: string | undefined,
  wants: (path: string) => boolean = () => true,
): Promise<Unpacked> {
  const folders = new Set<string>();
  const out = new PassThrough({ highWaterMark: 1 << 20 });
  const source = createReadStream(file, { highWaterMark: 1 << 20 });
  const feeding = pipeline(source, createZstdDecompress(), out).then(
    () => undefined,
    (error: unknown) => error,
  );
  try {
    const unpacked = await readMembers(out, to, wants, folders);
    const broken = await feeding;
    if (broken instanceof Error) throw broken;
    for (const folder of [...folders].toSorted((a, b) => b.length - a.length)) await syncFolder(folder);
    return unpacked;
  } catch (error) {
    out.destroy();
    // Where the stream broke, that is the reason, and not that its reader found it too short.
    throw problemOf((await feeding) ?? error, error, file);
  }
}

async function readMembers(
  stream: PassThrough,
  to: string | undefined,
  wants: (path: string) => boolean,
  folders: Set<string>,
): Promise<Unpacked> {
  const listed: Listed[] = [];
  let list: { readonly text: string; readonly sha256: string } | undefined;
  let manifest: BackupManifest | undefined;
  for await (const member of readTar(stream)) {
    const { path } = member;
    if (!isMember(path))
      throw new SyntaxError(`it holds ${JSON.stringify(path.slice(0, 200))}, which is no part of a backup`);
    if (manifest !== undefined) throw new SyntaxError(`${path} follows its manifest`);
    if (path === LIST_MEMBER) {
      const text = await textOf(member);
      list = { text, sha256: createHash("sha256").update(text).digest("hex") };
    } else if (path === MANIFEST_MEMBER) manifest = readManifest(await textOf(member));
    else if (list !== undefined) throw new SyntaxError(`${path} follows its list`);
    else {
      const one = await take(member, to !== undefined && wants(path) ? join(to, path) : undefined, folders);
      checkBlob(one);
      listed.push(one);
    }
  }
  if (list === undefined || manifest === undefined)
    throw new SyntaxError("it has no list or no manifest: it is not whole");
  compareLists(list.text, listed);
  if (list.sha256 !== manifest.list) throw new SyntaxError("its list is not the one that its manifest names");
  if (listed.length !== manifest.members)
    throw new SyntaxError(`it holds ${listed.length} of ${manifest.members} files`);
  return { manifest, listed };
}

async function take({ path, size, body }: TarMember, file: string | undefined, folders: Set<string>): Promise<Listed> {
  const hash = createHash("sha256");
  if (file === undefined) for await (const part of body) hash.update(part);
  else {
    const folder = dirname(file);
    if (!folders.has(folder)) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      folders.add(folder);
    }
    const handle = await open(file, "wx", 0o600);
    try {
      for await (const part of body) {
        hash.update(part);
        for (let at = 0; at < part.length;) at += (await handle.write(part, at)).bytesWritten;
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
  return { path, size, sha256: hash.digest("hex") };
}

async function textOf({ path, size, body }: TarMember): Promise<string> {
  if (size > MAX_TEXT_BYTES) throw new SyntaxError(`${path} is larger than ${MAX_TEXT_BYTES} bytes`);
  const parts: Buffer[] = [];
  for await (const part of body) parts.push(part);
  return Buffer.concat(parts).toString("utf8");
}

/** A blob's name says what its bytes are, whatever the list says. */
function checkBlob({ path, sha256 }: Listed): void {
  if (path.startsWith("blobs/") && !path.endsWith(sha256))
    throw new SyntaxError(`the bytes of ${path} are not those of its name`);
}

function compareLists(text: string, listed: readonly Listed[]): void {
  if (text === listText(listed)) return;
  const lines = text.split("\n");
  const at = listed.findIndex((one, i) => `${one.sha256}  ${one.path}` !== lines[i]);
  const path = listed[at]?.path;
  throw new SyntaxError(
    path === undefined
      ? "its list names files that are not in it"
      : `${path} is not as it was when the backup was made`,
  );
}

function problemOf(broken: unknown, thrown: unknown, file: string): unknown {
  const code = broken instanceof Error && "code" in broken ? String(broken.code) : "";
  if (code === "ENOENT" && (broken as NodeJS.ErrnoException).path === file)
    return new MaestroError("not_found", `There is no file ${file}.`, {
      cause: broken,
      fix: "List the backups: `maestro backup list`.",
    });
  if (broken instanceof MaestroError) return broken;
  if (/^E[A-Z]+$/.test(code)) return storageError(broken, (broken as NodeJS.ErrnoException).path ?? file);
  // From the unpacking (ZSTD_…, Z_…), or a SyntaxError of a reader: the file itself is at fault.
  const why = thrown instanceof SyntaxError ? thrown.message : messageOf(broken);
  if (!(thrown instanceof SyntaxError) && code === "") return thrown;
  return new MaestroError("verification_failed", `${file} is not a whole backup: ${why}.`, {
    cause: thrown,
    facts: { file },
    fix: "Use another backup; `maestro backup list` names them.",
  });
}
