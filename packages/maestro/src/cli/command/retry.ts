import type { RunRow } from "../../store/store.ts";
import type { Cli, Input } from "../cli.ts";
import { followOptions } from "../follow-options.ts";
import { stayWith } from "./run.ts";

export async function run(cli: Cli, input: Input): Promise<number> {
  const follow = followOptions(input);
  const tasks = input.texts("task");
  const client = await cli.connect("work");
  try {
    const path = `/v1/runs/${encodeURIComponent(input.arg("run"))}`;
    const { run: row } = await client.send<{ readonly run: RunRow }>("PATCH", path, {
      action: "retry",
      ...(tasks.length === 0 ? {} : { tasks }),
    });
    return await stayWith(cli, client, row, follow);
  } finally {
    await client.close();
  }
}
