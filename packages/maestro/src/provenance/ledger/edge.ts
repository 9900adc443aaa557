import type { Hash } from "../../core/merkle.ts";
import { rootOf, subtreeHash } from "../../core/merkle.ts";
import type { TileHash } from "../../store/ledger.ts";
import { subtreesOf, TILE_WIDTH } from "./tile.ts";

/** The right edge of a growing tree: of each level of tiles the one that is not full. It is all that appending and the root need. */
export class Edge {
  #size = 0;
  /** From level 0 up; never 256 of them. */
  #levels: Hash[][] = [[]];

  get size(): number {
    return this.#size;
  }

  /** The next leaf. `full` is told the hash over each tile that it fills. */
  add(leaf: Hash, full: (hash: TileHash) => void): void {
    this.#size += 1;
    this.#put(leaf, 0, full);
  }

  /** The hash over the next full tile of leaves, where the leaves themselves are not asked for: only between tiles. */
  addTile(hash: Hash, full: (hash: TileHash) => void): void {
    this.#size += TILE_WIDTH;
    this.#put(hash, 1, full);
  }

  #put(hash: Hash, level: number, full: (hash: TileHash) => void): void {
    const tile = (this.#levels[level] ??= []);
    tile.push(hash);
    if (tile.length < TILE_WIDTH) return;
    this.#levels[level] = [];
    const above = subtreeHash(tile);
    const place = this.#size / TILE_WIDTH ** (level + 1) - 1;
    full({ level: level + 1, place, hash: Buffer.from(above).toString("base64") });
    this.#put(above, level + 1, full);
  }

  root(): Hash {
    return rootOf(
      this.#size,
      subtreesOf(this.#size, ({ level }) => this.#levels[level]!),
    );
  }

  copy(): Edge {
    const copy = new Edge();
    copy.become(this);
    return copy;
  }

  become(other: Edge): void {
    this.#size = other.#size;
    this.#levels = other.#levels.map((tile) => [...tile]);
  }
}
