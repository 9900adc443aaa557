import assert from "node:assert/strict";
import { it } from "node:test";
import { pooledRandomBytes } from "./random-bytes.ts";

it("gives every byte out once, in pieces of any size", () => {
  const take = pooledRandomBytes();
  const seen = new Set<string>();
  for (let i = 0; i < 5_000; i++) {
    const piece = take(10);
    assert.equal(piece.length, 10);
    seen.add(Buffer.from(piece).toString("hex"));
  }
  assert.equal(seen.size, 5_000);
  assert.equal(take(10_000).length, 10_000);
});
