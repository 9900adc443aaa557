import { constants, setPriority } from "node:os";
import { join, resolve } from "node:path";
import { schemaVersion } from "../../store/migrate.ts";
import { VERSION } from "../../version.ts";
import type { Cli, Input } from "../cli.ts";
import { count, size } from "../format.ts";
import { isData, printLines, printObject } from "../output.ts";

export async function run(cli: Cli, input: Input): Promise<number> {
  const { createBackup } = await import("../../operations/backup.ts");
  const to = input.text("to");
  giveWay();
  const record = await createBackup({
    dataDir: cli.dataDir,
    to: to === undefined ? join(cli.dataDir, "backups") : resolve(cli.cwd, to),
    keys: input.flag("with-keys") === true,
    logs: input.flag("logs") !== false,
    version: VERSION,
    schema: schemaVersion(),
    now: Date.now(),
  });
  if (isData(cli)) {
    await printObject(cli, { apiVersion: "maestro/v1", kind: "Backup", ...record });
    return 0;
  }
  await printLines(cli, [record.path]);
  const { terminal } = cli;
  terminal.say(
    `${count(record.runs, "run")}, ${count(record.members, "file")}, ${size(record.bytes)} (${size(record.unpacked)} unpacked)`,
  );
  if (record.missing > 0)
    terminal.say(
      `warning: ${count(record.missing, "blob")} that the history refers to ${record.missing === 1 ? "is" : "are"} not in the data directory`,
    );
  if (record.keys) terminal.say("with the private signing key: whoever has this file can sign as this installation");
  else terminal.say("without the private signing key; a restore makes a new one (--with-keys takes it along)");
  if (to === undefined) terminal.say("on the same disk as the data: copy it elsewhere, or name another disk with --to");
  terminal.say(`  next     maestro backup verify ${record.path}`);
  return 0;
}

/** An engine beside it goes first. */
function giveWay(): void {
  try {
    setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // Some sandboxes forbid it; the backup is as good.
  }
}
