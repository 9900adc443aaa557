import { usage } from "../cli.ts";
import type { Cli, Input } from "../cli.ts";
import { SHELLS } from "../complete-words.ts";
import { COMPLETION_SCRIPTS } from "../completion-script.ts";
import { suggest } from "../../core/suggest.ts";

export async function run(cli: Cli, input: Input): Promise<number> {
  const given = input.arg("shell");
  const shell = SHELLS.find((one) => one === given);
  if (shell === undefined) {
    const near = suggest(given, SHELLS);
    throw usage(
      `There is completion for ${SHELLS.join(", ")}, not for ${JSON.stringify(given)}.${near === undefined ? "" : ` Did you mean ${near}?`}`,
    );
  }
  await cli.terminal.write(COMPLETION_SCRIPTS[shell]);
  return 0;
}
