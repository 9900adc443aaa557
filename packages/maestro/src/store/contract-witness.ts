import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { StorePlace } from "./contract-place.ts";
import { sharedStore } from "./contract-place.ts";
import type { Store } from "./store.ts";
import type { CosignatureRow, WitnessRow } from "./witness.ts";

/** What every store has to promise about what others say of the ledger. */
export function testWitness(name: string, makePlace: () => Promise<StorePlace>): void {
  describe(`${name}: witnesses and timestamps`, () => {
    let store: Store;
    const reopen = sharedStore(makePlace, (opened) => (store = opened));
    const line = (size: number, witness: string): CosignatureRow => ({
      size,
      witness,
      line: `— ${witness} ${size}\n`,
      cosignedAt: 1_763_700_000 + size,
    });

    it("finds a checkpoint by its size", async () => {
      await store.ledger.sign({ size: 3, note: "note of 3", signedAt: 3 }, []);
      await store.ledger.sign({ size: 8, note: "note of 8", signedAt: 8 }, []);
      assert.deepEqual(await store.witness.checkpoint(3), { size: 3, note: "note of 3", signedAt: 3 });
      assert.equal(await store.witness.checkpoint(4), undefined);
    });

    it("keeps the first line of each witness, by their names", async () => {
      await store.witness.cosign(line(3, "w2"));
      await store.witness.cosign(line(3, "w1"));
      await store.witness.cosign({ ...line(3, "w1"), line: "— another\n" });
      await store.witness.cosign(line(8, "w1"));
      assert.deepEqual(await store.witness.cosignatures(3), [line(3, "w1"), line(3, "w2")]);
      assert.deepEqual(await store.witness.cosignatures(4), []);
    });

    it("finds the first checkpoint beyond a place under which enough witnesses stand", async () => {
      assert.equal(await store.witness.cosignedAfter(0, 1), 3);
      assert.equal(await store.witness.cosignedAfter(2, 2), 3);
      assert.equal(await store.witness.cosignedAfter(3, 1), 8);
      assert.equal(await store.witness.cosignedAfter(3, 2), undefined);
      assert.equal(await store.witness.cosignedAfter(8, 1), undefined);
    });

    it("keeps timestamps, and finds the first beyond a place, and the newest", async () => {
      assert.equal(await store.witness.newestStamp(), undefined);
      const stamp = (size: number) => ({ size, reply: "AAAA", stampedAt: size * 1_000 });
      await store.witness.stamp(stamp(3));
      await store.witness.stamp({ ...stamp(3), reply: "BBBB" });
      await store.witness.stamp(stamp(8));
      assert.deepEqual(await store.witness.stampedAfter(2), stamp(3));
      assert.deepEqual(await store.witness.stampedAfter(3), stamp(8));
      assert.equal(await store.witness.stampedAfter(8), undefined);
      assert.deepEqual(await store.witness.newestStamp(), stamp(8));
    });

    it("knows how each witness was met last, also when it is opened again", async () => {
      const met: WitnessRow = { name: "w2", size: 0, outcome: "unreachable", detail: "nobody there", at: 1 };
      await store.witness.met(met);
      await store.witness.met({ ...met, name: "w1" });
      await store.witness.met({ ...met, size: 8, outcome: "cosigned", detail: "", at: 2 });
      await reopen();
      assert.deepEqual(await store.witness.all(), [
        { ...met, name: "w1" },
        { name: "w2", size: 8, outcome: "cosigned", detail: "", at: 2 },
      ]);
      assert.equal((await store.witness.cosignatures(3)).length, 2);
    });
  });
}
