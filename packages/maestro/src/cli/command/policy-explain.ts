import type { Explanation } from "../../policy/explanation.ts";
import type { Cli, Input } from "../cli.ts";
import { explanationLines } from "../explanation-lines.ts";
import { isData, printLines, printObject } from "../output.ts";

/** A decision by its id, or all that the policy said about a run. */
export async function run(cli: Cli, input: Input): Promise<number> {
  const what = input.arg("what");
  const task = input.optionalArg("task");
  const client = await cli.connect("look");
  try {
    const answer = what.startsWith("d_")
      ? await client.get<{ readonly explanation: Explanation }>(`/v1/policy/decisions/${encodeURIComponent(what)}`)
      : await client.get<{ readonly explanations: readonly Explanation[] }>(
          `/v1/runs/${encodeURIComponent(what)}/decisions`,
          task === undefined ? {} : { task },
        );
    if (isData(cli)) await printObject(cli, answer);
    else {
      const all = "explanation" in answer ? [answer.explanation] : answer.explanations;
      await printLines(
        cli,
        all.flatMap((one) => explanationLines(one, cli.terminal.out)),
      );
      if (all.length === 0) cli.terminal.say("The policy was not asked about this run.");
    }
    return 0;
  } finally {
    await client.close();
  }
}
