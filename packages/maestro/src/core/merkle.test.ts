import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { leafDigest, nodeDigest } from "./digest.ts";
import type { Hash, ReadSubtree } from "./merkle.ts";
import { consistencyProof, inclusionProof, isConsistent, rootFromInclusion, rootOf, subtreeHash } from "./merkle.ts";

const hex = (hash: Hash): string => Buffer.from(hash).toString("hex");

/** The entries and roots that implementations of Certificate Transparency test themselves with. */
const ENTRIES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
const ROOTS = [
  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

const leaves: readonly Hash[] = Array.from({ length: 600 }, (_, i) =>
  leafDigest(Buffer.from(ENTRIES[i] ?? `entry ${i}`, i < ENTRIES.length ? "hex" : "utf8")),
);
const read: ReadSubtree = (level, index) => subtreeHash(leaves.slice(index * 2 ** level, (index + 1) * 2 ** level));

/** The definition of RFC 6962, 2.1, as it is written, and nothing shared with the code under test but the two hashes. */
function definedRoot(of: readonly Hash[]): Hash {
  if (of.length === 1) return of[0]!;
  let split = 1;
  while (split * 2 < of.length) split *= 2;
  return nodeDigest(definedRoot(of.slice(0, split)), definedRoot(of.slice(split)));
}

const sizes = fc.integer({ min: 1, max: leaves.length });
const flipped = (hash: Hash): Hash => Uint8Array.from(hash, (byte, i) => (i === 7 ? byte ^ 1 : byte));

describe("the tree of the ledger", () => {
  it("has the roots that every implementation of RFC 6962 has", () => {
    assert.deepEqual(
      ROOTS.map((_, size) => hex(rootOf(size, read))),
      ROOTS,
    );
  });

  it("has the root of the definition at any size", () => {
    fc.assert(
      fc.property(sizes, (size) => {
        assert.equal(hex(rootOf(size, read)), hex(definedRoot(leaves.slice(0, size))));
      }),
      { numRuns: 60 },
    );
  });

  it("proves each leaf of each small tree, and nothing else", () => {
    for (let size = 1; size <= 40; size++) {
      const root = hex(rootOf(size, read));
      for (let index = 0; index < size; index++) {
        const proof = inclusionProof(index, size, read);
        const rootBy = (leaf: Hash, at: number, of: number, by: readonly Hash[]): string =>
          hex(rootFromInclusion(leaf, { index: at, size: of }, by) ?? new Uint8Array(0));
        assert.equal(rootBy(leaves[index]!, index, size, proof), root);
        assert.notEqual(rootBy(flipped(leaves[index]!), index, size, proof), root);
        assert.notEqual(rootBy(leaves[index]!, index, size, [...proof, leaves[0]!]), root, "a longer proof");
        if (proof.length > 0) assert.notEqual(rootBy(leaves[index]!, index, size, proof.slice(0, -1)), root);
        for (let other = 0; other < size; other++)
          if (other !== index) assert.notEqual(rootBy(leaves[index]!, other, size, proof), root);
        proof.forEach((_, at) => {
          assert.notEqual(rootBy(leaves[index]!, index, size, proof.with(at, flipped(proof[at]!))), root);
        });
      }
    }
  });

  it("proves that a tree begins with a smaller one, and nothing else", () => {
    for (let to = 1; to <= 40; to++) {
      const newer = { size: to, root: rootOf(to, read) };
      for (let from = 0; from <= to; from++) {
        const older = { size: from, root: rootOf(from, read) };
        const proof = consistencyProof(from, to, read);
        assert.equal(isConsistent(older, newer, proof), true, `${from} in ${to}`);
        assert.equal(isConsistent({ ...older, root: flipped(older.root) }, newer, proof), false);
        if (from > 0) assert.equal(isConsistent(older, { ...newer, root: flipped(newer.root) }, proof), false);
        assert.equal(isConsistent(older, newer, [...proof, newer.root]), false, "a longer proof");
        if (proof.length > 0) assert.equal(isConsistent(older, newer, proof.slice(0, -1)), false, "a shorter proof");
        proof.forEach((hash, at) => {
          assert.equal(isConsistent(older, newer, proof.with(at, flipped(hash))), false);
        });
      }
    }
  });

  it("proves both in larger trees", () => {
    fc.assert(
      fc.property(sizes, fc.nat(), fc.nat(), (size, a, b) => {
        const root = rootOf(size, read);
        const index = a % size;
        const from = b % (size + 1);
        assert.deepEqual(rootFromInclusion(leaves[index]!, { index, size }, inclusionProof(index, size, read)), root);
        const older = { size: from, root: rootOf(from, read) };
        assert.equal(isConsistent(older, { size, root }, consistencyProof(from, size, read)), true);
      }),
      { numRuns: 60 },
    );
  });

  it("refuses places that no tree has", () => {
    for (const index of [-1, 3, 1.5, Number.NaN])
      assert.throws(() => inclusionProof(index, 3, read), {
        name: "RangeError",
        message: `leaf ${index} is not in a tree of 3`,
      });
    assert.throws(() => consistencyProof(4, 3, read), /a tree of 3 cannot begin with one of 4/);
    assert.equal(rootFromInclusion(leaves[0]!, { index: 2, size: 2 }, []), undefined);
    assert.equal(isConsistent({ size: 3, root: ROOT3 }, { size: 2, root: ROOT3 }, []), false);
  });
});

const ROOT3 = Buffer.from(ROOTS[3]!, "hex");
