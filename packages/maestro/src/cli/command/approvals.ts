import { setTimeout as sleep } from "node:timers/promises";
import type { ApprovalRow } from "../../store/store.ts";
import type { Cli, Input } from "../cli.ts";
import type { Client } from "../client.ts";
import { ago, duration, shortDigest, shortId, time } from "../format.ts";
import { printList } from "../output.ts";

const WATCH_MS = 2000;

export async function run(cli: Cli, input: Input): Promise<number> {
  // Who looks for long is an engine meanwhile; else it would keep others from being one.
  const client = await cli.connect(input.flag("watch") === true ? "work" : "look");
  try {
    await printApprovals(cli, client, input.optionalArg("run"));
    while (input.flag("watch") === true) {
      await sleep(WATCH_MS);
      if (cli.terminal.outIsTty) await cli.terminal.write("\x1b[H\x1b[J");
      await printApprovals(cli, client, input.optionalArg("run"));
    }
    return 0;
  } finally {
    await client.close();
  }
}

async function printApprovals(cli: Cli, client: Client, ofRun: string | undefined): Promise<void> {
  const answer = await client.get<{ readonly approvals: readonly ApprovalRow[] }>("/v1/approvals", { run: ofRun });
  const now = Date.now();
  await printList<ApprovalRow>(cli, {
    columns: [
      { head: "APPROVAL", value: (row) => row.id, short: (row) => shortId(row.id) },
      { head: "RUN", value: (row) => row.run, short: (row) => shortId(row.run) },
      { head: "TASK", value: (row) => row.task, flexible: true },
      { head: "WORKFLOW", value: (row) => `${row.namespace}/${row.workflow}`, flexible: true },
      { head: "NEEDS", value: (row) => `${row.count}${row.roles.length === 0 ? "" : ` of ${row.roles.join(",")}`}` },
      { head: "BY", value: (row) => row.requestedBy },
      { head: "WAITS", value: (row) => time(row.requestedAt), short: (row) => ago(now - row.requestedAt) },
      { head: "EXPIRES", value: (row) => time(row.expiresAt), short: (row) => `in ${duration(row.expiresAt - now)}` },
      { head: "PLAN", value: (row) => row.planDigest, short: (row) => shortDigest(row.planDigest) },
      { head: "MESSAGE", value: (row) => row.message, flexible: true },
    ],
    rows: answer.approvals,
    name: (row) => row.id,
    answer,
    member: "approvals",
    empty: "Nothing waits for an approval.",
  });
}
