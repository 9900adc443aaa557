import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { isConsistent } from "../../core/merkle.ts";
import { MaestroError } from "../../core/problem.ts";
import { readCheckpoint } from "../../provenance/ledger/checkpoint.ts";
import type { Checkpoint } from "../../provenance/ledger/checkpoint.ts";
import { logKeys } from "../../provenance/ledger/log-key.ts";
import { endorsements, readNote, writeNoteKey } from "../../provenance/ledger/note.ts";
import { tilePath, tilesOf } from "../../provenance/ledger/tile.ts";
import { readTrustRoot } from "../../provenance/trust.ts";
import { usage } from "../cli.ts";
import type { Cli, Input } from "../cli.ts";
import type { Client } from "../client.ts";
import { textOf } from "../client.ts";
import { time } from "../format.ts";
import { isData, printLines, printList, printObject } from "../output.ts";

interface Entry {
  readonly place: number;
  readonly kind: string;
  readonly run: string | null;
  /** The CloudEvent. */
  readonly event: {
    readonly time: string;
    readonly data: {
      readonly action?: string;
      readonly allow?: boolean;
      readonly task?: string;
      readonly digest?: string;
    };
  };
}

export async function run(cli: Cli, input: Input): Promise<number> {
  const verify = input.flag("verify") === true;
  const to = input.text("export");
  if (verify && to !== undefined) throw usage("--verify and --export are two commands: give one of them.");
  const client = await cli.connect("look");
  try {
    if (input.flag("key") === true) return await printKeys(cli, client);
    const older = input.text("checkpoint");
    if (older !== undefined && !verify) throw usage("--checkpoint goes with --verify.");
    if (verify && older !== undefined) return await compareWith(cli, client, older);
    if (verify) return await check(cli, client);
    if (to !== undefined) return await exportTo(cli, client, to);
    return await list(cli, client, input);
  } finally {
    await client.close();
  }
}

/** The current one last, as the trust root has them. */
async function printKeys(cli: Cli, client: Client): Promise<number> {
  const trustRoot = readTrustRoot(textOf((await client.read("/v1/trust-root")).bytes), "the trust root");
  const keys = logKeys(trustRoot).map((key) => writeNoteKey(key));
  if (isData(cli)) await printObject(cli, { apiVersion: "maestro/v1", kind: "LedgerKeys", keys });
  else await printLines(cli, keys);
  return 0;
}

async function check(cli: Cli, client: Client): Promise<number> {
  const answer = await client.get<{ readonly size: number; readonly root: string; readonly signedAt: number }>(
    "/v1/ledger/check",
  );
  if (isData(cli)) await printObject(cli, answer);
  else {
    const { size, root, signedAt } = answer;
    await cli.terminal.write(
      `✓ the ledger is the one that was signed at ${time(signedAt)}: ${size} entries, root ${root}\n`,
    );
  }
  return 0;
}

/** Whether the ledger still begins with what somebody kept of it. Errors: `ledger_broken`. */
async function compareWith(cli: Cli, client: Client, file: string): Promise<number> {
  const trustRoot = readTrustRoot(textOf((await client.read("/v1/trust-root")).bytes), "the trust root");
  const read = (note: string, where: string): Checkpoint => {
    try {
      const parsed = readNote(note);
      if (endorsements(parsed, logKeys(trustRoot)).length === 0)
        throw new SyntaxError("this ledger's key did not sign it");
      return readCheckpoint(parsed.text);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      throw usage(`${where} is no checkpoint of this ledger: ${error.message}.`);
    }
  };
  const older = read(await readFile(resolve(cli.cwd, file), "utf8"), file);
  const newest = read(textOf((await client.read("/ledger/checkpoint")).bytes), "the newest checkpoint");
  if (older.size > newest.size)
    throw rewritten(`It has ${newest.size} entries, and ${file} was signed for ${older.size}.`, older, newest);
  const answer = await client.get<{ readonly hashes: readonly string[]; readonly checkpoint: string }>(
    "/v1/ledger/consistency",
    { from: older.size },
  );
  const now = read(answer.checkpoint, "the newest checkpoint");
  if (
    !isConsistent(
      older,
      now,
      answer.hashes.map((hash) => Buffer.from(hash, "base64")),
    )
  )
    throw rewritten(`Its first ${older.size} entries are not those that ${file} was signed for.`, older, now);
  if (isData(cli))
    await printObject(cli, { apiVersion: "maestro/v1", kind: "LedgerContinuation", from: older.size, size: now.size });
  else await cli.terminal.write(`✓ the ledger of ${now.size} entries begins with the ${older.size} of ${file}\n`);
  return 0;
}

function rewritten(detail: string, older: Checkpoint, newest: Checkpoint): MaestroError {
  return new MaestroError("ledger_broken", `The ledger was rewritten. ${detail}`, {
    facts: { from: older.size, size: newest.size },
    fix: "Keep both checkpoints: two signatures that cannot both be true. A restored backup does this openly; otherwise find out who has the signing key.",
  });
}

/** The ledger as a folder of static files, which is what a server of it would serve (c2sp.org/tlog-tiles). */
async function exportTo(cli: Cli, client: Client, to: string): Promise<number> {
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

async function list(cli: Cli, client: Client, input: Input): Promise<number> {
  const run = input.text("run");
  const limit = input.integer("limit", { min: 1, max: 1_000 }) ?? 100;
  const from = input.integer("from", { min: 0, max: 999_999_999_999_999 });
  const answer = await client.get<{ readonly entries: readonly Entry[] }>("/v1/ledger/entries", {
    limit,
    ...(from === undefined ? {} : { cursor: from }),
    ...(run === undefined ? {} : { run: await fullId(client, run) }),
  });
  await printList<Entry>(cli, {
    columns: [
      { head: "PLACE", value: ({ place }) => String(place) },
      { head: "TIME", value: ({ event }) => time(Date.parse(event.time)) },
      { head: "KIND", value: ({ kind }) => kind },
      { head: "RUN", value: ({ run: about }) => about ?? "" },
      { head: "WHAT", value: ({ event }) => whatOf(event), flexible: true },
    ],
    rows: answer.entries,
    name: ({ place }) => String(place),
    answer,
    member: "entries",
    empty: "The ledger is empty: run something.",
  });
  return 0;
}

async function fullId(client: Client, reference: string): Promise<string> {
  const { run } = await client.get<{ readonly run: { readonly id: string } }>(
    `/v1/runs/${encodeURIComponent(reference)}`,
  );
  return run.id;
}

function whatOf({ data }: Entry["event"]): string {
  const { action, allow, digest, task } = data;
  if (action === undefined) return digest ?? "";
  return `${allow === true ? "allowed" : "denied"} ${action}${task === undefined ? "" : ` of ${task}`}`;
}
