import type { Hash } from "../../core/merkle.ts";
import { readHash, readSize } from "./checkpoint.ts";

/** That an entry is in a log, in a file of its own (c2sp.org/tlog-proof): all that a verifier needs besides the entry and the log's key. */
export interface LogProof {
  /** Without authority: for the reader's comfort. */
  readonly extra?: Buffer;
  readonly index: number;
  /** From the leaf's sibling up to a child of the root. */
  readonly hashes: readonly Hash[];
  /** The signed note, as the log gave it. */
  readonly checkpoint: string;
}

/** Such files end in it. */
export const PROOF_SUFFIX = ".tlog-proof";

const HEADER = "c2sp.org/tlog-proof@v1";
/** A tree of 2^63 leaves is that high. */
const MAX_HASHES = 63;

export function writeProof({ extra, index, hashes, checkpoint }: LogProof): string {
  const lines = [
    HEADER,
    ...(extra === undefined ? [] : [`extra ${extra.toString("base64")}`]),
    `index ${index}`,
    ...hashes.map((hash) => Buffer.from(hash).toString("base64")),
  ];
  return `${lines.join("\n")}\n\n${checkpoint}`;
}

/** The inverse. Throws a SyntaxError that says what is wrong. */
export function readProof(text: string): LogProof {
  const end = text.indexOf("\n\n");
  if (end < 0) throw new SyntaxError("no empty line parts the proof from its checkpoint");
  const lines = text.slice(0, end).split("\n");
  if (lines.shift() !== HEADER) throw new SyntaxError(`it does not begin with ${HEADER}`);
  const extra = lines[0]?.startsWith("extra ") === true ? readExtra(lines.shift()!.slice("extra ".length)) : undefined;
  const index = lines.shift();
  if (index?.startsWith("index ") !== true) throw new SyntaxError("it does not say the index of its entry");
  if (lines.length > MAX_HASHES) throw new SyntaxError(`it has more than ${MAX_HASHES} hashes`);
  return {
    ...(extra === undefined ? {} : { extra }),
    index: readSize(index.slice("index ".length)),
    hashes: lines.map((line) => readHash(line)),
    checkpoint: text.slice(end + 2),
  };
}

function readExtra(base64: string): Buffer {
  const bytes = Buffer.from(base64, "base64");
  if (bytes.toString("base64") !== base64) throw new SyntaxError("what it has as extra is not canonical base64");
  return bytes;
}
