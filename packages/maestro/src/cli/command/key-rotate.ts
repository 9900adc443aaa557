import { API_VERSION } from "../../api/respond.ts";
import { rotateInstallationKey } from "../../provenance/rotate.ts";
import type { Cli } from "../cli.ts";
import { isData, printLines, printObject } from "../output.ts";

export async function run(cli: Cli): Promise<number> {
  const passphrase = cli.terminal.env["MAESTRO_KEY_PASSPHRASE"];
  const { current, retired, trustRoot } = await rotateInstallationKey({
    dataDir: cli.dataDir,
    now: Date.now(),
    ...(passphrase === undefined ? {} : { passphrase }),
  });
  if (isData(cli)) {
    const facts = { keyid: current.keyid, fingerprint: current.fingerprint, retired: retired.keyid, trustRoot };
    await printObject(cli, { apiVersion: API_VERSION, kind: "KeyRotation", ...facts });
    return 0;
  }
  await printLines(cli, [current.fingerprint]);
  cli.terminal.say(`signs from now on; ${retired.fingerprint} is retired, and its receipts stay verifiable`);
  cli.terminal.say(`  next     hand out ${trustRoot} to whoever verifies receipts`);
  return 0;
}
