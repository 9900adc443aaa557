import { shortDigest } from "../format.ts";
import type { Cli } from "../cli.ts";
import { isData, printLines, printObject } from "../output.ts";

interface Reloaded {
  readonly engine: string;
  readonly before: string;
  readonly after: string;
  readonly restart: readonly string[];
}

export async function run(cli: Cli): Promise<number> {
  const client = await cli.connect("look");
  try {
    const answer = await client.send<Reloaded & Readonly<Record<string, unknown>>>("POST", "/v1/policy/reload", {});
    if (isData(cli)) await printObject(cli, answer);
    else await printLines(cli, [`${answer.engine} ${answer.after}`]);
    if (client.isEngine) cli.terminal.say("No control plane is up here; the next one reads this policy.");
    else if (answer.before === answer.after) cli.terminal.say("It is the policy that was in force before.");
    else cli.terminal.say(`It is in force now, in place of ${shortDigest(answer.before)}.`);
    if (answer.restart.length > 0)
      cli.terminal.say(`Waits until the control plane is started again: ${answer.restart.join(", ")}.`);
    return 0;
  } finally {
    await client.close();
  }
}
