import { resolve } from "node:path";
import { openStore } from "../../serve.ts";
import { verifyBackup } from "../../operations/verify-backup.ts";
import type { Cli, Input } from "../cli.ts";
import { count, size, time } from "../format.ts";
import { isData, printLines, printObject } from "../output.ts";

export async function run(cli: Cli, input: Input): Promise<number> {
  const file = resolve(cli.cwd, input.arg("file"));
  const { manifest, checked } = await verifyBackup(file, openStore);
  if (isData(cli)) {
    await printObject(cli, { apiVersion: "maestro/v1", kind: "BackupVerification", file, manifest, checked });
    return 0;
  }
  await printLines(cli, [
    `whole: ${count(manifest.members, "file")}, ${size(manifest.bytes)}, each as it was when it was made`,
    `made ${time(manifest.createdAt)} by version ${manifest.maestro}, schema ${manifest.schema}, ${manifest.keys ? "with" : "without"} the private signing key`,
    `${count(checked.runs, "run")}, ${count(checked.events, "event")}, ${count(checked.receipts, "receipt")}: every history is whole and chained`,
    ...(checked.removed > 0 ? [`the history of ${count(checked.removed, "run")} was removed by retention before`] : []),
    ...(manifest.missing > 0 ? [`${count(manifest.missing, "blob")} had been missing already when it was made`] : []),
  ]);
  return 0;
}
