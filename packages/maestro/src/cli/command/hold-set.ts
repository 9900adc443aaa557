import type { Hold } from "../../store/retention.ts";
import { usage } from "../cli.ts";
import type { Cli, Input } from "../cli.ts";
import { isData, printLines, printObject } from "../output.ts";

export async function run(cli: Cli, input: Input): Promise<number> {
  const target = input.optionalArg("run");
  const namespace = input.text("namespace");
  const reason = input.text("reason");
  if ((target === undefined) === (namespace === undefined))
    throw usage("A hold is on either a run or a namespace: name a run, or give --namespace.");
  if (reason === undefined || reason.trim() === "")
    throw usage("A hold says why: --reason takes a text, which is recorded.");
  const client = await cli.connect("look");
  try {
    const body = { ...(target === undefined ? { namespace } : { run: target }), reason };
    const answer = await client.send<{ readonly hold: Hold }>("POST", "/v1/holds", body);
    if (isData(cli)) await printObject(cli, answer);
    else await printLines(cli, [answer.hold.id]);
    if (!isData(cli)) {
      cli.terminal.say(`holds ${answer.hold.kind} ${answer.hold.target}: nothing of it is removed`);
      cli.terminal.say(`  next     maestro hold release ${answer.hold.id} --reason TEXT`);
    }
    return 0;
  } finally {
    await client.close();
  }
}
