import { MaestroError } from "../../core/problem.ts";
import type { Cli, Input } from "../cli.ts";
import { readConfig } from "../config-file.ts";
import { readKey, valueOf } from "../config-key.ts";
import { isData, printLines, printObject } from "../output.ts";

export async function run(cli: Cli, input: Input): Promise<number> {
  const key = input.arg("key");
  const config = readConfig(cli.terminal.env);
  const value = valueOf(config, readKey(key));
  if (value === undefined)
    throw new MaestroError("not_found", `${key} is not set in ${config.path}.`, {
      fix: `Set it with \`maestro config set ${key} VALUE\`.`,
    });
  if (isData(cli)) await printObject(cli, { apiVersion: "maestro/v1", kind: "ConfigValue", key, value });
  else await printLines(cli, [value]);
  return 0;
}
