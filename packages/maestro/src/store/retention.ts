import type { Digest } from "../core/digest.ts";

/** What of a run has a clock of its own. With `receipts` goes the rest of it: its row and its labels. */
export type Part = "events" | "logs" | "artifacts" | "receipts";

/** In the order of their clocks: each is kept at least as long as the one before it. */
export const PARTS: readonly Part[] = ["logs", "artifacts", "events", "receipts"];

/** A run as retention sees it. */
export interface EndedRun {
  readonly id: string;
  readonly namespace: string;
  readonly createdAt: number;
  readonly endedAt: number;
  readonly seq: number;
  readonly head: Digest;
  /** What was removed of it since it last ended. */
  readonly removed: readonly Part[];
  /** A legal hold on it or on its namespace is open. */
  readonly held: boolean;
  /** The run that started it has not ended and may still ask for it. */
  readonly needed: boolean;
}

/** The record that a part of a run was removed: who, when, by which rule, and of which history. */
export interface Removal {
  readonly run: string;
  readonly part: Part;
  readonly seq: number;
  readonly head: Digest;
  readonly removedAt: number;
  readonly removedBy: string;
  /** The rule in words: `events 400d`. */
  readonly policy: string;
}

/** A legal hold: nothing that it covers is removed until it is released. */
export interface Hold {
  readonly id: string;
  readonly kind: "run" | "namespace";
  readonly target: string;
  readonly reason: string;
  readonly placedBy: string;
  readonly placedAt: number;
  readonly releasedBy: string | null;
  readonly releasedAt: number | null;
  readonly releaseReason: string | null;
}

/** What one pass removed; recorded when it was anything. */
export interface RetentionPass {
  readonly startedAt: number;
  readonly endedAt: number;
  readonly startedBy: string;
  /** The policy as it was, canonical JSON. */
  readonly policy: string;
  readonly removed: Readonly<Record<string, number>>;
}

/** Texts that may name blobs, from one slice of the history or of the cache. */
export interface TextSlice {
  readonly texts: readonly {
    readonly text: string;
    /** The run's artifacts were removed, so only what belongs to the event itself still counts. */
    readonly artifactsRemoved: boolean;
  }[];
  /** Where the next slice begins; null at the end. */
  readonly next: number | null;
}

export interface HoldQuery {
  readonly open: boolean;
  readonly namespaces?: readonly string[];
  readonly limit: number;
}

/** The part of a store that removes what has had its time. Errors: as Store, and `held`, `conflict`, `not_found`. */
export interface RetentionStore {
  /** Runs that have ended, in the order (createdAt, id) after the key given, created at or before `until`. */
  endedRuns(page: {
    readonly after: { readonly createdAt: number; readonly id: string };
    readonly until: number;
    readonly limit: number;
  }): Promise<readonly EndedRun[]>;
  /**
   * Records each removal and deletes what it names of the database, in ONE transaction. What is held, runs again or went
   * on since it was looked at is left out. Resolves with what was removed, and how many rows went.
   */
  remove(removals: readonly Removal[]): Promise<{ readonly done: readonly Removal[]; readonly rows: number }>;
  /** The newest record for that part of the run. */
  removalOf(run: string, part: Part): Promise<Removal | undefined>;
  /** Cached results that have expired, at most `limit`; returns how many went. */
  cacheExpire(now: number, limit: number): Promise<number>;

  /** Errors: `conflict` where the target is under an open hold already. */
  holdPut(hold: Hold): Promise<void>;
  /** Errors: `not_found` where there is no open hold of that id. */
  holdRelease(
    id: string,
    release: { readonly by: string; readonly at: number; readonly reason: string },
  ): Promise<Hold>;
  /** Newest first. */
  /** With `namespaces` only those on these and on their runs. */
  holdList(query: HoldQuery): Promise<readonly Hold[]>;

  passPut(pass: RetentionPass): Promise<void>;
  /** Newest first. */
  passList(limit: number): Promise<readonly RetentionPass[]>;

  /** Events that may name blobs, a bounded slice of the table at a time; `after` 0 begins. Artifacts removed after `removedBefore` still count. */
  eventTexts(slice: { readonly after: number; readonly removedBefore: number }): Promise<TextSlice>;
  /** The same for cached results. */
  cacheTexts(slice: { readonly after: number }): Promise<TextSlice>;
}
