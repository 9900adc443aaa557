import { setImmediate } from "node:timers/promises";
import { leafDigest } from "../../core/digest.ts";
import type { Hash, ReadSubtree } from "../../core/merkle.ts";
import { consistencyProof, inclusionProof, isEqual, subtreeHash } from "../../core/merkle.ts";
import { MaestroError, messageOf } from "../../core/problem.ts";
import type { CheckpointRow, LedgerRow, TileHash } from "../../store/ledger.ts";
import type { Store } from "../../store/store.ts";
import type { Signer } from "../signer.ts";
import { readCheckpoint, writeCheckpoint } from "./checkpoint.ts";
import { Edge } from "./edge.ts";
import { logKeys } from "./log-key.ts";
import { endorsements, readNote, signNote } from "./note.ts";
import type { NoteKey } from "./note.ts";
import { writeProof } from "./proof.ts";
import type { TrustRoot } from "../trust.ts";
import type { Tile } from "./tile.ts";
import { hashesAt, subtreesOf, TILE_WIDTH, tilePath, writeEntries } from "./tile.ts";

export interface LedgerDeps {
  readonly store: Pick<Store, "ledger">;
  readonly signer: Signer;
  /** The keys that signed checkpoints of this installation, the signer's among them. */
  readonly trustRoot: TrustRoot;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** Entries read at once: 3 ms, between which an engine goes on working. */
const PAGE = TILE_WIDTH;
/** At the start the newest entries are hashed again, of those before them the hashes over full tiles: `check` does the rest. */
const CHECKED_AT_START = TILE_WIDTH * 16;

/**
 * The tree over the entries of the ledger, and the checkpoints by which it says so. Entries are there when their commit is
 * durable; a checkpoint follows when it is asked for.
 */
export class Ledger {
  readonly origin: string;
  readonly #deps: LedgerDeps;
  readonly #key: NoteKey;
  readonly #edge: Edge;
  #newest: CheckpointRow | undefined;
  /** One at a time: two would sign different trees of one size. */
  #signing: Promise<unknown> = Promise.resolve();

  private constructor(deps: LedgerDeps, key: NoteKey, edge: Edge, newest: CheckpointRow | undefined) {
    this.#deps = deps;
    this.#key = key;
    this.#edge = edge;
    this.#newest = newest;
    this.origin = key.name;
  }

  /**
   * Makes the root again and compares it with what was signed last: from the newest entries, and from the hashes over the
   * full tiles before them. Errors: `ledger_broken` where it is another one, `store_corrupt`.
   */
  static async open(deps: LedgerDeps): Promise<Ledger> {
    const keys = logKeys(deps.trustRoot);
    const key = keys.find((one) => one.keyid === deps.signer.keyid);
    if (key === undefined) throw new TypeError("the signer's key is not in the trust root");
    const newest = await deps.store.ledger.checkpoint();
    const edge = new Edge();
    if (newest !== undefined) {
      const signed = readSigned(newest, keys);
      await addTiles(deps.store, edge, Math.floor(Math.max(0, signed.size - CHECKED_AT_START) / TILE_WIDTH));
      await grow(deps.store, edge, signed.size, () => undefined);
      compare(signed, edge);
    }
    const [beyond] = await deps.store.ledger.hashes({ level: 1, from: Math.floor(edge.size / TILE_WIDTH), limit: 1 });
    if (beyond !== undefined)
      throw broken(`It was signed for more than the ${edge.size} entries of its newest checkpoint.`, {
        size: edge.size,
      });
    return new Ledger(deps, key, edge, newest);
  }

  /** A checkpoint over everything that is in the ledger now: signed anew where there is more than in the last one. */
  async checkpoint(): Promise<CheckpointRow> {
    const next = this.#signing.then(async () => this.#sign());
    // A failure is the caller's; the next one tries again.
    this.#signing = next.catch((error: unknown) => error);
    return next;
  }

  /**
   * That a receipt is in the ledger, as a file that verifies offline. `covering` may name a signed checkpoint that has the
   * entry at a place, with what others put under it; else it is the newest. Errors: `not_found`.
   */
  async proofOf(
    run: string,
    digest: string,
    covering: (place: number) => Promise<CheckpointRow | undefined> = async () => undefined,
  ): Promise<string> {
    const row = await this.#find(run, digest);
    if (row === undefined)
      throw new MaestroError("not_found", `The ledger has no entry of receipt ${digest} of run ${run}.`, {
        facts: { run, digest },
        fix: "Receipts from before the ledger began are not in it. They verify without it.",
      });
    const { size, note } = (await covering(row.place)) ?? (await this.checkpoint());
    const hashes = await this.#withTiles(size, (read) => inclusionProof(row.place, size, read));
    return writeProof({ extra: Buffer.from(row.text), index: row.place, hashes, checkpoint: note });
  }

