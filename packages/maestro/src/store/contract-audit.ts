import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { sha256 } from "../core/digest.ts";
import { MaestroError } from "../core/problem.ts";
import type { AuditQuery, AuditRow } from "./audit.ts";
import type { StorePlace } from "./contract-place.ts";
import { sharedStore } from "./contract-place.ts";
import { begin, sampleRun } from "./sample.ts";
import type { Store } from "./store.ts";

/** What every store has to promise about the audit: appended with what it is about, found by who and what, never taken back. */
export function testAudit(name: string, makePlace: () => Promise<StorePlace>): void {
  describe(`${name}: audit`, () => {
    let store: Store;
    const reopen = sharedStore(makePlace, (opened) => (store = opened));
    const row = (n: number): AuditRow => ({
      at: 1_000 + n,
      kind: n % 2 === 0 ? "change" : "refused",
      actor: `user ${n % 3}`,
      action: n % 4 === 0 ? "run.start" : "run.read",
      namespace: n % 5 === 0 ? null : `ns${n % 2}`,
      resource: `run/r_${n % 6}`,
      allow: n % 2 === 0,
      text: `{"n":${n},"ü":"ß"}`,
    });
    const ROWS = Array.from({ length: 60 }, (_, n) => ({ place: n, ...row(n) }));

    it("is empty at first", async () => {
      assert.equal(await store.audit.size(), 0);
      assert.deepEqual(await store.audit.list({ limit: 10 }), []);
      assert.deepEqual(await store.audit.page({ from: 0, limit: 10 }), []);
    });

    it("keeps the order of commits, and gets nothing of one that is refused", async () => {
      const run = begin(sampleRun(1));
      await store.commit({ runs: [run], audit: ROWS.slice(0, 20) });
      await assert.rejects(
        store.commit({ runs: [run], audit: [row(99)] }),
        (error) => error instanceof MaestroError && error.code === "run_conflict",
      );
      await Promise.all([
        store.commit({ runs: [], audit: ROWS.slice(20, 21) }),
        store.commit({ runs: [], audit: ROWS.slice(21) }),
      ]);
      assert.equal(await store.audit.size(), 60);
      assert.deepEqual(await store.audit.page({ from: 0, limit: 100 }), ROWS);
      assert.deepEqual(await store.audit.page({ from: 58, limit: 5 }), ROWS.slice(58));
      assert.deepEqual(await store.audit.page({ from: 60, limit: 5 }), []);
    });

    const filters: readonly (readonly [string, Omit<AuditQuery, "limit">, (one: AuditRow) => boolean])[] = [
      ["who", { actor: "user 1" }, ({ actor }) => actor === "user 1"],
      ["what", { action: "run.start" }, ({ action }) => action === "run.start"],
      ["to which", { resource: "run/r_3" }, ({ resource }) => resource === "run/r_3"],
      ["where", { namespaces: ["ns1"] }, ({ namespace }) => namespace === "ns1"],
      ["nowhere", { namespaces: [] }, () => false],
      ["when", { from: 1_010, to: 1_020 }, ({ at }) => at >= 1_010 && at < 1_020],
      ["of which kind", { kind: "refused" }, ({ kind }) => kind === "refused"],
      ["whether it was allowed", { allow: false }, ({ allow }) => !allow],
      [
        "all of these",
        { actor: "user 2", namespaces: ["ns0", "ns1"], allow: true, from: 1_005 },
        (one) => one.actor === "user 2" && one.namespace !== null && one.allow && one.at >= 1_005,
      ],
    ];
    for (const [what, query, fits] of filters) {
      it(`is found by ${what}, newest first, page after page`, async () => {
        const expected = ROWS.filter(fits).reverse();
        assert.deepEqual(await store.audit.list({ ...query, limit: 100 }), expected);
        const first = await store.audit.list({ ...query, limit: 3 });
        assert.deepEqual(first, expected.slice(0, 3));
        const last = first.at(-1);
        if (last === undefined) return;
        assert.deepEqual(await store.audit.list({ ...query, limit: 100, before: last.place }), expected.slice(3));
      });
    }

    it("keeps what the gate was asked once, as it was first", async () => {
      const digest = sha256("question");
      await store.commit({ runs: [], questions: [{ digest, text: "{}" }] });
      await store.commit({ runs: [], questions: [{ digest, text: "[]" }] });
      assert.deepEqual(await store.audit.question(digest), { digest, text: "{}" });
      assert.equal(await store.audit.question(sha256("another")), undefined);
    });

    it("is there when it is opened again, and goes on", async () => {
      await reopen();
      await store.commit({ runs: [], audit: [row(60)] });
      assert.deepEqual(
        (await store.audit.list({ limit: 2 })).map((one) => one.place),
        [60, 59],
      );
    });
  });
}
