import type { RunRow } from "../../store/store.ts";
import type { Cli, Input } from "../cli.ts";
import { durationOption } from "../follow-options.ts";
import { finish, printRef } from "../outcome.ts";
import { watchRun } from "../watch-run.ts";

export async function run(cli: Cli, input: Input): Promise<number> {
  const timeoutMs = durationOption(input, "timeout");
  // Its `finally` tasks must run, so an engine of our own has to work until it has ended.
  const client = await cli.connect("work");
  try {
    const { run: row } = await client.send<{ readonly run: RunRow }>(
      "PATCH",
      `/v1/runs/${encodeURIComponent(input.arg("run"))}`,
      {
        action: "cancel",
        reason: input.text("reason"),
        ...(input.flag("force") === true ? { force: true } : {}),
      },
    );
    if (input.flag("wait") === false && row.endedAt === null) {
      await printRef(cli, row.id, undefined);
      return 0;
    }
    const ending = await watchRun(cli, client, row.id, {
      detach: false,
      quiet: true,
      stopAtApproval: false,
      timeoutMs,
      cancelOnInterrupt: false,
    });
    const code = await finish(cli, client, row.id, ending);
    // What was asked for is that it ends; that it did so as cancelled is a success here.
    return ending.kind === "ended" && ending.interrupted === undefined ? 0 : code;
  } finally {
    await client.close();
  }
}
