import type { RunView } from "../../engine/engine.ts";
import type { Cli, Input } from "../cli.ts";
import { followOptions } from "../follow-options.ts";
import { exitCodeOf, finish, printOutcome } from "../outcome.ts";
import { watchRun } from "../watch-run.ts";

export async function run(cli: Cli, input: Input): Promise<number> {
  const follow = followOptions(input);
  const client = await cli.connect("work");
  try {
    const view = await client.get<RunView>(`/v1/runs/${encodeURIComponent(input.arg("run"))}`);
    if (view.run.endedAt !== null) {
      await printOutcome(cli, client, view);
      return exitCodeOf(view);
    }
    return await finish(cli, client, view.run.id, await watchRun(cli, client, view.run.id, follow));
  } finally {
    await client.close();
  }
}
