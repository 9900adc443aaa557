import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkRun } from "./check-run.ts";
import type { StorePlace } from "./contract-place.ts";
import { sharedStore } from "./contract-place.ts";
import type { EndedRun, Hold, Part, Removal } from "./retention.ts";
import { begin, goOn, sampleCache, sampleEvents, sampleReceipt, sampleRun, START } from "./sample.ts";
import type { RunAppend, RunRow, Store } from "./store.ts";

/** What every store has to promise about removing: by record only, never what is held, never what runs. */
export function testRetention(name: string, makePlace: () => Promise<StorePlace>): void {
  describe(`${name}: retention`, () => {
    let store: Store;
    sharedStore(makePlace, (opened) => (store = opened));
    let next = 0;
    const ended = async (changes: Partial<RunRow> = {}): Promise<RunAppend & { readonly row: RunRow }> => {
      const append = begin(
        sampleRun((next += 1), { status: "succeeded", endedAt: START + next + 5, ...changes }),
        sampleEvents(1, 4),
      );
      await store.commit({ runs: [append], receipts: [sampleReceipt(append.id, 1)] });
      return append;
    };
    const removal = (row: RunRow, part: Part, at = START): Removal => ({
      run: row.id,
      part,
      seq: row.seq,
      head: row.head,
      removedAt: at,
      removedBy: "local:ada",
      policy: `${part} 1d`,
    });
    const all = async (limit = 100): Promise<readonly EndedRun[]> => {
      const found: EndedRun[] = [];
      for (let last = { createdAt: 0, id: "" }; ; last = found.at(-1) ?? last) {
        const page = await store.retention.endedRuns({ after: last, until: START + 1e9, limit });
        found.push(...page);
        if (page.length < limit) return found;
      }
    };
    const seen = async (id: string): Promise<EndedRun | undefined> => (await all()).find((run) => run.id === id);

    it("lists runs that have ended, oldest first, in pages, and up to an instant", async () => {
      const rows = [await ended(), await ended(), await ended()].map(({ row }) => row);
      const active = begin(sampleRun((next += 1)));
      await store.commit({ runs: [active] });
      const listed = await all(2);
      assert.deepEqual(
        listed.filter(({ id }) => rows.some((row) => row.id === id)).map(({ id }) => id),
        rows.map(({ id }) => id),
      );
      assert.equal(
        listed.some(({ id }) => id === active.id),
        false,
      );
      const [first] = rows as [RunRow, ...RunRow[]];
      const until = await store.retention.endedRuns({
        after: { createdAt: 0, id: "" },
        until: first.createdAt,
        limit: 9,
      });
      assert.deepEqual(
        until.map(({ id }) => id),
        [first.id],
      );
      assert.deepEqual(
        listed.find(({ id }) => id === first.id),
        {
          id: first.id,
          namespace: "default",
          createdAt: first.createdAt,
          endedAt: first.endedAt,
          seq: 4,
          head: first.head,
          removed: [],
          held: false,
          needed: false,
        },
      );
    });

    it("removes events by their record, and the run says so; the receipt stays", async () => {
      const { row, events } = await ended();
      const result = await store.retention.remove([removal(row, "events")]);
      assert.deepEqual(result.done, [removal(row, "events")]);
      assert.ok(result.rows > 0);
      assert.deepEqual(await store.runEvents(row.id, { afterSeq: 0, limit: 9 }), []);
      assert.deepEqual(await store.runGet(row.id), row);
      assert.deepEqual(await store.receiptGet(row.id), sampleReceipt(row.id, 1));
      assert.deepEqual(await store.retention.removalOf(row.id, "events"), removal(row, "events"));
      assert.deepEqual((await seen(row.id))?.removed, ["events"]);
      const mark = await store.retention.removalOf(row.id, "events");
      checkRun(row, [], mark);
      assert.throws(() => checkRun(row, []), { code: "store_corrupt" });
      assert.throws(() => checkRun({ ...row, seq: 5 }, [], mark), { code: "store_corrupt" });
      assert.throws(() => checkRun(row, [{ seq: 1, text: events[0] ?? "" }], mark), { code: "store_corrupt" });
      assert.deepEqual((await store.retention.remove([removal(row, "events")])).done, [], "nothing is removed twice");
    });

    it("removes nothing of a run that works, went on, or is unknown", async () => {
      const active = begin(sampleRun((next += 1)));
      const { row } = await ended();
      const wenton = goOn(row, sampleEvents(5, 1), { status: "failed" });
      await store.commit({ runs: [active, wenton] });
      const unknown = { ...row, id: "r_unknown" };
      const result = await store.retention.remove(
        [active.row, row, unknown].flatMap((one) => [removal(one, "events"), removal(one, "receipts")]),
      );
      assert.deepEqual(result, { done: [], rows: 0 });
      assert.equal((await store.runEvents(row.id, { afterSeq: 0, limit: 9 })).length, 5);
      assert.equal((await store.runEvents(active.id, { afterSeq: 0, limit: 9 })).length, 2);
      assert.deepEqual(await store.runGet(row.id), wenton.row);
    });

    it("can remove again what a run that went on has gathered since", async () => {
      const { row } = await ended();
      await store.retention.remove([removal(row, "logs")]);
      assert.deepEqual((await seen(row.id))?.removed, ["logs"]);
      const again = goOn(row, sampleEvents(5, 1), { status: "failed" });
      await store.commit({ runs: [again] });
      assert.deepEqual((await seen(row.id))?.removed, []);
      await store.retention.remove([removal(again.row, "logs", START + 1)]);
      assert.deepEqual((await seen(row.id))?.removed, ["logs"]);
      assert.equal((await store.retention.removalOf(row.id, "logs"))?.removedAt, START + 1);
    });

    it("takes cached results along with artifacts, and the whole run with its receipts", async () => {
      const { row } = await ended({ labels: { gone: "soon" }, idempotencyKey: "once-gone" });
      const kept = sampleCache(501);
      const cache = sampleCache(500, { run: row.id });
      await store.commit({ runs: [], cache: [cache, kept] });
      await store.retention.remove([removal(row, "artifacts")]);
      assert.equal(await store.cacheGet(cache.key, START), undefined);
      assert.deepEqual(await store.cacheGet(kept.key, START), kept);
      const result = await store.retention.remove([removal(row, "events"), removal(row, "receipts")]);
      assert.equal(result.done.length, 2);
      assert.equal(await store.runGet(row.id), undefined);
      assert.equal(await store.receiptGet(row.id), undefined);
      assert.equal(await store.runByKey("default", "once-gone"), undefined);
      assert.deepEqual((await store.runList({ label: { key: "gone", value: "soon" }, limit: 9 })).runs, []);
      assert.equal((await store.retention.removalOf(row.id, "receipts"))?.policy, "receipts 1d");
    });

    it("removes cached results that expired, in bounded parts", async () => {
      const expired = [601, 602, 603].map((n) => sampleCache(n, { expiresAt: START + 10 }));
      const lasting = sampleCache(604);
      await store.commit({ runs: [], cache: [...expired, lasting] });
      assert.equal(await store.retention.cacheExpire(START + 10, 2), 2);
      assert.equal(await store.retention.cacheExpire(START + 10, 2), 1);
      assert.deepEqual(await store.cacheGet(lasting.key, START), lasting);
    });

    describe("a legal hold", () => {
      const hold = (n: number, kind: Hold["kind"], target: string): Hold => ({
        id: `h_${n}`,
        kind,
        target,
        reason: "case 4711",
        placedBy: "local:ada",
        placedAt: START + n,
        releasedBy: null,
        releasedAt: null,
        releaseReason: null,
      });

      it("keeps a run, or a whole namespace, until it is released", async () => {
        const { row } = await ended();
        const other = await ended({ namespace: "court" });
        await store.retention.holdPut(hold(1, "run", row.id));
        await store.retention.holdPut(hold(2, "namespace", "court"));
        assert.equal((await seen(row.id))?.held, true);
        assert.equal((await seen(other.id))?.held, true);
        const wanted = [removal(row, "events"), removal(other.row, "receipts")];
        assert.deepEqual((await store.retention.remove(wanted)).done, []);
        await store.retention.holdRelease("h_1", { by: "local:bo", at: START + 9, reason: "settled" });
        assert.equal((await seen(row.id))?.held, false);
        assert.deepEqual((await store.retention.remove(wanted)).done, [wanted[0]]);
      });

      it("is placed once, released once, and stays on record", async () => {
        await assert.rejects(store.retention.holdPut(hold(3, "namespace", "court")), {
          code: "conflict",
          message: "The namespace court is under a legal hold already.",
        });
        await assert.rejects(store.retention.holdRelease("h_1", { by: "x", at: 1, reason: "" }), {
          code: "not_found",
          message: "The hold h_1 was released already.",
        });
        await assert.rejects(store.retention.holdRelease("h_9", { by: "x", at: 1, reason: "" }), {
          code: "not_found",
          message: "There is no hold h_9.",
        });
        const open = await store.retention.holdList({ open: true, limit: 9 });
        assert.deepEqual(
          open.map(({ id }) => id),
          ["h_2"],
        );
        const [, released] = await store.retention.holdList({ open: false, limit: 9 });
        assert.deepEqual([released?.id, released?.releasedBy, released?.releaseReason], ["h_1", "local:bo", "settled"]);
        await store.retention.holdPut(hold(4, "run", released?.target ?? ""));
        const { namespace = "" } = (await store.runGet(released?.target ?? "")) ?? {};
        const on = async (...namespaces: readonly string[]): Promise<readonly string[]> =>
          (await store.retention.holdList({ open: false, namespaces, limit: 9 })).map(({ id }) => id);
        assert.deepEqual(await on("court"), ["h_2"]);
        assert.deepEqual(await on(namespace), ["h_4", "h_1"]);
        assert.deepEqual(await on("court", namespace), ["h_4", "h_2", "h_1"]);
        assert.deepEqual(await on("nobody's"), []);
      });
    });

    it("keeps a record of passes, newest first", async () => {
      const pass = { startedAt: 1, endedAt: 2, startedBy: "engine", policy: "{}", removed: { runs: 2, blobs: 1 } };
      await store.retention.passPut(pass);
      await store.retention.passPut({ ...pass, startedAt: 3 });
      assert.deepEqual(await store.retention.passList(9), [{ ...pass, startedAt: 3 }, pass]);
    });

    it("gives the texts that may name blobs, and says where artifacts were removed", async () => {
      const text = '{"artifacts":[{"digest":"sha256:1"}]}';
      const append = begin(sampleRun((next += 1), { status: "failed", endedAt: START + 5 }), [text, "{}"]);
      await store.commit({ runs: [append] });
      await store.retention.remove([removal(append.row, "artifacts", START + 7)]);
      const texts = async (removedBefore: number): Promise<readonly boolean[]> => {
        const found: boolean[] = [];
        for (let at: number | null = 0; at !== null;) {
          const slice: Awaited<ReturnType<Store["retention"]["eventTexts"]>> = await store.retention.eventTexts({
            after: at,
            removedBefore,
          });
          for (const one of slice.texts) if (one.text.includes("sha256:1")) found.push(one.artifactsRemoved);
          at = slice.next;
        }
        return found;
      };
      assert.deepEqual(await texts(START + 7), [true]);
      assert.deepEqual(await texts(START + 6), [false]);
      const cache = await store.retention.cacheTexts({ after: 0 });
      assert.ok(cache.texts.length > 0 && cache.next === null);
    });
  });
}
