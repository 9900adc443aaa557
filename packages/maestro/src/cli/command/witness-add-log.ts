import { resolve } from "node:path";
import { API_VERSION } from "../../api/respond.ts";
import { addLog } from "../../provenance/witness/folder.ts";
import type { Cli, Input } from "../cli.ts";
import { isData, printLines, printObject } from "../output.ts";
import { witnessFolder } from "../witness-folder.ts";

export async function run(cli: Cli, input: Input): Promise<number> {
  const { key, isNew } = addLog(resolve(cli.cwd, witnessFolder(input)), input.arg("vkey"));
  if (isData(cli)) await printObject(cli, { apiVersion: API_VERSION, kind: "WitnessedLog", origin: key.name, isNew });
  else await printLines(cli, [key.name]);
  cli.terminal.say(isNew ? "is witnessed from now on" : "was known already");
  return 0;
}
