import { open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { backup } from "node:sqlite";

const ALL_PAGES = 2 ** 31 - 1;

/**
 * Before a migration: a copy of the database as it was, `before-schema-N.db` beside it. A migration is one transaction, so
 * the copy is not for accidents: it is the way back, for the version before refuses the new schema, and whoever notices
 * that a new version does not suit notices it after its first start. Blobs, logs and keys fit both.
 */
export async function keepBefore(db: DatabaseSync, path: string, last: number): Promise<void> {
  const version = Number(db.prepare("pragma user_version").get()?.["user_version"]);
  if (version === 0 || version >= last || path === ":memory:") return;
  const kept = join(dirname(path), `before-schema-${last}.db`);
  const draft = `${kept}.new`;
  await rm(draft, { force: true });
  await backup(db, draft, { rate: ALL_PAGES });
  const file = await open(draft, "r+");
  try {
    await file.chmod(0o600);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, kept);
}
