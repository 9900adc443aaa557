import { sha256Bytes } from "../../core/digest.ts";
import { isConsistent, isEqual } from "../../core/merkle.ts";
import { messageOf } from "../../core/problem.ts";
import type { Checkpoint } from "../ledger/checkpoint.ts";
import { cosign, endorsements, readNote } from "../ledger/note.ts";
import type { Note, NoteKey, Sign } from "../ledger/note.ts";
import { readHead } from "./head.ts";
import type { Heads } from "./heads.ts";
import { readSubmission, SIZE_TYPE } from "./submission.ts";

export interface WitnessDeps {
  readonly key: NoteKey;
  readonly sign: Sign;
  readonly heads: Heads;
  /** The logs it knows now, by origin: each with the keys that may sign for it. */
  readonly logs: () => ReadonlyMap<string, readonly NoteKey[]>;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Told what became of each checkpoint of a log that it knows. */
  readonly seen: (seen: Seen) => void;
}

export interface Seen {
  readonly origin: string;
  readonly status: number;
  /** Entries that were submitted, and that the witness had seen before. */
  readonly size: number;
  readonly had: number;
  /** A sentence for what is proof of rewriting: a valid signature over a tree that does not continue the one before. */
  readonly alarm?: string;
}

export interface WitnessAnswer {
  readonly status: 200 | 400 | 403 | 404 | 409 | 422;
  readonly type: string;
  readonly body: string;
}

const TEXT = "text/plain; charset=utf-8";
const EMPTY: Pick<Checkpoint, "size" | "root"> = { size: 0, root: sha256Bytes(new Uint8Array(0)) };

/**
 * `add-checkpoint` of c2sp.org/tlog-witness: cosigns a checkpoint that continues the last one of its log, and nothing else.
 * Runs from reading what it had to keeping what it has without a pause, so that two requests cannot go back behind each other.
 */
export function addCheckpoint(deps: WitnessDeps, body: string): WitnessAnswer {
  try {
    const { old, proof, checkpoint } = readSubmission(body);
    const note = readNote(checkpoint);
    const head = readHead(note.text);
    const keys = deps.logs().get(head.origin);
    if (keys === undefined)
      return refusal(404, `the log ${JSON.stringify(head.origin.slice(0, 200))} is not known here`);
    if (!isSigned(note, keys)) return refusal(403, `no key that is known here for ${head.origin} signed it`);
    const had = deps.heads.get(head.origin);
    const answer = decide(deps, { old, proof, head, note, had: had ?? EMPTY });
    const { alarm, ...said } = answer;
    const { origin, size } = head;
    deps.seen({ origin, status: said.status, size, had: had?.size ?? 0, ...(alarm === undefined ? {} : { alarm }) });
    return said;
  } catch (error) {
    if (error instanceof SyntaxError) return refusal(400, messageOf(error));
    throw error;
  }
}

function decide(
  deps: WitnessDeps,
  asked: {
    readonly old: number;
    readonly proof: readonly Uint8Array[];
    readonly head: Checkpoint;
    readonly note: Note;
    readonly had: Pick<Checkpoint, "size" | "root">;
  },
): WitnessAnswer & { readonly alarm?: string } {
  const { old, proof, head, note, had } = asked;
  if (old > head.size) return refusal(400, `the old size ${old} is beyond the checkpoint's ${head.size}`);
  if (old !== had.size) {
    const isBehind = head.size < had.size;
    return {
      ...sizeOf(had),
      ...(isBehind ? { alarm: `it signed ${head.size} entries after ${had.size} were seen` } : {}),
    };
  }
  if (head.size === had.size && !isEqual(head.root, had.root))
    return { ...sizeOf(had), alarm: `it signed two trees of ${had.size} entries` };
  if (!isConsistent(had, head, proof))
    return {
      ...refusal(422, `nothing proves that its ${head.size} entries begin with the ${had.size} that were seen`),
      alarm: `nothing proves that its ${head.size} entries begin with the ${had.size} that were seen`,
    };
  const line = cosign(note.text, Math.floor(deps.now() / 1000), deps.key, deps.sign);
  // Without the other signatures: with all that a note may have, one more would make it unreadable.
  deps.heads.keep(head, `${note.text}\n${line}`);
  return { status: 200, type: TEXT, body: line };
}

/** A wrong signature under a known name and id is as good as none. */
function isSigned(note: Note, keys: readonly NoteKey[]): boolean {
  try {
    return endorsements(note, keys).length > 0;
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

function sizeOf({ size }: Pick<Checkpoint, "size">): WitnessAnswer {
  return { status: 409, type: SIZE_TYPE, body: `${size}\n` };
}

function refusal(status: WitnessAnswer["status"], why: string): WitnessAnswer {
  return { status, type: TEXT, body: `${why}\n` };
}
