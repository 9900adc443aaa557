import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { existsSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { MaestroError } from "../core/problem.ts";
import { replaceLostKey } from "../provenance/replace-key.ts";
import { storageError } from "../store/storage-error.ts";
import { syncFolder } from "./archive.ts";
import type { BackupManifest } from "./backup-form.ts";
import type { Checked } from "./check-installation.ts";
import { unpack } from "./unpack.ts";
import type { OpenStore } from "./verify-backup.ts";
import { checkDatabaseOf } from "./verify-backup.ts";

export interface RestoreRequest {
  readonly file: string;
  /** The data directory to make: a folder that is not there yet, or is empty. */
  readonly to: string;
  readonly passphrase?: string;
  /** Epoch milliseconds. */
  readonly now: number;
  readonly openStore: OpenStore;
}

export interface Restored {
  readonly manifest: BackupManifest;
  readonly checked: Checked;
  /** Its fingerprint, where the backup came without the private key and a new one was made. */
  readonly newKey: string | null;
}

/**
 * Makes a data directory of a backup: unpacked and checked beside its place, then renamed. Whatever ends it before that
 * leaves the place as it was, and a folder `<to>.restoring-<pid>` that the next restore removes.
 * Errors: `conflict` (the place is taken), as `verifyBackup`.
 */
export async function restoreBackup(request: RestoreRequest): Promise<Restored> {
  const to = resolve(request.to);
  await refuseTaken(to);
  await mkdir(dirname(to), { recursive: true, mode: 0o700 }).catch((error: unknown) => {
    throw storageError(error, dirname(to));
  });
  await removeLeftOver(to);
  const staging = `${to}.restoring-${process.pid}`;
  try {
    await mkdir(staging, { mode: 0o700 });
    const { manifest } = await unpack(request.file, staging);
    const checked = await checkDatabaseOf(staging, request.openStore);
    const newKey = await newKeyFor(staging, manifest, request);
    await syncFolder(staging);
    await moveTo(staging, to);
    return { manifest, checked, newKey };
  } catch (error) {
    await rm(staging, { recursive: true, force: true });
    throw error;
  }
}

async function refuseTaken(to: string): Promise<void> {
  let names: readonly string[];
  try {
    names = await readdir(to);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return;
    if (code === "ENOTDIR") throw taken(to, "it is a file");
    throw storageError(error, to);
  }
  if (names.length > 0)
    throw taken(to, names.includes("maestro.db") ? "it is a data directory already" : "it is not empty");
}

function taken(to: string, why: string): MaestroError {
  return new MaestroError("conflict", `Nothing is restored to ${to}: ${why}.`, {
    facts: { to },
    fix: `Restore to a new folder with --to; or end its engine, move the folder away (mv ${to} ${to}.old), and try again.`,
  });
}

/** What a restore that was killed had unpacked. */
async function removeLeftOver(to: string): Promise<void> {
  const prefix = `${basename(to)}.restoring-`;
  for (const name of await readdir(dirname(to))) {
    const pid = name.startsWith(prefix) ? Number(name.slice(prefix.length)) : Number.NaN;
    if (Number.isSafeInteger(pid) && pid > 0 && !isAlive(pid))
      await rm(join(dirname(to), name), { recursive: true, force: true });
  }
}

async function newKeyFor(
  staging: string,
  manifest: BackupManifest,
  { passphrase, now }: RestoreRequest,
): Promise<string | null> {
  // A backup of a directory that no engine had opened yet has no trust root; the first start makes the keys.
  if (manifest.keys || !existsSync(join(staging, "keys", "trust-root.json"))) return null;
  const ring = replaceLostKey({ dir: join(staging, "keys"), now, ...(passphrase === undefined ? {} : { passphrase }) });
  await syncFolder(join(staging, "keys"));
  return ring.trustRoot.keys.at(-1)?.fingerprint ?? null;
}

async function moveTo(staging: string, to: string): Promise<void> {
  try {
    // Takes the place of an empty folder, and of no other.
    await rename(staging, to);
    await syncFolder(dirname(to));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOTEMPTY" || code === "EEXIST" || code === "ENOTDIR")
      throw taken(to, "somebody else has begun to use it");
    throw storageError(error, to);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
