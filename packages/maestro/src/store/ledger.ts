/** An entry of the ledger, before it has its place. */
export interface LedgerEntry {
  /** `receipt`, `decision`. */
  readonly kind: string;
  /** The run it is about, if it is about one. */
  readonly run: string | null;
  /** One line of canonical JSON; its UTF-8 bytes are what the tree is made over. */
  readonly text: string;
}

export interface LedgerRow extends LedgerEntry {
  /** Counted from 0. */
  readonly place: number;
}

export interface CheckpointRow {
  readonly size: number;
  /** The signed note. */
  readonly note: string;
  /** Epoch milliseconds. */
  readonly signedAt: number;
}

/** The hash over a full tile, by its place in the level of tiles above it. */
export interface TileHash {
  readonly level: number;
  readonly place: number;
  /** Base64. */
  readonly hash: string;
}

/**
 * What the ledger remembers. Entries are appended with what they are about, by `Store.commit`; nothing is ever changed or
 * deleted, and the database refuses it. Errors as of the store.
 */
export interface LedgerStore {
  /** How many entries there are. */
  size(): Promise<number>;
  /** In order from a place on; of one run only, where it is named. */
  entries(page: {
    readonly from: number;
    readonly limit: number;
    readonly run?: string;
  }): Promise<readonly LedgerRow[]>;
  /** Base64, in order, of one level from a place on; level 1 is over tiles of entries. */
  hashes(page: { readonly level: number; readonly from: number; readonly limit: number }): Promise<readonly string[]>;
  /** The newest; with `covering` the one for the fewest entries that are at least so many: once there is one it stays that. */
  checkpoint(covering?: number): Promise<CheckpointRow | undefined>;
  /** Keeps a checkpoint, and the hashes over the tiles that are full by then, in one durable transaction. `conflict` where it is not for more entries than the newest. */
  sign(checkpoint: CheckpointRow, hashes: readonly TileHash[]): Promise<void>;
}
