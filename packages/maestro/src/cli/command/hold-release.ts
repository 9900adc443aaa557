import type { Hold } from "../../store/retention.ts";
import { usage } from "../cli.ts";
import type { Cli, Input } from "../cli.ts";
import { isData, printLines, printObject } from "../output.ts";

export async function run(cli: Cli, input: Input): Promise<number> {
  const reason = input.text("reason");
  if (reason === undefined || reason.trim() === "")
    throw usage("A release says why: --reason takes a text, which is recorded.");
  const client = await cli.connect("look");
  try {
    const path = `/v1/holds/${encodeURIComponent(input.arg("hold"))}/release`;
    const answer = await client.send<{ readonly hold: Hold }>("POST", path, { reason });
    if (isData(cli)) await printObject(cli, answer);
    else await printLines(cli, [answer.hold.id]);
    return 0;
  } finally {
    await client.close();
  }
}
