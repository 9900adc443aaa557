import type { PassReport } from "../../operations/retention.ts";
import type { Cli, Input } from "../cli.ts";
import { count, duration, size } from "../format.ts";
import { isData, printLines, printObject } from "../output.ts";

export async function run(cli: Cli, input: Input): Promise<number> {
  const client = await cli.connect("look");
  try {
    const dryRun = input.flag("dry-run") === true;
    const report = await client.send<PassReport>("POST", "/v1/retention/passes", { dryRun });
    if (isData(cli)) await printObject(cli, report);
    else await printLines(cli, passLines(report));
    return 0;
  } finally {
    await client.close();
  }
}

/** One line for each kind of thing that went, or would. */
export function passLines(report: PassReport): readonly string[] {
  const { removed, dryRun, held, needed } = report;
  const verb = dryRun ? "would remove" : "removed";
  const lines = [
    [removed.logs, `logs of ${count(removed.logs, "run")}`],
    [removed.artifacts, `artifacts of ${count(removed.artifacts, "run")}`],
    [removed.events, `history of ${count(removed.events, "run")}`],
    [removed.receipts, `receipts of ${count(removed.receipts, "run")}, and with them the runs`],
    [removed.work, `what attempts left behind in ${count(removed.work, "work folder")}`],
    [removed.cached, count(removed.cached, "cached result")],
    [removed.blobs, `${count(removed.blobs, "blob")} that nothing refers to: ${size(removed.blobBytes)}`],
    [removed.fileBytes, `${size(removed.fileBytes)} of logs and work folders`],
  ] as const;
  const shown = lines.filter(([amount]) => amount > 0).map(([, text]) => `${verb}  ${text}`);
  return [
    ...(shown.length === 0 ? ["nothing has had its time"] : shown),
    ...(held > 0 ? [`kept  ${count(held, "run")} under a legal hold`] : []),
    ...(needed > 0 ? [`kept  ${count(needed, "run")} that a run at work may still ask for`] : []),
    ...(dryRun ? [] : [`took  ${duration(report.endedAt - report.startedAt)}`]),
  ];
}
