import { EXIT_CODES } from "../../core/problem.ts";
import type { Cli, Input } from "../cli.ts";
import { isData, printLines, printObject } from "../output.ts";
import { questionBody, sayUnknown } from "../policy-question.ts";
import type { PolicyAnswer } from "../policy-question.ts";

/** `yes` or `no`; exit code 0 or 3. */
export async function run(cli: Cli, input: Input): Promise<number> {
  const question = await questionBody(cli, input, input.arg("action"));
  const client = await cli.connect("look");
  try {
    const answer = await client.send<PolicyAnswer>("POST", "/v1/policy/questions", question);
    if (isData(cli)) await printObject(cli, answer);
    else {
      await printLines(cli, [answer.allow ? "yes" : "no"]);
      if (!answer.allow) cli.terminal.say(answer.explanation.sentence);
    }
    sayUnknown(cli, answer.unknown);
    return answer.allow ? 0 : EXIT_CODES.denied;
  } finally {
    await client.close();
  }
}
