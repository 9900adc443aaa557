import { API_VERSION } from "../../api/respond.ts";
import { rotateWorkloadKeyOf } from "../../identity/rotate.ts";
import { rotateInstallationKey } from "../../provenance/rotate.ts";
import { usage } from "../cli.ts";
import type { Cli, Input } from "../cli.ts";
import { isData, printLines, printObject } from "../output.ts";

export async function run(cli: Cli, input: Input): Promise<number> {
  const secret = cli.terminal.env["MAESTRO_KEY_PASSPHRASE"];
  const options = {
    dataDir: cli.dataDir,
    now: Date.now(),
    ...(secret === undefined ? {} : { passphrase: secret }),
  };
  const atOnce = input.flag("now") === true;
  if (input.flag("workload") === true) return workload(cli, { ...options, atOnce });
  if (atOnce) throw usage("--now goes with --workload: the key of receipts changes at once anyway.");
  const { current, retired, trustRoot } = await rotateInstallationKey(options);
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

async function workload(cli: Cli, options: Parameters<typeof rotateWorkloadKeyOf>[0]): Promise<number> {
  const { made, retired } = await rotateWorkloadKeyOf(options);
  const signsFrom = new Date(made.signsFrom).toISOString();
  if (isData(cli)) {
    const facts = { kid: made.kid, signsFrom, retired: retired.map(({ kid }) => kid) };
    await printObject(cli, { apiVersion: API_VERSION, kind: "WorkloadKeyRotation", ...facts });
    return 0;
  }
  await printLines(cli, [made.kid]);
  const old = retired.map(({ kid }) => kid).join(", ");
  cli.terminal.say(
    options.atOnce
      ? `signs tokens from now on; ${old} and its tokens count for nothing any more`
      : `signs tokens from ${signsFrom} on; until then ${old} does, which stays published until its last token has ended`,
  );
  return 0;
}
