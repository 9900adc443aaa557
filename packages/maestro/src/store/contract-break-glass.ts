import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { BreakGlassRow } from "./break-glass.ts";
import type { StorePlace } from "./contract-place.ts";
import { sharedStore } from "./contract-place.ts";
import type { Store } from "./store.ts";

/** What every store has to promise about who went past the policy: it is kept, and ends once. */
export function testBreakGlass(name: string, makePlace: () => Promise<StorePlace>): void {
  describe(`${name}: break-glass`, () => {
    let store: Store;
    const reopen = sharedStore(makePlace, (opened) => (store = opened));
    const row = (id: string, from: number, until: number): BreakGlassRow => ({
      id,
      subject: "user:anna",
      namespace: "shop",
      reason: "the decision point is down and orders stand still",
      from,
      until,
      endedAt: null,
      endedBy: null,
    });

    it("is open from its beginning until its time is over, also for the next engine", async () => {
      const one = row("b_1", 1_000, 2_000);
      await store.breakGlass.put(one);
      assert.deepEqual(await store.breakGlass.open(1_999), [one]);
      assert.deepEqual(await store.breakGlass.open(2_000), []);
      await reopen();
      assert.deepEqual(await store.breakGlass.open(1_999), [one]);
      assert.deepEqual(await store.breakGlass.get("b_1"), one);
    });

    it("ends once, before its time, and stays on record", async () => {
      await store.breakGlass.put(row("b_2", 5_000, 9_000));
      const ended = await store.breakGlass.end("b_2", { at: 6_000, by: "user:bob" });
      assert.deepEqual([ended.endedAt, ended.endedBy], [6_000, "user:bob"]);
      assert.deepEqual(await store.breakGlass.open(6_001), []);
      assert.deepEqual(
        (await store.breakGlass.list(10)).map(({ id, endedAt }) => [id, endedAt]),
        [
          ["b_2", 6_000],
          ["b_1", null],
        ],
      );
      await assert.rejects(store.breakGlass.end("b_2", { at: 7_000, by: "user:eve" }), { code: "conflict" });
      await assert.rejects(store.breakGlass.end("b_3", { at: 7_000, by: "user:eve" }), { code: "not_found" });
      assert.equal((await store.breakGlass.get("b_2"))?.endedBy, "user:bob");
    });

    it("is over until somebody notices, which happens once", async () => {
      const late = row("b_4", 20_000, 30_000);
      await store.breakGlass.put(late);
      const names = async (now: number): Promise<readonly string[]> =>
        (await store.breakGlass.over(now)).map(({ id }) => id);
      assert.deepEqual(await names(29_999), ["b_1"]);
      assert.deepEqual(await names(30_000), ["b_1", "b_4"]);
      const ended = { ...late, endedAt: 30_000 };
      assert.deepEqual(await store.breakGlass.end("b_4", { at: 30_000, by: null }), ended);
      await assert.rejects(store.breakGlass.end("b_4", { at: 30_000, by: null }), { code: "conflict" });
      assert.deepEqual(await store.breakGlass.get("b_4"), ended);
      assert.deepEqual(await names(30_000), ["b_1"]);
    });
  });
}
