import type { Hash } from "../../core/merkle.ts";

/** What a log says of itself (c2sp.org/tlog-checkpoint): so many entries, and this root over them. */
export interface Checkpoint {
  /** The log's name; by custom a URL without its scheme. */
  readonly origin: string;
  readonly size: number;
  readonly root: Hash;
}

const HASH_BYTES = 32;

/** The text that is signed, three lines. */
export function writeCheckpoint({ origin, size, root }: Checkpoint): string {
  if (origin === "" || origin.includes("\n")) throw new TypeError("the origin of a log is one line of text");
  return `${origin}\n${size}\n${Buffer.from(root).toString("base64")}\n`;
}

/** The inverse, for the text of a note. Lines that say more than we know are refused. Throws a SyntaxError that says what is wrong. */
export function readCheckpoint(text: string): Checkpoint {
  const [origin, size, root, ...rest] = text.split("\n");
  if (origin === undefined || origin === "" || size === undefined || root === undefined)
    throw new SyntaxError("a checkpoint has an origin, a size and a root, a line each");
  if (rest.length !== 1 || rest[0] !== "") throw new SyntaxError("it says more than origin, size and root");
  return { origin, size: readSize(size), root: readHash(root) };
}

/** A number of entries, or a place among them: decimal, without leading zeros. Throws a SyntaxError. */
export function readSize(text: string): number {
  const size = Number(text);
  if (!/^(?:0|[1-9]\d*)$/.test(text) || !Number.isSafeInteger(size))
    throw new SyntaxError(`${JSON.stringify(text.slice(0, 40))} is no number of entries`);
  return size;
}

/** A hash in base64. Throws a SyntaxError. */
export function readHash(base64: string): Hash {
  const hash = Buffer.from(base64, "base64");
  if (hash.length !== HASH_BYTES || hash.toString("base64") !== base64)
    throw new SyntaxError(`${JSON.stringify(base64.slice(0, 60))} is no SHA-256 hash in base64`);
  return hash;
}
