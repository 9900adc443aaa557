import type { CheckpointRow } from "./ledger.ts";

/** A witness's line under a checkpoint. */
export interface CosignatureRow {
  /** Of the checkpoint. */
  readonly size: number;
  /** The witness's name. */
  readonly witness: string;
  /** The signature line, with its line break. */
  readonly line: string;
  /** Epoch seconds, as the witness says. */
  readonly cosignedAt: number;
}

/** What an authority said about the time of a checkpoint. */
export interface TimestampRow {
  /** Of the checkpoint. */
  readonly size: number;
  /** The reply (RFC 3161), base64. */
  readonly reply: string;
  /** Epoch milliseconds, as the authority says. */
  readonly stampedAt: number;
}

/** How a witness was met last. */
export interface WitnessRow {
  readonly name: string;
  /** Of the newest checkpoint that it cosigned. */
  readonly size: number;
  readonly outcome: WitnessOutcome;
  /** A sentence. */
  readonly detail: string;
  /** Epoch milliseconds. */
  readonly at: number;
}

/** `refused`: it has seen another history than this one, or what it says is no proof. The rest may be mended by waiting or by its operator. */
export type WitnessOutcome = "cosigned" | "unreachable" | "unknown" | "refused";

/** What others said about checkpoints. What was said stays; how a witness was met is what it was last. Errors as of the store. */
export interface WitnessStore {
  /** The checkpoint of so many entries. */
  checkpoint(size: number): Promise<CheckpointRow | undefined>;
  /** By the name of the witness. */
  cosignatures(size: number): Promise<readonly CosignatureRow[]>;
  /** The first that a witness gave for a checkpoint stays. */
  cosign(row: CosignatureRow): Promise<void>;
  /** The size of the first checkpoint of more than `place` entries under which at least so many witnesses stand. */
  cosignedAfter(place: number, count: number): Promise<number | undefined>;
  stamp(row: TimestampRow): Promise<void>;
  /** The first of more than `place` entries. */
  stampedAfter(place: number): Promise<TimestampRow | undefined>;
  newestStamp(): Promise<TimestampRow | undefined>;
  met(row: WitnessRow): Promise<void>;
  /** By name. */
  all(): Promise<readonly WitnessRow[]>;
}
