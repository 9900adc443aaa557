import type { BackupRecord } from "../../operations/backup-record.ts";
import { listBackups } from "../../operations/backup-record.ts";
import type { Cli } from "../cli.ts";
import { size, time } from "../format.ts";
import { printList } from "../output.ts";

export async function run(cli: Cli): Promise<number> {
  const backups = await listBackups(cli.dataDir);
  await printList<BackupRecord & { readonly isThere: boolean }>(cli, {
    columns: [
      { head: "MADE", value: ({ createdAt }) => time(createdAt) },
      { head: "SIZE", value: ({ bytes }) => String(bytes), short: ({ bytes }) => size(bytes), align: "right" },
      { head: "RUNS", value: ({ runs }) => String(runs), align: "right" },
      { head: "KEYS", value: ({ keys }) => (keys ? "private" : "public") },
      { head: "FILE", value: ({ path, isThere }) => (isThere ? path : `${path} (not there)`), flexible: true },
      { head: "SHA256", value: ({ sha256 }) => sha256, wide: true },
    ],
    rows: backups,
    name: ({ path }) => path,
    answer: { apiVersion: "maestro/v1", kind: "BackupList" },
    member: "backups",
    empty: "No backup was made of this data directory yet: maestro backup create --to DIR",
  });
  return 0;
}
