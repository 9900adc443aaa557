import type { JsonObject } from "../core/json.ts";

/** A login: who it is, by whose word, and until when. Its token is known by its digest only. */
export interface SessionRow {
  readonly id: string;
  /** SHA-256 of its token, hex. */
  readonly digest: string;
  /** The id of the caller that it is. */
  readonly subject: string;
  /** What the settings called the issuer whose token it began with; null: the owner's own. */
  readonly issuer: string | null;
  /** What that token said, as far as roles may depend on it. */
  readonly claims: JsonObject;
  /** Where from, in its user's words. */
  readonly label: string;
  /** What it began with, so that nothing begins two of them: hex. */
  readonly proof: string;
  /** Epoch milliseconds, as all times here. */
  readonly createdAt: number;
  readonly expiresAt: number;
  /** Roughly. */
  readonly seenAt: number;
  readonly revokedAt: number | null;
  readonly revokedBy: string | null;
}

export interface SessionQuery {
  /** Only of this caller. */
  readonly subject?: string;
  /** Only those that are good at this time. */
  readonly goodAt?: number;
  readonly limit: number;
  /** Only those that began before the session of this id. */
  readonly before?: string;
}

/** What the store remembers of sessions. Errors as of the store. */
export interface SessionStore {
  /** False: its proof began another session already, and nothing was changed. */
  put(row: SessionRow): Promise<boolean>;
  byDigest(digest: string): Promise<SessionRow | undefined>;
  get(id: string): Promise<SessionRow | undefined>;
  /** Newest first. */
  list(query: SessionQuery): Promise<readonly SessionRow[]>;
  seen(id: string, at: number): Promise<void>;
  /** The ones that it ended; those that were revoked before stay as they are. All of them or, where it fails, none. */
  revoke(ids: readonly string[], revocation: { readonly at: number; readonly by: string }): Promise<readonly string[]>;
  /** Takes out those that expired before, at most `limit`; resolves with how many. */
  sweep(before: number, limit: number): Promise<number>;
}
