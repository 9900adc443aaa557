import { answerApproval } from "../answer-approval.ts";
import type { Cli, Input } from "../cli.ts";

export function run(cli: Cli, input: Input): Promise<number> {
  return answerApproval(cli, input, "approve");
}
