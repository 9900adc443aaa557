import type { AuditEntry } from "../audit.ts";

/** For the audit: who would rewrite the ledger would rather not have it there, and it stands in the ledger as well. */
export function witnessAlarm(witness: string, detail: string): AuditEntry {
  return {
    kind: "security",
    actor: { type: "service", id: "maestro" },
    action: "ledger.witness",
    resource: { type: "witness", id: witness },
    namespace: null,
    allow: false,
    detail: { detail },
  };
}
