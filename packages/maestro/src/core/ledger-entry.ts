import type { Digest } from "./digest.ts";
import type { Decision } from "./event.ts";
import { writeDateTime } from "./time.ts";

// What stands in the ledger: CloudEvents 1.0 (canonical JSON) that say by digest what happened. The thing itself lies
// elsewhere and may go when its time is over; that it was, and what it was, stays.

const TYPE = "dev.summit-maestro.";

/** Where and when it happened. */
export interface LedgerPlace extends LedgerMoment {
  readonly run: string;
}

export interface LedgerMoment {
  /** The installation, as receipts name it. */
  readonly source: string;
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
  return cloudEvent(
    "receipt",
    `${place.run}/${ordinal}`,
    { ...place, subject: `run/${place.run}` },
    { digest, ordinal },
  );
}

/** The gate decided: what was asked and by which policy, each by its digest. */
export function decisionEntry(
  asked: { readonly action: string; readonly task?: string; readonly decision: Decision },
  place: LedgerPlace,
): string {
  const { allow, engine, id, mode, policyDigest: policy, requestDigest: request, rules } = asked.decision;
  const { action, task } = asked;
  const where = { ...place, subject: `run/${place.run}` };
  return cloudEvent("decision", id, where, { action, allow, engine, mode, policy, request, rules, task });
}

/**
 * Somebody did, saw or was refused something, or so often within a minute: the audit's row by its digest. Who it was stands
 * in that row only, which has an id that nobody guesses, so that the ledger can be handed out without naming anybody.
 */
export function auditEntry(
  row: {
    readonly id: string;
    readonly kind: string;
    readonly action: string;
    readonly allow: boolean;
    readonly count: number;
    /** Of the row's text. */
    readonly digest: Digest;
    /** Of the decision it followed from. */
    readonly decision?: string;
  },
  { source, at }: LedgerMoment,
): string {
  const { action, allow, count, decision, digest, id, kind } = row;
  const where = { source, at, subject: `audit/${id}` };
  return cloudEvent("audit", id, where, { action, allow, count, decision, digest, kind });
}

/** `data` in order; what is undefined is left out. */
function cloudEvent(
  kind: string,
  id: string,
  { source, subject, at }: LedgerMoment & { readonly subject: string },
  data: object,
): string {
  return JSON.stringify({
    data,
    datacontenttype: "application/json",
    id,
    source,
    specversion: "1.0",
    subject,
    time: writeDateTime(at),
    type: TYPE + kind,
  });
}