  /**
   * That receipts are in the ledger, all by one checkpoint: the first that covers them, so that it is the same proof
   * whenever it is asked for. Undefined for those that have no entry. Errors: as of `checkpoint`.
   */
  async proofsOf(
    receipts: readonly { readonly run: string; readonly digest: string }[],
    covering: (place: number) => Promise<CheckpointRow | undefined> = async (place) =>
      this.#deps.store.ledger.checkpoint(place + 1),
  ): Promise<{ readonly checkpoint: CheckpointRow; readonly proofs: readonly (string | undefined)[] }> {
    const rows: (LedgerRow | undefined)[] = [];
    for (const { run, digest } of receipts) rows.push(await this.#find(run, digest));
    const last = Math.max(-1, ...rows.map((row) => row?.place ?? -1));
    const checkpoint = (await covering(last)) ?? (await this.checkpoint());
    const { size, note } = checkpoint;
    readSigned(checkpoint, logKeys(this.#deps.trustRoot));
    const proofs = rows.map(async (row) => {
      if (row === undefined) return undefined;
      const hashes = await this.#withTiles(size, (read) => inclusionProof(row.place, size, read));
      return writeProof({ extra: Buffer.from(row.text), index: row.place, hashes, checkpoint: note });
    });
    return { checkpoint, proofs: await Promise.all(proofs) };
  }

  /** That the tree of the first `to` entries, which were signed, begins with that of `from`. */
  async consistencyWith(from: number, to: number): Promise<readonly Hash[]> {
    return this.#withTiles(to, (read) => consistencyProof(from, to, read));
  }

  /**
   * Every entry once more against the tree: yields how many are done, page after page, so that whoever asks can take
   * his time. Errors: `ledger_broken`, `store_corrupt`.
   */
  async *check(): AsyncGenerator<number> {
    const { ledger } = this.#deps.store;
    // Up to here and no further: it may grow, and be signed anew, between one page and the next.
    const checkpoint = this.#newest;
    if (checkpoint === undefined) return;
    const { size } = checkpoint;
    for (let tile = 0; (tile + 1) * TILE_WIDTH <= size; tile++) {
      const leaves = await this.#hashes({ level: 0, index: tile, width: TILE_WIDTH });
      const [stored] = await ledger.hashes({ level: 1, from: tile, limit: 1 });
      const [first, last] = [tile * TILE_WIDTH, (tile + 1) * TILE_WIDTH - 1];
      if (leaves.length !== TILE_WIDTH || Buffer.from(subtreeHash(leaves)).toString("base64") !== stored)
        throw broken(`One of its entries ${first} to ${last} was changed, or is missing.`, { first, last });
      yield last + 1;
    }
    await this.#compareUpper(checkpoint);
    yield size;
  }

  /** The hashes over tiles, and what is made of them, with what was signed. */
  async #compareUpper(checkpoint: CheckpointRow): Promise<void> {
    const { size } = checkpoint;
    const edge = new Edge();
    const upper: TileHash[] = [];
    await addTiles(this.#deps.store, edge, Math.floor(size / TILE_WIDTH), (hash) => upper.push(hash));
    for (const { level, place, hash } of upper) {
      const [stored] = await this.#deps.store.ledger.hashes({ level, from: place, limit: 1 });
      if (stored !== hash)
        throw broken(`The hash over tile ${place} of level ${level - 1} was changed.`, { level, place });
    }
    await grow(this.#deps.store, edge, size, () => undefined);
    compare(readSigned(checkpoint, logKeys(this.#deps.trustRoot)), edge);
  }

  /** The bytes of a tile; undefined for one that the tree of the newest checkpoint does not have. */
  async tile(tile: Tile): Promise<Buffer | undefined> {
    const { level, index, width } = tile;
    const size = this.#newest?.size ?? 0;
    const count = hashesAt(level === "entries" ? 0 : level, size);
    if (index * TILE_WIDTH + width > count) return undefined;
    if (level === "entries")
      return writeEntries((await this.#entries(index, width)).map((row) => Buffer.from(row.text)));
    return Buffer.concat(await this.#hashes({ level, index, width }));
  }

  async #sign(): Promise<CheckpointRow> {
    const { store, signer, now } = this.#deps;
    const size = await store.ledger.size();
    if (this.#newest !== undefined && this.#newest.size === size) return this.#newest;
    const full: TileHash[] = [];
    // A copy, so that a tree that could not be signed was never there.
    const edge = this.#edge.copy();
    await grow(store, edge, size, (hash) => full.push(hash));
    const text = writeCheckpoint({ origin: this.origin, size, root: edge.root() });
    const note = signNote(text, this.#key, (message) => signer.sign(message));
    const checkpoint: CheckpointRow = { size, note, signedAt: now() };
    await store.ledger.sign(checkpoint, full);
    this.#edge.become(edge);
    this.#newest = checkpoint;
    return checkpoint;
  }

  async #find(run: string, digest: string): Promise<LedgerRow | undefined> {
    for (let from = 0; ;) {
      const rows = await this.#deps.store.ledger.entries({ run, from, limit: PAGE });
      const found = rows.find((row) => row.kind === "receipt" && row.text.includes(`"${digest}"`));
      if (found !== undefined || rows.length < PAGE) return found;
      from = rows.at(-1)!.place + 1;
    }
  }

  /** `compute` reads hashes at once, tiles come with time: asked first for what it reads, then given it. */
  async #withTiles<T>(size: number, compute: (read: ReadSubtree) => T): Promise<T> {
    const wanted = new Map<string, Tile & { readonly level: number }>();
    compute(
      subtreesOf(size, (tile) => {
        wanted.set(tilePath(tile), tile);
        return Array.from({ length: tile.width }, () => NO_HASH);
      }),
    );
    const tiles = new Map<string, readonly Hash[]>();
    for (const [path, tile] of wanted) tiles.set(path, await this.#hashes(tile));
    return compute(subtreesOf(size, (tile) => tiles.get(tilePath(tile))!));
  }

  async #hashes({ level, index, width }: Tile & { readonly level: number }): Promise<readonly Hash[]> {
    if (level === 0) return (await this.#entries(index, width)).map((row) => leafDigest(Buffer.from(row.text)));
    const from = index * TILE_WIDTH;
    const hashes = await this.#deps.store.ledger.hashes({ level, from, limit: width });
    return hashes.map((hash) => Buffer.from(hash, "base64"));
  }

  async #entries(index: number, width: number): Promise<readonly LedgerRow[]> {
    return this.#deps.store.ledger.entries({ from: index * TILE_WIDTH, limit: width });
  }
}

const NO_HASH: Hash = new Uint8Array(32);

/** Adds the entries up to `size` to the edge; `full` is told the hash over each tile that becomes full. */
async function grow(
  { ledger }: LedgerDeps["store"],
  edge: Edge,
  size: number,
  full: (hash: TileHash) => void,
): Promise<void> {
  while (edge.size < size) {
    const rows = await ledger.entries({ from: edge.size, limit: Math.min(PAGE, size - edge.size) });
    if (rows.length === 0)
      throw broken(`It ends after ${edge.size} entries, and ${size} were there.`, { entries: edge.size, size });
    for (const { text } of rows) edge.add(leafDigest(Buffer.from(text)), full);
    // A minute of a busy engine is a second of hashing, in which nobody else would be answered.
    await setImmediate();
  }
}

/** Adds as many full tiles by their hashes. */
async function addTiles(
  { ledger }: LedgerDeps["store"],
  edge: Edge,
  tiles: number,
  full: (hash: TileHash) => void = () => undefined,
): Promise<void> {
  while (edge.size < tiles * TILE_WIDTH) {
    const from = edge.size / TILE_WIDTH;
    const hashes = await ledger.hashes({ level: 1, from, limit: Math.min(PAGE, tiles - from) });
    if (hashes.length === 0) throw broken(`The hash over its tile ${from} is missing.`, { tile: from });
    for (const hash of hashes) edge.addTile(Buffer.from(hash, "base64"), full);
  }
}

function readSigned({ note, size }: CheckpointRow, keys: readonly NoteKey[]): ReturnType<typeof readCheckpoint> {
  try {
    const read = readNote(note);
    const checkpoint = readCheckpoint(read.text);
    if (endorsements(read, keys).length > 0 && checkpoint.size === size) return checkpoint;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw broken(`Its checkpoint of ${size} entries is none: ${messageOf(error)}.`, { size }, error);
  }
  throw broken(`Its checkpoint of ${size} entries was not signed by this installation.`, { size });
}

function compare(signed: ReturnType<typeof readCheckpoint>, edge: Edge): void {
  const root = edge.root();
  if (isEqual(root, signed.root)) return;
  const [has, was] = [root, signed.root].map((hash) => Buffer.from(hash).toString("base64"));
  throw broken(`Its first ${signed.size} entries have the root ${has}; signed was ${was}.`, { size: signed.size });
}

function broken(detail: string, facts: Readonly<Record<string, number>>, cause?: unknown): MaestroError {
  return new MaestroError("ledger_broken", `The ledger is not the one that was signed. ${detail}`, { facts, cause });
}
