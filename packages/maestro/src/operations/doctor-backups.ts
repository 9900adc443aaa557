import { existsSync } from "node:fs";
import { join } from "node:path";
import { listBackups } from "./backup-record.ts";
import type { Finding, Patient } from "./finding.ts";

const OLD_MS = 7 * 86_400_000;

/** How old the newest backup is that is still where it was written. */
export async function backupChecks({ dataDir, now }: Patient): Promise<readonly Finding[]> {
  const check = "backup";
  if (!existsSync(join(dataDir, "maestro.db"))) return [];
  const newest = (await listBackups(dataDir)).find(({ isThere }) => isThere);
  const fix = "`maestro backup create --to DIR`, on another disk, at intervals you choose.";
  if (newest === undefined) return [{ check, status: "warning", detail: "none that this directory knows of", fix }];
  const days = Math.floor((now - newest.createdAt) / 86_400_000);
  const detail = `${newest.path}, ${days === 0 ? "today's" : `${days} day${days === 1 ? "" : "s"} old`}`;
  const isHere = newest.path.startsWith(dataDir);
  if (now - newest.createdAt > OLD_MS) return [{ check, status: "warning", detail, fix }];
  if (isHere) return [{ check, status: "warning", detail: `${detail}, in the data directory itself`, fix }];
  return [{ check, status: "ok", detail }];
}
