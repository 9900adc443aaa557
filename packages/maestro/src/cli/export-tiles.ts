import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { MaestroError } from "../core/problem.ts";
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
  await writeStamp(client, folder);
  // Last: what it speaks of is there.
  await writeFile(join(folder, "checkpoint"), checkpoint);
  const from = relative(cli.cwd, folder) || ".";
  if (isData(cli)) await printObject(cli, { apiVersion: "maestro/v1", kind: "LedgerExport", folder: from, size });
  else cli.terminal.say(`wrote the ledger, ${size} entries, to ${from}`);
  return 0;
}

/** What an authority said about the time of a checkpoint, and that checkpoint as it was: the newest may not be the one. */
async function writeStamp(client: Client, folder: string): Promise<void> {
  try {
    const { bytes, headers } = await client.read("/ledger/checkpoint.tsr");
    const size = headers.get("maestro-ledger-size") ?? "";
    const { bytes: cosigned } = await client.read(`/ledger/checkpoint?size=${size}`);
    const note = textOf(cosigned);
    // The log's own signature comes first, and is all that was stamped beside the text.
    const end = note.indexOf("\n", note.lastIndexOf("\n\n") + 2) + 1;
    await writeFile(join(folder, "checkpoint.stamped"), note.slice(0, end));
    await writeFile(join(folder, "checkpoint.tsr"), bytes);
  } catch (error) {
    if (!(error instanceof MaestroError) || error.code !== "not_found") throw error;
  }
}
