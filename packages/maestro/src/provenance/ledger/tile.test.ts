import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { leafDigest } from "../../core/digest.ts";
import type { Hash } from "../../core/merkle.ts";
import { inclusionProof, rootFromInclusion, rootOf, subtreeHash } from "../../core/merkle.ts";
import type { Tile } from "./tile.ts";
import { parseTilePath, readEntries, subtreesOf, tilePath, tilesOf, writeEntries } from "./tile.ts";

describe("the path of a tile", () => {
  for (const [tile, path] of [
    [{ level: 0, index: 0, width: 256 }, "tile/0/000"],
    [{ level: 0, index: 1_234_067, width: 256 }, "tile/0/x001/x234/067"],
    [{ level: 2, index: 1_000, width: 17 }, "tile/2/x001/000.p/17"],
    [{ level: "entries", index: 273, width: 112 }, "tile/entries/273.p/112"],
    [{ level: 63, index: 0, width: 1 }, "tile/63/000.p/1"],
  ] as const) {
    it(`is ${path}`, () => {
      assert.equal(tilePath(tile), path);
      assert.deepEqual(parseTilePath(path), tile);
    });
  }

  it("comes back, whatever the tile", () => {
    const tiles = fc.record({
      level: fc.oneof(fc.constant("entries" as const), fc.nat({ max: 63 })),
      index: fc.nat({ max: 999_999_999_999_999 }),
      width: fc.integer({ min: 1, max: 256 }),
    });
    fc.assert(fc.property(tiles, (tile) => assert.deepEqual(parseTilePath(tilePath(tile)), { ...tile })));
  });

  for (const path of [
    "",
    "tile",
    "tile/0",
    "tile/0/0",
    "tile/00/000",
    "tile/64/000",
    "tile/-1/000",
    "tile/0/x000/001",
    "tile/0/001/002",
    "tile/0/000.p/0",
    "tile/0/000.p/256",
    "tile/0/000.p/01",
    "tile/0/../checkpoint",
    "tile/0/000/",
    "tile/entries/x001",
    `tile/0/${"x999/".repeat(9)}999`,
  ]) {
    it(`is not ${path}`, () => {
      assert.equal(parseTilePath(path), undefined);
    });
  }
});

describe("the tiles of a tree", () => {
  it("of 70,000 entries are those of the standard's own example", () => {
    const partial = [...tilesOf(70_000)].filter(({ width }) => width < 256).map((tile) => tilePath(tile));
    assert.deepEqual(partial, ["tile/entries/273.p/112", "tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]);
    assert.equal([...tilesOf(70_000)].length, 274 * 2 + 2 + 1);
    assert.deepEqual(
      [...tilesOf(256)].map((tile) => tilePath(tile)),
      ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"],
    );
    assert.deepEqual([...tilesOf(0)], []);
  });

  it("are enough for its root and for every proof, at sizes around the edges of tiles", () => {
    const leaves = Array.from({ length: 66_050 }, (_, i) => leafDigest(Buffer.from(`entry ${i}`)));
    for (const size of [1, 2, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 66_050]) {
      const read = subtreesOf(size, (tile) => hashesOf(leaves.slice(0, size), tile));
      const root = rootOf(size, read);
      for (const index of new Set([0, size >> 1, Math.max(0, size - 257), size - 1])) {
        const proof = inclusionProof(index, size, read);
        assert.deepEqual(rootFromInclusion(leaves[index]!, { index, size }, proof), root, `${index} in ${size}`);
      }
    }
  });
});

describe("an entry bundle", () => {
  it("comes back, whatever the entries", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 600 }), { maxLength: 20 }), (entries) => {
        const bytes = writeEntries(entries);
        assert.deepEqual(
          readEntries(bytes),
          entries.map((entry) => Buffer.from(entry)),
        );
        if (bytes.length > 0 && entries.at(-1)!.length > 0)
          assert.throws(() => readEntries(bytes.subarray(0, -1)), { name: "SyntaxError", message: /within an entry/ });
      }),
    );
  });

  it("has no entry that its length cannot say", () => {
    assert.equal(writeEntries([new Uint8Array(65_535)]).length, 65_537);
    assert.throws(() => writeEntries([new Uint8Array(65_536)]), /an entry of 65536 bytes does not fit/);
    assert.throws(() => readEntries(Buffer.of(0)), /within an entry/);
  });
});

/** By the standard's formula: MTH(D[(n * 256 + i) * 256**l : (n * 256 + i + 1) * 256**l]). */
function hashesOf(
  leaves: readonly Hash[],
  { level, index, width }: Tile & { readonly level: number },
): readonly Hash[] {
  const span = 256 ** level;
  return Array.from({ length: width }, (_, i) => {
    const from = (index * 256 + i) * span;
    return subtreeHash(leaves.slice(from, from + span));
  });
}
