import { EXIT_CODES } from "../../core/problem.ts";
import type { ReplayReport } from "../../engine/replay-run.ts";
import type { Cli, Input } from "../cli.ts";
import { count, shortDigest, shortId } from "../format.ts";
import { isData, printLines, printObject } from "../output.ts";
import { glyph } from "../terminal/style.ts";
import { safe } from "../terminal/text.ts";

export async function run(cli: Cli, input: Input): Promise<number> {
  const client = await cli.connect("look");
  try {
    const report = await client.get<ReplayReport>(`/v1/runs/${encodeURIComponent(input.arg("run"))}/replay`);
    if (isData(cli)) await printObject(cli, report);
    else await printLines(cli, cli.output === "name" ? [report.run] : reportLines(cli, report));
    return report.equal ? 0 : EXIT_CODES.verification;
  } finally {
    await client.close();
  }
}

function reportLines(cli: Cli, { run: id, events, equal, head, difference }: ReplayReport): readonly string[] {
  const mark = glyph(cli.terminal.out, equal ? "succeeded" : "failed");
  const verdict = equal
    ? `decided again, ${count(events, "event")} came out the same`
    : `decided again, the history came out differently`;
  return [
    `${mark} ${shortId(id)}  ${verdict}  head ${shortDigest(head)}`,
    ...(difference === null ? [] : [`  ${safe(difference)}`]),
  ];
}
