import type { Cli, Input } from "../cli.ts";
import { printObject } from "../output.ts";
import { findTaskType } from "../task-type.ts";

export async function run(cli: Cli, input: Input): Promise<number> {
  const { name, version, input: takes, output: gives } = findTaskType(input.arg("name"));
  await printObject(cli.output === "yaml" ? cli : { ...cli, output: "json" }, {
    name,
    version,
    input: takes,
    output: gives,
  });
  return 0;
}
