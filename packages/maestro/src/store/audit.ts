import type { Digest } from "../core/digest.ts";

/** Something that somebody did, saw or was refused. The columns are for finding it; `text` says all of it. */
export interface AuditRow {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly kind: AuditKind;
  /** Who: the id of the actor. */
  readonly actor: string;
  readonly action: string;
  readonly namespace: string | null;
  /** `type/id`. */
  readonly resource: string;
  readonly allow: boolean;
  /** One line of canonical JSON. */
  readonly text: string;
}

/** What was changed, what evidence was looked at, what else was read, what was refused; and what the control plane did about its own security. */
export const AUDIT_KINDS = ["change", "evidence", "read", "refused", "security"] as const;
export type AuditKind = (typeof AUDIT_KINDS)[number];

export interface StoredAuditRow extends AuditRow {
  /** Counted from 0. */
  readonly place: number;
}

/** A request to the gate, kept once however often it was asked. */
export interface QuestionRow {
  readonly digest: Digest;
  /** Canonical JSON. */
  readonly text: string;
}

export interface AuditQuery {
  readonly actor?: string;
  readonly action?: string;
  /** Only of these; what belongs to no namespace is left out then. */
  readonly namespaces?: readonly string[];
  readonly resource?: string;
  /** In [from, to), epoch milliseconds. */
  readonly from?: number;
  readonly to?: number;
  readonly kind?: AuditKind;
  readonly allow?: boolean;
  readonly limit: number;
  /** Strictly below this place. */
  readonly before?: number;
}

/** What the audit remembers. Rows are appended by `Store.commit`, with what they are about. Errors as of the store. */
export interface AuditStore {
  size(): Promise<number>;
  /** Newest first. */
  list(query: AuditQuery): Promise<readonly StoredAuditRow[]>;
  /** In order from a place on. */
  page(page: { readonly from: number; readonly limit: number }): Promise<readonly StoredAuditRow[]>;
  question(digest: Digest): Promise<QuestionRow | undefined>;
}
