/** One rung: a claim, and what came of checking it. */
export interface Check {
  readonly id: CheckId;
  /** The claim, as the end of a sentence that begins with "The receipt". */
  readonly title: string;
  readonly status: "passed" | "failed" | "skipped";
  /** What was compared with what, or why it was not. */
  readonly detail: string;
}

/** The rungs in their order; each stands on those above it. docs/reference/receipt.md explains every one. */
export const RUNGS = [
  { id: "readable", title: "is one well-formed document" },
  { id: "bundle", title: "is a Sigstore bundle v0.3, with nothing beside it" },
  { id: "digest", title: "is the one that was asked for" },
  { id: "payload-type", title: "carries an in-toto statement" },
  { id: "key", title: "names a key of the trust root" },
  { id: "signature", title: "was signed by that key" },
  { id: "statement", title: "holds an in-toto statement v1 about a run" },
  { id: "predicate", title: "has a complete run receipt" },
  { id: "signer", title: "was signed for its builder while the key was valid" },
  { id: "expected", title: "says what was expected of it" },
  { id: "subjects", title: "covers the files" },
  { id: "plan", title: "is about this plan" },
  { id: "events", title: "is about this history" },
  { id: "history", title: "says what the history says" },
  { id: "previous", title: "follows the receipt before it" },
  { id: "ledger", title: "is in the ledger" },
  { id: "witnesses", title: "is in a ledger that witnesses saw" },
  { id: "timestamp", title: "is as old as an authority says" },
] as const;

/** Those of a disclosure package; docs/reference/disclosure-package.md explains every one. */
export const PACKAGE_RUNGS = [
  { id: "paths", title: "holds nothing but files, under names that every system takes" },
  { id: "manifest", title: "has a manifest of canonical form" },
  { id: "files", title: "holds the files of its manifest, each unchanged, and no other" },
  { id: "readable", title: "has a seal that is one well-formed document" },
  { id: "bundle", title: "has a seal that is a Sigstore bundle v0.3, with nothing beside it" },
  { id: "payload-type", title: "has a seal that carries an in-toto statement" },
  { id: "key", title: "names a key of the trust root" },
  { id: "signature", title: "was signed by that key" },
  { id: "statement", title: "has a seal over this manifest" },
  { id: "signer", title: "was signed for its builder by a key that had not been retired" },
  { id: "receipts", title: "has the receipts of its runs, each verified" },
  { id: "ledger", title: "proves that they are in the ledger" },
  { id: "checkpoint", title: "proves it by one checkpoint of that ledger" },
  { id: "witnesses", title: "proves it by a checkpoint that witnesses saw" },
  { id: "policy", title: "has the policy that allowed it" },
  { id: "redactions", title: "shows where something was taken out" },
  { id: "revealed", title: "had these values in those places" },
  { id: "evidence", title: "has evidence that the receipts bear out" },
] as const;

export type CheckId = (typeof RUNGS)[number]["id"] | (typeof PACKAGE_RUNGS)[number]["id"];

/** Thrown inside a rung: the claim does not hold. The message says what was expected and what was found. */
export class CheckFailed extends Error {}

export interface Ladder {
  /** Does the check. Its return value goes on to later rungs; throwing CheckFailed or SyntaxError ends the climb. */
  check<T>(id: CheckId, climb: () => { readonly value: T; readonly detail: string }): T;
  /** Says why a rung was left out. */
  skip(id: CheckId, why: string): void;
}

/** Climbs until a check fails; the rungs not reached are listed as such. */
export function climb(
  steps: (ladder: Ladder) => void,
  rungs: readonly { readonly id: CheckId; readonly title: string }[] = RUNGS,
): readonly Check[] {
  const done = new Map<CheckId, Pick<Check, "status" | "detail">>();
  const ladder: Ladder = {
    check(id, claim) {
      try {
        const { value, detail } = claim();
        done.set(id, { status: "passed", detail });
        return value;
      } catch (error) {
        // A SyntaxError is how the parsers of received bytes say no; anything else is a fault of ours and rises.
        if (!(error instanceof CheckFailed) && !(error instanceof SyntaxError)) throw error;
        done.set(id, { status: "failed", detail: error.message });
        throw new CheckFailed(error.message, { cause: error });
      }
    },
    skip: (id, why) => void done.set(id, { status: "skipped", detail: why }),
  };
  try {
    steps(ladder);
  } catch (error) {
    // What fails outside of a rung would leave no rung failed, and pass for success.
    if (!(error instanceof CheckFailed) || !rungs.some((rung) => done.get(rung.id)?.status === "failed")) throw error;
  }
  const failed = rungs.find((rung) => done.get(rung.id)?.status === "failed");
  return rungs.map((rung) => {
    const outcome = done.get(rung.id) ?? {
      status: "skipped",
      detail: `not reached: the check "${failed?.id ?? ""}" failed`,
    };
    return { id: rung.id, title: rung.title, ...outcome };
  });
}
