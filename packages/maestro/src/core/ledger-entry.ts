import { canonical } from "./canonical.ts";
import type { Digest } from "./digest.ts";
import type { Decision } from "./event.ts";
import type { JsonObject } from "./json.ts";

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

/** A receipt was sealed: its bytes by their digest. */
export function receiptEntry(
  receipt: { readonly ordinal: number; readonly digest: Digest },
  place: LedgerPlace,
): string {
  return cloudEvent("receipt", `${place.run}/${receipt.ordinal}`, place, {
    ordinal: receipt.ordinal,
    digest: receipt.digest,
  });
}

/** The gate decided: what was asked and by which policy, each by its digest. */
export function decisionEntry(
  asked: { readonly action: string; readonly task?: string; readonly decision: Decision },
  place: LedgerPlace,
): string {
  const { decision } = asked;
  return cloudEvent("decision", decision.id, place, {
    action: asked.action,
    ...(asked.task === undefined ? {} : { task: asked.task }),
    allow: decision.allow,
    rules: [...decision.rules],
    engine: decision.engine,
    policy: decision.policyDigest,
    request: decision.requestDigest,
  });
}

function cloudEvent(kind: string, id: string, { source, run, at }: LedgerPlace, data: JsonObject): string {
  return canonical({
    specversion: "1.0",
    type: TYPE + kind,
    source,
    id,
    subject: `run/${run}`,
    time: new Date(at).toISOString(),
    datacontenttype: "application/json",
    data,
  });
}
