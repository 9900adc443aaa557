import type { Digest } from "./digest.ts";
import type { Decision } from "./event.ts";

// What stands in the ledger: CloudEvents 1.0 (canonical JSON) that say by digest what happened. The thing itself lies
// elsewhere and may go when its time is over; that it was, and what it was, stays.

const TYPE = "dev.summit-maestro.";

/** Where and when it happened. */
export interface LedgerPlace {
  /** The installation, as receipts name it. */
  readonly source: string;
  readonly run: string;
  /** Epoch milliseconds. */
  readonly at: number;
}

// Members are written in the order of RFC 8785, so that JSON.stringify gives the canonical text: a fifth of what sorting costs.

/** A receipt was sealed: its bytes by their digest. */
export function receiptEntry(
  receipt: { readonly ordinal: number; readonly digest: Digest },
  place: LedgerPlace,
): string {
  const { digest, ordinal } = receipt;
  return cloudEvent("receipt", `${place.run}/${ordinal}`, place, { digest, ordinal });
}

/** The gate decided: what was asked and by which policy, each by its digest. */
export function decisionEntry(
  asked: { readonly action: string; readonly task?: string; readonly decision: Decision },
  place: LedgerPlace,
): string {
  const { allow, engine, id, policyDigest: policy, requestDigest: request, rules } = asked.decision;
  const { action, task } = asked;
  return cloudEvent("decision", id, place, { action, allow, engine, policy, request, rules, task });
}

/** `data` in order; what is undefined is left out. */
function cloudEvent(kind: string, id: string, { source, run, at }: LedgerPlace, data: object): string {
  return JSON.stringify({
    data,
    datacontenttype: "application/json",
    id,
    source,
    specversion: "1.0",
    subject: `run/${run}`,
    time: new Date(at).toISOString(),
    type: TYPE + kind,
  });
}
