import type { Checkpoint } from "../ledger/checkpoint.ts";
import { readCheckpoint } from "../ledger/checkpoint.ts";

/** Origin, size and root of any log's checkpoint; lines of its own that follow them say nothing to a witness. Throws a SyntaxError. */
export function readHead(text: string): Checkpoint {
  const lines = text.split("\n");
  if (lines.slice(0, -1).includes("")) throw new SyntaxError("a checkpoint has no empty lines");
  return readCheckpoint(`${lines.slice(0, 3).join("\n")}\n`);
}
