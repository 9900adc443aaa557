import type { Hash } from "../../core/merkle.ts";
import { readHash, readSize } from "../ledger/checkpoint.ts";

/** What a log sends to a witness (c2sp.org/tlog-witness): its newest checkpoint, and that it continues the one the witness has. */
export interface Submission {
  /** Entries of the checkpoint that the witness cosigned last; 0 for none. */
  readonly old: number;
  /** From that tree to the new one. */
  readonly proof: readonly Hash[];
  /** The signed note. */
  readonly checkpoint: string;
}

/** A tree of 2^63 leaves is that high. */
const MAX_HASHES = 63;

/** How a witness says of how many entries it knows. */
export const SIZE_TYPE = "text/x.tlog.size";

export function writeSubmission({ old, proof, checkpoint }: Submission): string {
  const hashes = proof.map((hash) => `${Buffer.from(hash).toString("base64")}\n`);
  return `old ${old}\n${hashes.join("")}\n${checkpoint}`;
}

/** The inverse. Throws a SyntaxError that says what is wrong. */
export function readSubmission(text: string): Submission {
  const end = text.indexOf("\n\n");
  if (end < 0) throw new SyntaxError("no empty line parts the proof from the checkpoint");
  const [first = "", ...lines] = text.slice(0, end).split("\n");
  if (!first.startsWith("old ")) throw new SyntaxError("it does not begin with the old size");
  if (lines.length > MAX_HASHES) throw new SyntaxError(`it has more than ${MAX_HASHES} lines of proof`);
  return {
    old: readSize(first.slice("old ".length)),
    proof: lines.map((line) => readHash(line)),
    checkpoint: text.slice(end + 2),
  };
}
