import { API_VERSION } from "../../api/respond.ts";
import { rotateToken, tokenPath } from "../../api/token.ts";
import type { Cli } from "../cli.ts";
import { isData, printLines, printObject } from "../output.ts";

export async function run(cli: Cli): Promise<number> {
  const file = tokenPath(cli.dataDir);
  await rotateToken(file);
  if (isData(cli)) await printObject(cli, { apiVersion: API_VERSION, kind: "TokenRotation", file });
  else await printLines(cli, [file]);
  cli.terminal.say(
    "holds a new token; a server that is up takes it within a second, and refuses the old one from then on",
  );
  return 0;
}
