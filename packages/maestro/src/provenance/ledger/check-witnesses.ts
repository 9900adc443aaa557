import { CheckFailed, type Ladder } from "../ladder.ts";
import type { CheckTimestamp } from "../timestamp/verify.ts";
import type { TrustRoot } from "../trust.ts";
import { logKeys } from "./log-key.ts";
import { endorsements, readNote } from "./note.ts";
import type { NoteKey } from "./note.ts";

/** Whose word counts beside the installation's own. */
export interface WitnessPolicy {
  readonly keys: readonly NoteKey[];
  /** So many of them must stand under the checkpoint. */
  readonly quorum: number;
}

export interface TimestampProof {
  /** RFC 3161, DER. */
  readonly reply: Uint8Array;
  readonly check: CheckTimestamp;
}

/** Enough witnesses saw the tree that the proof leads to: whoever rewrites the ledger would have to rewrite theirs. */
export function checkWitnesses(
  ladder: Ladder,
  checkpoint: string | undefined,
  policy: WitnessPolicy | undefined,
): void {
  if (policy === undefined || policy.keys.length === 0) {
    ladder.skip("witnesses", "no key of a witness was given");
    return;
  }
  ladder.check("witnesses", () => {
    const { keys, quorum } = policy;
    if (checkpoint === undefined) throw new CheckFailed("without a proof of the ledger no witness can stand under it");
    const times = new Map(endorsements(readNote(checkpoint), keys).map(({ key, time = 0 }) => [key, time]));
    const said = `${times.size} of ${keys.length} witnesses cosigned it`;
    if (times.size < quorum) throw new CheckFailed(`${said}, and ${quorum} are wanted`);
    const last = new Date(Math.max(...times.values()) * 1000).toISOString();
    return { value: undefined, detail: `${said}, the last at ${last}` };
  });
}

/** An authority saw the checkpoint, so the receipt is no younger. */
export function checkTimestamp(
  ladder: Ladder,
  checkpoint: string | undefined,
  trustRoot: TrustRoot,
  timestamp: TimestampProof | undefined,
): void {
  if (timestamp === undefined) {
    ladder.skip("timestamp", "no timestamp, or no certificate of an authority, was given");
    return;
  }
  ladder.check("timestamp", () => {
    if (checkpoint === undefined) throw new CheckFailed("without a proof of the ledger nothing was timestamped");
    const { at, authority } = timestamp.check(timestamp.reply, Buffer.from(asSigned(checkpoint, trustRoot)));
    return { value: undefined, detail: `in the ledger by ${new Date(at).toISOString()}, says ${authority}` };
  });
}

/** The note as the log made it, without what others put under it since. */
function asSigned(note: string, trustRoot: TrustRoot): string {
  const { text } = readNote(note);
  const keys = logKeys(trustRoot);
  const lines = note.slice(text.length + 1).split("\n");
  const own = lines.find((line) => line !== "" && endorsements(readNote(`${text}\n${line}\n`), keys).length > 0);
  if (own === undefined) throw new CheckFailed("no key of the trust root signed the ledger's checkpoint");
  return `${text}\n${own}\n`;
}
