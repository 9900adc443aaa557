import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { readCheckpoint } from "../provenance/ledger/checkpoint.ts";
import { readNote } from "../provenance/ledger/note.ts";
import { tilePath, tilesOf } from "../provenance/ledger/tile.ts";
import type { Cli } from "./cli.ts";
import type { Client } from "./client.ts";
import { textOf } from "./client.ts";
import { isData, printObject } from "./output.ts";

/** The ledger as a folder of static files, which is what a server of it would serve (c2sp.org/tlog-tiles). */
export async function exportTiles(cli: Cli, client: Client, to: string): Promise<number> {
  const folder = resolve(cli.cwd, to);
  const { bytes: checkpoint } = await client.read("/ledger/checkpoint");
  const { size } = readCheckpoint(readNote(textOf(checkpoint)).text);
  for (const tile of tilesOf(size)) {
    const path = tilePath(tile);
    const { bytes } = await client.read(`/ledger/${path}`);
    await mkdir(join(folder, dirname(path)), { recursive: true });
    await writeFile(join(folder, path), bytes);
  }
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "trust-root.json"), (await client.read("/v1/trust-root")).bytes);
  // Last: what it speaks of is there.
  await writeFile(join(folder, "checkpoint"), checkpoint);
  const from = relative(cli.cwd, folder) || ".";
  if (isData(cli)) await printObject(cli, { apiVersion: "maestro/v1", kind: "LedgerExport", folder: from, size });
  else cli.terminal.say(`wrote the ledger, ${size} entries, to ${from}`);
  return 0;
}
