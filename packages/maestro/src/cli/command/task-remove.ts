import type { Cli, Input } from "../cli.ts";
import { isData, printLines, printObject } from "../output.ts";

export async function run(cli: Cli, input: Input): Promise<number> {
  const client = await cli.connect("look");
  try {
    const name = input.arg("name");
    const answer = await client.send<{ readonly name: string }>(
      "POST",
      `/v1/tasks/${encodeURIComponent(name)}/remove`,
      {},
    );
    if (isData(cli)) await printObject(cli, answer);
    else await printLines(cli, [answer.name]);
    return 0;
  } finally {
    await client.close();
  }
}
