import type { RunRow } from "../store/store.ts";
import type { Cli } from "./cli.ts";
import type { Client } from "./client.ts";
import { shortId } from "./format.ts";
import { isData, printLines, printObject } from "./output.ts";
import { API_VERSION } from "../api/respond.ts";
import { shownRun } from "./terminal/style.ts";

/** After a change was recorded: the run's row for programs, a sentence and the next command for people. */
export async function printChanged(cli: Cli, client: Client, row: RunRow, done: string): Promise<void> {
  if (isData(cli)) await printObject(cli, { apiVersion: API_VERSION, kind: "Run", run: row });
  else if (!cli.terminal.outIsTty || cli.output === "name")
    await printLines(cli, [cli.output === "name" ? row.id : [row.id, row.status].join("\t")]);
  const id = shortId(row.id);
  cli.terminal.say(`${id} ${done}; ${shownRun(row)}`);
  if (client.isEngine && row.endedAt === null)
    cli.terminal.say(`no engine is running on this data directory: \`maestro watch ${id}\` carries the run on`);
}
