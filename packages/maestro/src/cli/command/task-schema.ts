import type { Cli, Input } from "../cli.ts";
import { printObject } from "../output.ts";
import { findTaskType } from "../task-type.ts";

export async function run(cli: Cli, input: Input): Promise<number> {
  const { name, version, input: takes, output: gives } = (await findTaskType(cli, input.arg("name"))).description;
  await printObject(cli.output === "yaml" ? cli : { ...cli, output: "json" }, {
    name,
    version,
    input: takes,
    output: gives,
  });
  return 0;
}
