import { mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { sha256 } from "../../core/digest.ts";
import { MaestroError, messageOf } from "../../core/problem.ts";
import { writeDurably } from "../key-file.ts";
import type { Checkpoint } from "../ledger/checkpoint.ts";
import { endorsements, readNote } from "../ledger/note.ts";
import type { NoteKey } from "../ledger/note.ts";
import { readHead } from "./head.ts";

/** The last checkpoint of each log that a witness cosigned. This is all that a witness is: without it, it sees no rewriting. */
export interface Heads {
  get(origin: string): Checkpoint | undefined;
  /** On disk when it returns, also after a power cut. `note` bears the witness's own signature. */
  keep(head: Checkpoint, note: string): void;
}

const SUFFIX = ".checkpoint";
const MAX_BYTES = 1024 * 1024;

/**
 * One file for each log, the cosigned note itself. A file that this witness did not sign is none of its own: `store_corrupt`.
 * Whoever takes a file away makes the witness forget that log; keep the folder where the log's owner cannot write.
 */
export function openHeads(dir: string, key: NoteKey): Heads {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const heads = new Map<string, Checkpoint>();
  for (const name of readdirSync(dir)) {
    if (!name.endsWith(SUFFIX)) continue;
    const head = readStored(join(dir, name), key);
    if (fileOf(head.origin) !== name) throw foreign(join(dir, name), `it is about ${head.origin}`);
    heads.set(head.origin, head);
  }
  return {
    get: (origin) => heads.get(origin),
    keep(head, note) {
      // Readable at once after each change: the file first, then what answers go by.
      writeDurably(join(dir, fileOf(head.origin)), note, 0o600);
      heads.set(head.origin, head);
    },
  };
}

/** Origins are URLs by custom, and any text by the standard. */
function fileOf(origin: string): string {
  return `${sha256(origin).slice("sha256:".length, "sha256:".length + 32)}${SUFFIX}`;
}

function readStored(path: string, key: NoteKey): Checkpoint {
  if (statSync(path).size > MAX_BYTES) throw foreign(path, "it is too large");
  try {
    const note = readNote(readFileSync(path, "utf8"));
    if (endorsements(note, [key]).length === 0) throw new SyntaxError(`${key.name} did not cosign it`);
    return readHead(note.text);
  } catch (error) {
    if (error instanceof SyntaxError) throw foreign(path, messageOf(error), error);
    throw error;
  }
}

function foreign(path: string, why: string, cause?: unknown): MaestroError {
  return new MaestroError("store_corrupt", `${path} is not what this witness kept: ${why}.`, {
    cause,
    facts: { path },
    fix: "Restore the witness's folder from a backup that is not older than its last answer. Without the file the witness would take the log as new: compare the log's next checkpoint by hand first.",
  });
}
