import { resolve } from "node:path";
import { restoreBackup } from "../../operations/restore.ts";
import { openStore } from "../../serve.ts";
import type { Cli, Input } from "../cli.ts";
import { count, time } from "../format.ts";
import { isData, printLines, printObject } from "../output.ts";

export async function run(cli: Cli, input: Input): Promise<number> {
  const to = input.text("to");
  const target = to === undefined ? cli.dataDir : resolve(cli.cwd, to);
  const passphrase = cli.terminal.env["MAESTRO_KEY_PASSPHRASE"];
  const { manifest, checked, newKey } = await restoreBackup({
    file: resolve(cli.cwd, input.arg("file")),
    to: target,
    now: Date.now(),
    openStore,
    ...(passphrase === undefined ? {} : { passphrase }),
  });
  if (isData(cli)) {
    await printObject(cli, { apiVersion: "maestro/v1", kind: "Restored", dataDir: target, manifest, checked, newKey });
    return 0;
  }
  await printLines(cli, [target]);
  const { terminal } = cli;
  terminal.say(`${count(checked.runs, "run")} as of ${time(manifest.createdAt)}, every history whole and chained`);
  if (newKey !== null) {
    terminal.say(`a new signing key was made, ${newKey}; receipts of the old one still verify`);
    terminal.say(`  next     hand out ${target}/keys/trust-root.json to whoever verifies receipts`);
  }
  terminal.say(
    "The first engine that starts on it carries on what was at work. Let no engine start on the original any more:",
  );
  terminal.say("each would do the same steps, and the lock of one folder knows nothing of the other.");
  return 0;
}
