import { EXIT_CODES } from "../../core/problem.ts";
import { suggest } from "../../core/suggest.ts";
import { ROLES } from "../../identity/caller.ts";
import type { Cli, Input } from "../cli.ts";
import { explanationLines } from "../explanation-lines.ts";
import { isData, printLines, printObject } from "../output.ts";
import { asBody, readPolicyFiles } from "../policy-folder.ts";
import { questionBody, sayUnknown } from "../policy-question.ts";
import type { PolicyAnswer } from "../policy-question.ts";
import { safe } from "../terminal/text.ts";

/** Exit code 0 for an allow, 3 for a deny. */
export async function run(cli: Cli, input: Input): Promise<number> {
  const question = await questionBody(cli, input, input.text("action"));
  const folder = input.text("policy");
  const files = folder === undefined ? {} : { files: asBody(await readPolicyFiles(cli, folder)) };
  const client = await cli.connect("look");
  try {
    const answer = await client.send<PolicyAnswer>("POST", "/v1/policy/questions", { ...question, ...files });
    if (isData(cli)) await printObject(cli, answer);
    else await printLines(cli, explanationLines(answer.explanation, cli.terminal.out, false));
    for (const role of input.texts("role")) {
      const near = ROLES.some((known) => known === role) ? undefined : suggest(role, ROLES);
      if (near !== undefined)
        cli.terminal.say(`note: the default policy knows no role ${safe(role)}; did you mean ${near}?`);
    }
    sayUnknown(cli, answer.unknown);
    return answer.allow ? 0 : EXIT_CODES.denied;
  } finally {
    await client.close();
  }
}
