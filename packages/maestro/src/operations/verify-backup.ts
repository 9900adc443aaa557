import { mkdtemp, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Store } from "../store/store.ts";
import type { BackupManifest } from "./backup-form.ts";
import type { Checked } from "./check-installation.ts";
import { checkHistories, checkPages } from "./check-installation.ts";
import { storageError } from "../store/storage-error.ts";
import { unpack } from "./unpack.ts";

export type OpenStore = (path: string) => Promise<Store>;

/**
 * Checks a backup as far as that can be done without restoring it: every member, the database's pages, every run's history
 * and receipts. The database is unpacked beside the file for it. Errors: as `unpack`, `store_corrupt`, `schema_newer`.
 */
export async function verifyBackup(
  file: string,
  openStore: OpenStore,
): Promise<{ readonly manifest: BackupManifest; readonly checked: Checked }> {
  const scratch = await mkdtemp(join(dirname(resolve(file)), ".verify-")).catch((error: unknown) => {
    throw storageError(error, dirname(resolve(file)));
  });
  try {
    const { manifest } = await unpack(file, scratch, (path) => path === "maestro.db");
    return { manifest, checked: await checkDatabaseOf(scratch, openStore) };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** The database of a folder that nobody uses yet. */
export async function checkDatabaseOf(folder: string, openStore: OpenStore): Promise<Checked> {
  const path = join(folder, "maestro.db");
  checkPages(path);
  const store = await openStore(path);
  try {
    return await checkHistories(store);
  } finally {
    await store.close();
  }
}
