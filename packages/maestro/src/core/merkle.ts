import { nodeDigest, sha256Bytes } from "./digest.ts";

// The Merkle tree of RFC 6962, section 2: hashes of entries in the order they came, hashed in pairs to one root.

/** SHA-256: 32 bytes. */
export type Hash = Uint8Array;

/**
 * The hash over a complete subtree: the `2^level` leaves from `index * 2^level` on. At level 0 those of the leaves
 * themselves. Asked only for subtrees that lie within the tree.
 */
export type ReadSubtree = (level: number, index: number) => Hash;

/** MTH(D[size]); the root of an empty tree is the hash of nothing. */
export function rootOf(size: number, read: ReadSubtree): Hash {
  return size === 0 ? EMPTY_ROOT : hashOf(0, size, read);
}

/**
 * PATH(index, D[size]): what, hashed with the leaf, gives the root; from the leaf upwards.
 * Throws a RangeError where the leaf is not in a tree of that size.
 */
export function inclusionProof(index: number, size: number, read: ReadSubtree): readonly Hash[] {
  if (!Number.isSafeInteger(index) || index < 0 || index >= size)
    throw new RangeError(`leaf ${index} is not in a tree of ${size}`);
  return pathOf(index, 0, size, read);
}

/**
 * PROOF(from, D[to]): that the tree of `to` leaves begins with the tree of `from`. Empty for 0 and for the same size.
 * Throws a RangeError where `from` is beyond `to`.
 */
export function consistencyProof(from: number, to: number, read: ReadSubtree): readonly Hash[] {
  if (!Number.isSafeInteger(from) || from < 0 || from > to)
    throw new RangeError(`a tree of ${to} cannot begin with one of ${from}`);
  return from === 0 || from === to ? [] : subproofOf(from, 0, to, true, read);
}

/** The root that a leaf and its proof lead to (RFC 9162, 2.1.3.2); undefined where the proof has another length than its place asks for. */
export function rootFromInclusion(
  leaf: Hash,
  place: { readonly index: number; readonly size: number },
  proof: readonly Hash[],
): Hash | undefined {
  const { index, size } = place;
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) return undefined;
  let node = index;
  let last = size - 1;
  let hash = leaf;
  for (const sibling of proof) {
    if (last === 0) return undefined;
    if (isOdd(node) || node === last) {
      hash = nodeDigest(sibling, hash);
      // Levels where this subtree has no sibling on its right.
      while (!isOdd(node) && node !== 0) [node, last] = [half(node), half(last)];
    } else {
      hash = nodeDigest(hash, sibling);
    }
    [node, last] = [half(node), half(last)];
  }
  return last === 0 ? hash : undefined;
}

/** Whether the tree of `to` leaves begins with the tree of `from` (RFC 9162, 2.1.4.2). */
export function isConsistent(
  from: { readonly size: number; readonly root: Hash },
  to: { readonly size: number; readonly root: Hash },
  proof: readonly Hash[],
): boolean {
  if (!Number.isSafeInteger(from.size) || !Number.isSafeInteger(to.size) || from.size < 0 || from.size > to.size)
    return false;
  if (from.size === 0) return proof.length === 0 && isEqual(from.root, EMPTY_ROOT);
  if (from.size === to.size) return proof.length === 0 && isEqual(from.root, to.root);
  // Where the smaller tree is complete its root is the proof's first hash, and is left out of it.
  const [first, ...rest] = isPowerOfTwo(from.size) ? [from.root, ...proof] : proof;
  if (first === undefined) return false;
  let node = from.size - 1;
  let last = to.size - 1;
  while (isOdd(node)) [node, last] = [half(node), half(last)];
  let older = first;
  let newer = first;
  for (const hash of rest) {
    if (last === 0) return false;
    if (isOdd(node) || node === last) {
      older = nodeDigest(hash, older);
      newer = nodeDigest(hash, newer);
      while (!isOdd(node) && node !== 0) [node, last] = [half(node), half(last)];
    } else {
      newer = nodeDigest(newer, hash);
    }
    [node, last] = [half(node), half(last)];
  }
  return last === 0 && isEqual(older, from.root) && isEqual(newer, to.root);
}

/** The hash over leaves that make a complete subtree; their number is a power of two. */
export function subtreeHash(leaves: readonly Hash[]): Hash {
  let row = leaves;
  while (row.length > 1)
    row = Array.from({ length: row.length / 2 }, (_, i) => nodeDigest(row[2 * i]!, row[2 * i + 1]!));
  return row[0]!;
}

export function isEqual(one: Hash, other: Hash): boolean {
  return one.length === other.length && one.every((byte, i) => byte === other[i]);
}

/** SHA-256 of nothing. */
const EMPTY_ROOT: Hash = sha256Bytes(new Uint8Array(0));

function hashOf(from: number, to: number, read: ReadSubtree): Hash {
  const count = to - from;
  if (isPowerOfTwo(count)) return read(Math.log2(count), from / count);
  const middle = from + splitOf(count);
  return nodeDigest(hashOf(from, middle, read), hashOf(middle, to, read));
}

function pathOf(index: number, from: number, to: number, read: ReadSubtree): readonly Hash[] {
  if (to - from === 1) return [];
  const middle = from + splitOf(to - from);
  return index < middle
    ? [...pathOf(index, from, middle, read), hashOf(middle, to, read)]
    : [...pathOf(index, middle, to, read), hashOf(from, middle, read)];
}

/** `isWhole`: the subtree is one of the smaller tree, whose root the verifier has. */
function subproofOf(size: number, from: number, to: number, isWhole: boolean, read: ReadSubtree): readonly Hash[] {
  if (size === to) return isWhole ? [] : [hashOf(from, to, read)];
  const middle = from + splitOf(to - from);
  return size <= middle
    ? [...subproofOf(size, from, middle, isWhole, read), hashOf(middle, to, read)]
    : [...subproofOf(size, middle, to, false, read), hashOf(from, middle, read)];
}

/** The largest power of two below `count`. */
function splitOf(count: number): number {
  let split = 1;
  while (split * 2 < count) split *= 2;
  return split;
}

function isPowerOfTwo(count: number): boolean {
  return count === 1 || splitOf(count) * 2 === count;
}

// Sizes are beyond 32 bits, where bit operators end.
function isOdd(value: number): boolean {
  return value % 2 === 1;
}

function half(value: number): number {
  return Math.floor(value / 2);
}
