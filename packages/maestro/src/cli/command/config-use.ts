import { MaestroError } from "../../core/problem.ts";
import { suggest } from "../../core/suggest.ts";
import type { Cli, Input } from "../cli.ts";
import { changeConfig, readConfig } from "../config-file.ts";

export async function run(cli: Cli, input: Input): Promise<number> {
  const name = input.arg("context");
  const { path, contexts } = readConfig(cli.terminal.env);
  if (!Object.hasOwn(contexts, name)) {
    const near = suggest(name, Object.keys(contexts));
    throw new MaestroError(
      "not_found",
      `There is no context ${name} in ${path}.${near === undefined ? "" : ` Did you mean ${near}?`}`,
      {
        fix: `Make it with \`maestro config set contexts.${name}.server URL\`.`,
      },
    );
  }
  await changeConfig(path, ["current"], name);
  cli.terminal.say(`${name} is the current context`);
  return 0;
}
