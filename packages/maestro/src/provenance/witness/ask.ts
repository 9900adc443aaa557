import type { Hash } from "../../core/merkle.ts";
import { messageOf } from "../../core/problem.ts";
import type { CheckpointRow } from "../../store/ledger.ts";
import type { WitnessOutcome } from "../../store/witness.ts";
import { readSize } from "../ledger/checkpoint.ts";
import { endorsements, readNote } from "../ledger/note.ts";
import { NoAnswer, post } from "./post.ts";
import type { PostAnswer } from "./post.ts";
import type { KnownWitness } from "./settings.ts";
import { SIZE_TYPE, writeSubmission } from "./submission.ts";

export interface AskDeps {
  /** That the checkpoint's tree begins with that of so many entries. */
  readonly prove: (from: number) => Promise<readonly Hash[]>;
  readonly signal: AbortSignal;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

export type Asked =
  | { readonly outcome: "cosigned"; readonly line: string; readonly cosignedAt: number }
  | { readonly outcome: Exclude<WitnessOutcome, "cosigned">; readonly detail: string };

/** A clock may be that far ahead. */
const AHEAD_S = 300;

/** Asks one witness for its line under a checkpoint. `last` is the size that it cosigned last, as far as is known here. */
export async function askWitness(
  deps: AskDeps,
  witness: KnownWitness,
  checkpoint: CheckpointRow,
  last: number,
): Promise<Asked> {
  try {
    const first = await submit(deps, witness, checkpoint, Math.min(last, checkpoint.size));
    const known = sizeIn(first);
    if (known === undefined) return judge(deps, witness, checkpoint, first);
    if (known > checkpoint.size)
      return refused(
        `it has seen ${known} entries, and the ledger has ${checkpoint.size}: it went back, or somebody else signs with its key`,
      );
    if (known === last) return refused(`it has seen another tree of ${known} entries than the one that is here`);
    const second = await submit(deps, witness, checkpoint, known);
    // Somebody else submitted in between; the next round finds out where it stands.
    if (sizeIn(second) !== undefined && sizeIn(second) !== known)
      return { outcome: "unreachable", detail: "it knows another size each time it is asked" };
    return judge(deps, witness, checkpoint, second, known);
  } catch (error) {
    if (error instanceof NoAnswer) return { outcome: "unreachable", detail: messageOf(error) };
    throw error;
  }
}

async function submit(
  { prove, signal }: AskDeps,
  { url }: KnownWitness,
  { note }: CheckpointRow,
  old: number,
): Promise<PostAnswer> {
  const body = writeSubmission({ old, proof: await prove(old), checkpoint: note });
  return post(`${url}/add-checkpoint`, "text/plain; charset=utf-8", body, signal);
}

/** The size that a 409 tells; undefined for every other answer. */
function sizeIn({ status, type, body }: PostAnswer): number | undefined {
  if (status !== 409 || type !== SIZE_TYPE) return undefined;
  try {
    return readSize(body.toString("utf8").replace(/\n$/, ""));
  } catch {
    // No number: judged as an answer that is none.
    return undefined;
  }
}

function judge(
  { now }: AskDeps,
  { key }: KnownWitness,
  { note }: CheckpointRow,
  answer: PostAnswer,
  known?: number,
): Asked {
  const { status, body } = answer;
  const said = body.toString("utf8").slice(0, 300).trim();
  switch (status) {
    case 200:
      return readLine(note, body.toString("utf8"), key, now());
    case 409:
      return known === undefined
        ? { outcome: "unreachable", detail: `it answers 409 without the size it knows: ${said}` }
        : refused(`it has seen another tree of ${known} entries than the one that is here`);
    case 422:
      return refused(`it has seen another history: ${said}`);
    case 403:
    case 404:
      return { outcome: "unknown", detail: `it does not know this log or its key: ${said}` };
    default:
      return { outcome: "unreachable", detail: `it answers with status ${status}: ${said}` };
  }
}

/** Of the lines that came, the one by the key that was expected. */
function readLine(note: string, lines: string, key: KnownWitness["key"], now: number): Asked {
  try {
    const whole = readNote(note + lines);
    const [found] = endorsements(whole, [key]);
    if (found?.time === undefined) return refused(`its answer is not signed by ${key.name} as it was made known here`);
    if (found.time > now / 1000 + AHEAD_S) return refused(`it says it cosigned at ${found.time}, which is yet to come`);
    const line = lines.split("\n").find((one) => signsFor(note, one, key));
    return line === undefined
      ? refused("its line is not in its answer")
      : { outcome: "cosigned", line: `${line}\n`, cosignedAt: found.time };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return refused(`its answer is no cosignature: ${error.message}`);
  }
}

function signsFor(note: string, line: string, key: KnownWitness["key"]): boolean {
  if (line === "") return false;
  return endorsements(readNote(`${note}${line}\n`), [key]).length > 0;
}

function refused(detail: string): Asked {
  return { outcome: "refused", detail };
}
