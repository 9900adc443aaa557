import { isConsistent } from "../core/merkle.ts";
import { MaestroError } from "../core/problem.ts";
import { readCheckpoint } from "../provenance/ledger/checkpoint.ts";
import type { Checkpoint } from "../provenance/ledger/checkpoint.ts";
import { logKeys } from "../provenance/ledger/log-key.ts";
import { endorsements, readNote } from "../provenance/ledger/note.ts";
import { readTrustRoot } from "../provenance/trust.ts";
import { usage } from "./cli.ts";
import type { Cli } from "./cli.ts";
import type { Client } from "./client.ts";
import { textOf } from "./client.ts";
import { readNamed } from "./named-file.ts";
import { isData, printObject } from "./output.ts";

/** Whether the ledger still begins with what somebody kept of it. Errors: `ledger_broken`. */
export async function compareWith(cli: Cli, client: Client, file: string): Promise<number> {
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
  const older = read(await readNamed(cli, file), file);
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
