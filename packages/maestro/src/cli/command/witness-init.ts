import { resolve } from "node:path";
import { API_VERSION } from "../../api/respond.ts";
import { writeNoteKey } from "../../provenance/ledger/note.ts";
import { makeWitness } from "../../provenance/witness/folder.ts";
import type { Cli, Input } from "../cli.ts";
import { isData, printLines, printObject } from "../output.ts";
import { witnessFolder } from "../witness-folder.ts";

export async function run(cli: Cli, input: Input): Promise<number> {
  const dir = resolve(cli.cwd, witnessFolder(input));
  const key = makeWitness(dir, input.arg("name"), cli.terminal.env["MAESTRO_KEY_PASSPHRASE"]);
  const vkey = writeNoteKey(key);
  if (isData(cli))
    await printObject(cli, { apiVersion: API_VERSION, kind: "Witness", name: key.name, vkey, folder: dir });
  else await printLines(cli, [vkey]);
  cli.terminal.say("is the witness's key: logs and verifiers need this line");
  cli.terminal.say("  next     `maestro witness add-log VKEY` for each log, then `maestro witness up`");
  return 0;
}
