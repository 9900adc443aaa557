import { leafDigest, type Digest } from "../../core/digest.ts";
import { isJsonObject } from "../../core/json.ts";
import { isEqual, rootFromInclusion } from "../../core/merkle.ts";
import { parseStrict } from "../../core/strict-json.ts";
import { CheckFailed, type Ladder } from "../ladder.ts";
import type { ReceiptClaims } from "../receipt-reader.ts";
import type { TrustRoot } from "../trust.ts";
import { readCheckpoint } from "./checkpoint.ts";
import { logKeys, originOf } from "./log-key.ts";
import { endorsements, readNote } from "./note.ts";
import { readProof } from "./proof.ts";

/**
 * The receipt is in the ledger of the installation that sealed it. The proof brings the entry along; that the entry is
 * the ledger's follows from the signed root, and that it is about this receipt from its digest. Gives the checkpoint.
 */
export function checkLedger(
  ladder: Ladder,
  receipt: { readonly claims: ReceiptClaims; readonly digest: Digest },
  trustRoot: TrustRoot,
  proof: string | undefined,
): string | undefined {
  if (proof === undefined) {
    ladder.skip("ledger", "no proof of the ledger was given");
    return undefined;
  }
  return ladder.check("ledger", () => {
    const { extra, index, hashes, checkpoint } = readProof(proof);
    if (extra === undefined) throw new CheckFailed("the proof does not bring its entry along");
    const { origin, size, root } = readSigned(checkpoint, receipt.claims, trustRoot);
    const computed = rootFromInclusion(leafDigest(extra), { index, size }, hashes);
    if (computed === undefined || !isEqual(computed, root))
      throw new CheckFailed(`the entry is not the one at place ${index} of the ${size} that were signed`);
    const about = digestIn(extra);
    if (about !== receipt.digest)
      throw new CheckFailed(`the entry is about ${about ?? "something else"}, this is ${receipt.digest}`);
    return { value: checkpoint, detail: `entry ${index} of ${size} in ${origin}` };
  });
}

function readSigned(note: string, claims: ReceiptClaims, trustRoot: TrustRoot): ReturnType<typeof readCheckpoint> {
  const read = readNote(note);
  const checkpoint = readCheckpoint(read.text);
  const origin = originOf(claims.builder);
  if (checkpoint.origin !== origin)
    throw new CheckFailed(`the ledger is that of ${checkpoint.origin}, the receipt was sealed by ${origin}`);
  if (endorsements(read, logKeys(trustRoot)).length === 0)
    throw new CheckFailed("no key of the trust root signed the ledger's checkpoint");
  return checkpoint;
}

function digestIn(entry: Buffer): string | undefined {
  const event = parseStrict(entry.toString("utf8"));
  const data = isJsonObject(event) ? event["data"] : undefined;
  const digest = isJsonObject(data) ? data["digest"] : undefined;
  return typeof digest === "string" ? digest : undefined;
}
