import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MaestroError } from "../core/problem.ts";
import type { StorePlace } from "./contract-place.ts";
import { sharedStore } from "./contract-place.ts";
import type { LedgerEntry, LedgerRow } from "./ledger.ts";
import { begin, sampleId, sampleRun } from "./sample.ts";
import type { Store } from "./store.ts";

/** What every store has to promise about the ledger: appended with what it is about, in order, and never taken back. */
export function testLedger(name: string, makePlace: () => Promise<StorePlace>): void {
  describe(`${name}: ledger`, () => {
    let store: Store;
    const reopen = sharedStore(makePlace, (opened) => (store = opened));
    let next = 0;
    const entry = (run: string | null = null): LedgerEntry => ({
      kind: run === null ? "note" : "receipt",
      run,
      text: `{"n":${(next += 1)},"ü":"ß"}`,
    });
    const all = async (): Promise<readonly LedgerRow[]> => store.ledger.entries({ from: 0, limit: 1_000 });

    it("is empty at first", async () => {
      assert.equal(await store.ledger.size(), 0);
      assert.deepEqual(await all(), []);
      assert.equal(await store.ledger.checkpoint(), undefined);
    });

    it("keeps the order of commits, and of entries within one", async () => {
      const entries = Array.from({ length: 9 }, (_, i) => entry(i % 2 === 0 ? null : sampleId(i)));
      await store.commit({ runs: [], ledger: entries.slice(0, 2) });
      await Promise.all([
        store.commit({ runs: [], ledger: entries.slice(2, 7) }),
        store.commit({ runs: [], ledger: entries.slice(7) }),
      ]);
      assert.deepEqual(
        await all(),
        entries.map((one, i) => ({ place: i, ...one })),
      );
      assert.equal(await store.ledger.size(), 9);
      assert.deepEqual(
        (await store.ledger.entries({ from: 3, limit: 2 })).map((row) => row.place),
        [3, 4],
      );
    });

    it("is asked for one run", async () => {
      const run = sampleId(500);
      const size = await store.ledger.size();
      await store.commit({ runs: [], ledger: [entry(run), entry(), entry(run)] });
      const places = async (from: number): Promise<readonly number[]> =>
        (await store.ledger.entries({ run, from, limit: 10 })).map((row) => row.place);
      assert.deepEqual(await places(0), [size, size + 2]);
      assert.deepEqual(await places(size + 1), [size + 2]);
    });

    it("gets nothing of a commit that is refused, and has no gap after it", async () => {
      const before = await all();
      const run = begin(sampleRun(800));
      await store.commit({ runs: [run] });
      await assert.rejects(
        store.commit({ runs: [run], ledger: [entry(run.id)] }),
        (error) => error instanceof MaestroError && error.code === "run_conflict",
      );
      const added = entry();
      await store.commit({ runs: [], ledger: [added] });
      assert.deepEqual(await all(), [...before, { place: before.length, ...added }]);
    });

    it("keeps checkpoints that grow, and the hashes with them or neither", async () => {
      const sign = async (size: number, place: number): Promise<void> =>
        store.ledger.sign({ size, note: `note of ${size}`, signedAt: size }, [
          { level: 1, place, hash: `hash ${place}` },
          { level: 2, place, hash: `upper ${place}` },
        ]);
      await sign(3, 0);
      await sign(5, 1);
      assert.deepEqual(await store.ledger.checkpoint(), { size: 5, note: "note of 5", signedAt: 5 });
      for (const size of [5, 4])
        await assert.rejects(
          sign(size, 2),
          (error) => error instanceof MaestroError && error.code === "conflict" && error.facts["newest"] === 5,
        );
      assert.deepEqual(await store.ledger.hashes({ level: 1, from: 0, limit: 10 }), ["hash 0", "hash 1"]);
      assert.deepEqual(await store.ledger.hashes({ level: 2, from: 1, limit: 10 }), ["upper 1"]);
      assert.deepEqual(await store.ledger.hashes({ level: 3, from: 0, limit: 10 }), []);
    });

    it("is there when it is opened again, and goes on", async () => {
      const before = await all();
      await reopen();
      assert.deepEqual(await all(), before);
      const added = entry();
      await store.commit({ runs: [], ledger: [added] });
      assert.deepEqual((await all()).at(-1), { place: before.length, ...added });
      assert.equal((await store.ledger.checkpoint())?.size, 5);
      assert.equal((await store.ledger.checkpoint(4))?.size, 5);
      assert.equal((await store.ledger.checkpoint(1))?.size, 3);
      assert.equal(await store.ledger.checkpoint(6), undefined);
    });
  });
}
