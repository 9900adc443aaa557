import type { Hash, ReadSubtree } from "../../core/merkle.ts";
import { subtreeHash } from "../../core/merkle.ts";

// Tiles (c2sp.org/tlog-tiles): the tree in pieces of eight levels that never change once they are full.

/** Hashes, or entries, in a full tile. */
export const TILE_WIDTH = 256;
const TILE_LEVELS = 8;
/** An entry's length is written in two bytes. */
export const MAX_ENTRY_BYTES = 65_535;
const MAX_LEVEL = 63;

/** Which tile: at level 0 hashes of leaves, above each hash is that of a full tile one level below. */
export interface Tile {
  readonly level: number | "entries";
  readonly index: number;
  /** 1 to 255 where the tree ends within it, 256 where it is full. */
  readonly width: number;
}

/** `tile/0/x001/x234/067.p/112`. */
export function tilePath({ level, index, width }: Tile): string {
  const digits = String(index);
  const parts = digits.padStart(Math.ceil(digits.length / 3) * 3, "0").match(/\d{3}/g) ?? [];
  const last = parts.pop() ?? "000";
  const path = [...parts.map((part) => `x${part}`), last].join("/");
  return `tile/${level}/${path}${width === TILE_WIDTH ? "" : `.p/${width}`}`;
}

/** The inverse of `tilePath`; undefined for what is no path of a tile. */
export function parseTilePath(path: string): Tile | undefined {
  const [, level, parts, width] =
    /^tile\/(entries|\d{1,2})\/((?:x\d{3}\/){0,4}\d{3})(?:\.p\/(\d{1,3}))?$/.exec(path) ?? [];
  if (level === undefined || parts === undefined) return undefined;
  const tile: Tile = {
    level: level === "entries" ? level : Number(level),
    index: Number(parts.replace(/[x/]/g, "")),
    width: width === undefined ? TILE_WIDTH : Number(width),
  };
  const isPlace = tile.level === "entries" || tile.level <= MAX_LEVEL;
  // What is written in two ways, with zeros in front for one, is not served in two.
  return isPlace && tile.width > 0 && tilePath(tile) === path ? tile : undefined;
}

/** All tiles of a tree of that size, entries first. */
export function* tilesOf(size: number): Generator<Tile> {
  for (const level of ["entries", 0] as const) yield* row(level, size);
  for (let level = 1, count = Math.floor(size / TILE_WIDTH); count > 0; level++, count = Math.floor(count / TILE_WIDTH))
    yield* row(level, count);
}

function* row(level: Tile["level"], count: number): Generator<Tile> {
  for (let index = 0; index * TILE_WIDTH < count; index++)
    yield { level, index, width: Math.min(TILE_WIDTH, count - index * TILE_WIDTH) };
}

/** How many hashes a level of tiles has in a tree of that size. */
export function hashesAt(level: number, size: number): number {
  return Math.floor(size / TILE_WIDTH ** level);
}

/** Hashes of the tree of that size, read from its tiles: `read` gives the hashes of one, as many as its width says. */
export function subtreesOf(
  size: number,
  read: (tile: Tile & { readonly level: number }) => readonly Hash[],
): ReadSubtree {
  const known = new Map<string, readonly Hash[]>();
  return (level, index) => {
    const tileLevel = Math.floor(level / TILE_LEVELS);
    const count = 2 ** (level % TILE_LEVELS);
    const first = index * count;
    const tile = {
      level: tileLevel,
      index: Math.floor(first / TILE_WIDTH),
      width: Math.min(TILE_WIDTH, hashesAt(tileLevel, size) - Math.floor(first / TILE_WIDTH) * TILE_WIDTH),
    };
    const path = tilePath(tile);
    const hashes = known.get(path) ?? read(tile);
    known.set(path, hashes);
    return subtreeHash(hashes.slice(first % TILE_WIDTH, (first % TILE_WIDTH) + count));
  };
}

/** An entry bundle: each entry behind its length in two bytes, the larger first. */
export function writeEntries(entries: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    entries.flatMap((entry) => {
      if (entry.length > MAX_ENTRY_BYTES)
        throw new RangeError(`an entry of ${entry.length} bytes does not fit a ledger`);
      return [Uint8Array.of(entry.length >> 8, entry.length & 0xff), entry];
    }),
  );
}

/** The inverse. Throws a SyntaxError where the bytes end within an entry. */
export function readEntries(bytes: Buffer): readonly Buffer[] {
  const entries: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + 2 + (at + 2 <= bytes.length ? bytes.readUInt16BE(at) : 0);
    if (at + 2 > bytes.length || end > bytes.length) throw new SyntaxError("it ends within an entry");
    entries.push(bytes.subarray(at + 2, end));
    at = end;
  }
  return entries;
}
