import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MaestroError } from "../core/problem.ts";
import type { StorePlace } from "./contract-place.ts";
import { sharedStore } from "./contract-place.ts";
import { testLists } from "./contract-lists.ts";
import { testModel } from "./contract-model.ts";
import { checkRun } from "./check-run.ts";
import {
  begin,
  goOn,
  goOnQuietly,
  headAfter,
  sampleApproval,
  sampleCache,
  sampleEvents,
  sampleId,
  samplePlan,
  samplePublished,
  sampleReceipt,
  sampleRun,
  START,
} from "./sample.ts";
import { sha256 } from "../core/digest.ts";
import type { EventRow, PublishedRow, ReceiptKey, ReceiptRow, Store, WorkflowQuery } from "./store.ts";

/** The suite that every implementation of `Store` passes. */
export function testStore(name: string, makePlace: () => Promise<StorePlace>): void {
  describe(name, () => {
    let store: Store;
    const reopen = sharedStore(makePlace, (opened) => (store = opened));
    /** Every test has its own runs: no test sees another's. */
    let next = 0;
    const fresh = (changes: Parameters<typeof sampleRun>[1] = {}): ReturnType<typeof sampleRun> =>
      sampleRun((next += 1), changes);

    describe("commit()", () => {
      it("begins a run: row, labels and events are what was given", async () => {
        const row = fresh({
          waiting: "approval",
          labels: { team: "core", häufig: "ja/nein" },
          priority: -7,
          endedAt: START + 9,
          wakeAt: START + 60_000,
          concurrencyKey: "deploy",
          idempotencyKey: "once",
          parentRun: sampleId(99_999),
          tasksDone: 3,
          error: "TIMEOUT: too slow",
        });
        const append = begin(row);
        await store.commit({ runs: [append] });
        assert.deepEqual(await store.runGet(row.id), append.row);
        assert.deepEqual(await everyEvent(store, row.id), append.events);
      });

      it("goes on with a run, with and without news for the list", async () => {
        const first = begin(fresh());
        await store.commit({ runs: [first] });
        const quiet = goOnQuietly(first.row, sampleEvents(3, 2));
        await store.commit({ runs: [quiet] });
        assert.deepEqual(await store.runGet(first.id), { ...first.row, ...quiet.row });
        const progress = goOn({ ...first.row, ...quiet.row }, sampleEvents(5, 1), {
          tasksDone: 2,
          waiting: "timer",
          priority: 5,
        });
        await store.commit({ runs: [progress] });
        assert.deepEqual(await store.runGet(first.id), progress.row);
        const ended = goOn(progress.row, sampleEvents(6, 1), {
          status: "failed",
          waiting: null,
          wakeAt: null,
          endedAt: START + 99,
          error: "EXIT: 1",
        });
        await store.commit({ runs: [ended] });
        assert.deepEqual(await store.runGet(first.id), ended.row);
        const events = await everyEvent(store, first.id);
        assert.deepEqual(events, sampleEvents(1, 6));
        assert.equal(ended.row.head, headAfter("", events));
      });

      it("takes several appends to one run in one batch, in order", async () => {
        const first = begin(fresh());
        const second = goOnQuietly(first.row, sampleEvents(3, 1));
        await store.commit({ runs: [first, second] });
        assert.deepEqual(await everyEvent(store, first.id), sampleEvents(1, 3));
      });

      it("changes a row without events", async () => {
        const first = begin(fresh());
        await store.commit({ runs: [first] });
        const changed = goOn(first.row, [], { wakeAt: START + 5_000, waiting: "timer" });
        await store.commit({ runs: [{ ...changed, row: { ...changed.row, head: first.row.head } }] });
        assert.equal((await store.runGet(first.id))?.wakeAt, START + 5_000);
      });

      it("begins a run whose first event comes later", async () => {
        const row = fresh({ status: "queued" });
        await store.commit({ runs: [{ id: row.id, firstSeq: 1, events: [], row }] });
        await store.commit({ runs: [begin(row)] });
        assert.deepEqual(await store.runGet(row.id), begin(row).row);
      });

      it("refuses an append that does not continue the history, naming the run", async () => {
        const first = begin(fresh());
        await store.commit({ runs: [first] });
        const cases = [
          ["the same events again", first],
          [
            "a gap",
            { ...goOnQuietly(first.row, sampleEvents(4, 1)), firstSeq: 4, row: { seq: 4, head: first.row.head } },
          ],
          [
            "an overlap",
            { id: first.id, firstSeq: 2, events: sampleEvents(2, 1), row: { seq: 2, head: first.row.head } },
          ],
          [
            "an overlap with a whole row",
            { id: first.id, firstSeq: 2, events: sampleEvents(2, 2), row: { ...first.row, seq: 3 } },
          ],
          ["only a row, from an older state", { id: first.id, firstSeq: 2, events: [], row: { ...first.row, seq: 1 } }],
        ] as const;
        for (const [what, append] of cases) {
          await assert.rejects(store.commit({ runs: [append] }), (error) => {
            assert.ok(error instanceof MaestroError, what);
            assert.equal(error.code, "run_conflict", what);
            assert.equal(error.facts["run"], first.id, what);
            assert.match(
              error.message,
              new RegExp(
                `^Run ${first.id} ends at event 2 in the store; an append from event \\d does not continue it\\.$`,
              ),
            );
            return true;
          });
        }
        assert.deepEqual(await store.runGet(first.id), first.row);
        assert.deepEqual(await everyEvent(store, first.id), first.events);
      });

      it("refuses to go on with a run that was never begun", async () => {
        const row = { ...fresh(), seq: 4 };
        await assert.rejects(store.commit({ runs: [goOnQuietly(row, sampleEvents(5, 1))] }), { code: "run_conflict" });
        await assert.rejects(store.commit({ runs: [goOn(row, sampleEvents(5, 1))] }), { code: "run_conflict" });
        assert.equal(await store.runGet(row.id), undefined);
      });

      it("keeps nothing of a batch in which one run conflicts", async () => {
        const [a, b, c] = [begin(fresh({ labels: { batch: "torn" } })), begin(fresh()), begin(fresh())];
        await store.commit({ runs: [b] });
        const plan = samplePlan(1_001);
        const approval = sampleApproval(1_001);
        const cache = sampleCache(1_001);
        const torn = {
          runs: [a, b, c],
          plans: [plan],
          receipts: [sampleReceipt(a.id, 1)],
          cache: [cache],
          approvalsOpened: [approval],
        };
        await assert.rejects(store.commit(torn), { code: "run_conflict" });
        assert.equal(await store.runGet(a.id), undefined);
        assert.equal(await store.runGet(c.id), undefined);
        assert.deepEqual(await everyEvent(store, a.id), []);
        assert.equal(await store.planGet(plan.digest), undefined);
        assert.equal(await store.receiptGet(a.id), undefined);
        assert.equal(await store.cacheGet(cache.key, START), undefined);
        assert.deepEqual(await store.approvalList({ run: approval.run, limit: 9 }), []);
        assert.deepEqual((await store.runList({ label: { key: "batch", value: "torn" }, limit: 9 })).runs, []);
        await store.commit({ runs: [a, c] });
        assert.deepEqual(await store.runGet(c.id), c.row);
      });

      it("refuses a second run with the same idempotency key in a namespace, naming the first", async () => {
        const first = begin(fresh({ idempotencyKey: "nightly" }));
        await store.commit({ runs: [first, begin(fresh({ idempotencyKey: "nightly", namespace: "other" }))] });
        const error = await store.commit({ runs: [begin(fresh({ idempotencyKey: "nightly" }))] }).then(
          () => assert.fail("it was taken"),
          (thrown: unknown) => thrown,
        );
        assert.ok(error instanceof MaestroError);
        assert.equal(error.code, "conflict");
        assert.equal(error.message, `The idempotency key nightly belongs to run ${first.id}.`);
        assert.deepEqual(error.facts, { run: first.id, idempotencyKey: "nightly" });
        assert.equal((await store.runByKey("default", "nightly"))?.id, first.id);
        assert.equal(await store.runByKey("nowhere", "nightly"), undefined);
      });

      it("refuses what contradicts itself: a wrong seq, another identity, a lone surrogate, two lines", async () => {
        const first = begin(fresh());
        await store.commit({ runs: [first] });
        const quiet = goOnQuietly(first.row, sampleEvents(3, 2));
        await assert.rejects(store.commit({ runs: [{ ...quiet, row: { ...quiet.row, seq: 9 } }] }), {
          code: "internal",
          message: /says seq 9 after 2 events from seq 3/,
        });
        await assert.rejects(store.commit({ runs: [goOn(first.row, sampleEvents(3, 1), { name: "renamed" })] }), {
          code: "internal",
          message: /another identity/,
        });
        for (const text of ['{"a":"\ud800"}', '{"a":\n1}']) {
          await assert.rejects(store.commit({ runs: [goOnQuietly(first.row, [text])] }), {
            code: "internal",
            message: /no line of JSON/,
          });
        }
        assert.deepEqual(await store.runGet(first.id), first.row);
      });

      it("gives back every text as it was: any script, NUL, a megabyte, nothing", async () => {
        const texts = [
          "",
          "\u0000a\u0000",
          "tab\tand\rreturn",
          "𝄞 Grüße 日本語 \u202e",
          `"${"x".repeat(1 << 20)}"`,
          "'; drop table event; --",
          "é e\u0301",
        ];
        const append = begin(fresh({ name: "𝄞\u0000'\"", labels: { "": "", __proto__x: "ü" }, purpose: "" }), texts);
        await store.commit({ runs: [append] });
        assert.deepEqual(await everyEvent(store, append.id), texts);
        assert.deepEqual(await store.runGet(append.id), append.row);
      });

      it("takes 10,000 runs in one commit, and 10,000 events of one run", async () => {
        const runs = Array.from({ length: 10_000 }, () => begin(fresh({ namespace: "crowd" }), sampleEvents(1, 1)));
        const long = begin(fresh({ namespace: "crowd" }), sampleEvents(1, 10_000));
        await store.commit({ runs: [...runs, long] });
        for (const i of [0, 5_000, 9_999]) assert.deepEqual(await store.runGet(runs[i]?.id ?? ""), runs[i]?.row);
        const events = await pagesOfEvents(store, long.id, 999);
        assert.equal(events.length, 10_000);
        checkRun(long.row, events);
      });

      it("takes an empty batch", async () => {
        await store.commit({ runs: [] });
      });
    });

    describe("runEvents()", () => {
      it("gives pages in order, and nothing for an unknown run", async () => {
        const append = begin(fresh(), sampleEvents(1, 5));
        await store.commit({ runs: [append] });
        assert.deepEqual(
          (await store.runEvents(append.id, { afterSeq: 2, limit: 2 })).map((event) => event.seq),
          [3, 4],
        );
        assert.deepEqual(await store.runEvents(append.id, { afterSeq: 5, limit: 2 }), []);
        assert.deepEqual(await store.runEvents("r_none", { afterSeq: 0, limit: 2 }), []);
      });
    });

    describe("plans", () => {
      it("are immutable and listed newest first", async () => {
        const plans = [1, 2, 3].map((n) => samplePlan(n, { name: "evidence" }));
        const elsewhere = samplePlan(4, { name: "evidence", namespace: "other", version: "1.3.0" });
        for (const plan of plans) await store.planPut(plan);
        await store.commit({ runs: [], plans: [elsewhere] });
        const [first, second, third] = plans;
        await store.planPut({ ...first, manifest: "changed" } as typeof elsewhere);
        assert.deepEqual(await store.planGet(first?.digest ?? elsewhere.digest), first);
        assert.equal(await store.planGet("sha256:none"), undefined);
        const list = (query: Omit<Parameters<Store["workflowList"]>[0], "limit">, limit = 9) =>
          store.workflowList({ ...query, limit });
        assert.deepEqual(await list({ name: "evidence" }), [elsewhere, third, second, first]);
        assert.deepEqual(await list({ name: "evidence", namespace: "default" }, 2), [third, second]);
        assert.deepEqual(await list({ name: "evidence", version: "1.3.0" }), [elsewhere, third]);
        assert.deepEqual(await list({ namespace: "other" }), [elsewhere]);
        assert.deepEqual(await list({ name: "nothing" }), []);
      });
    });

    describe("published versions", () => {
      it("are kept for good, apart from plans that merely ran, in pages that join", async () => {
        const plans = [31, 32, 33].map((n) => samplePlan(n, { name: "catalogued" }));
        for (const plan of plans) await store.planPut(plan);
        const rows = plans.slice(1).map((plan, n) => samplePublished(plan, START + n));
        const [older, newer] = rows as [PublishedRow, PublishedRow];
        assert.deepEqual([await store.publishedPut(older), await store.publishedPut(newer)], [true, true]);
        assert.equal(await store.publishedPut({ ...older, planDigest: sha256("other"), manifest: "x" }), false);
        assert.deepEqual(await store.publishedGet("default", "catalogued", older.version), older);
        assert.equal(await store.publishedGet("default", "catalogued", "9.9.9"), undefined);
        const list = (query: Partial<WorkflowQuery>) => store.publishedList({ name: "catalogued", limit: 9, ...query });
        assert.deepEqual(await list({}), [newer, older]);
        assert.deepEqual(await list({ version: older.version }), [older]);
        assert.deepEqual(await list({ namespace: "nowhere" }), []);
        const after = { createdAt: newer.createdAt, digest: newer.planDigest };
        assert.deepEqual(await list({ after, limit: 1 }), [older]);
        assert.deepEqual((await store.publishedList({ limit: 1 })).length, 1);
        const ran = await store.workflowList({ name: "catalogued", unpublished: true, limit: 9 });
        assert.deepEqual(ran, plans.slice(0, 1));
        const [first, second] = await store.workflowList({ name: "catalogued", limit: 2 });
        const rest = await store.workflowList({ name: "catalogued", limit: 2, ...(second && { after: second }) });
        assert.deepEqual([first, second, ...rest], plans.toReversed());
      });
    });

    describe("receipts", () => {
      it("are found by run, the newest or by number, and never replaced", async () => {
        const append = begin(fresh());
        const [first, second] = [sampleReceipt(append.id, 1), sampleReceipt(append.id, 2)];
        await store.commit({ runs: [append], receipts: [first] });
        await store.commit({ runs: [], receipts: [second] });
        assert.deepEqual(await store.receiptGet(append.id), second);
        assert.deepEqual(await store.receiptGet(append.id, 1), first);
        assert.equal(await store.receiptGet(append.id, 3), undefined);
        await assert.rejects(store.commit({ runs: [], receipts: [{ ...first, bundle: "{}" }] }), { code: "internal" });
        assert.deepEqual(await store.receiptGet(append.id, 1), first);
      });

      it("are listed by run, the newest first, in pages that join without gap or double", async () => {
        const appends = [begin(fresh()), begin(fresh())];
        const all = appends.flatMap(({ id }) => [1, 2, 3].map((ordinal) => sampleReceipt(id, ordinal)));
        await store.commit({ runs: appends, receipts: all });
        const listed: ReceiptRow[] = [];
        for (let before: ReceiptKey | null | undefined; before !== null;) {
          const page = await store.receiptList({ limit: 2, ...(before && { before }) });
          listed.push(...page.receipts);
          before = page.cursor;
        }
        const ours = listed.filter(({ run }) => appends.some(({ id }) => id === run));
        const place = ({ run, ordinal }: ReceiptRow): string => `${run}.${ordinal}`;
        assert.deepEqual(ours.map(place), all.map(place).toSorted().toReversed());
        assert.deepEqual(listed.map(place), listed.map(place).toSorted().toReversed());
      });
    });

    describe("cached results", () => {
      it("hold until they expire, and the newest wins", async () => {
        const lasting = sampleCache(1);
        const brief = sampleCache(2, { expiresAt: START + 10, result: { list: [1, null, "ü"] } });
        await store.commit({ runs: [], cache: [lasting, brief] });
        assert.deepEqual(await store.cacheGet(lasting.key, START + 1e12), lasting);
        assert.deepEqual(await store.cacheGet(brief.key, START + 9), brief);
        assert.equal(await store.cacheGet(brief.key, START + 10), undefined);
        const again = { ...brief, run: sampleId(7), result: {}, expiresAt: null };
        await store.commit({ runs: [], cache: [again] });
        assert.deepEqual(await store.cacheGet(brief.key, START + 10), again);
      });
    });

    describe("approvals", () => {
      it("are listed while they are open, oldest first", async () => {
        const run = sampleId(5);
        const [a, b, c] = [
          sampleApproval(21, { run }),
          sampleApproval(22, { run, roles: [], notRequester: false }),
          sampleApproval(20),
        ];
        await store.commit({ runs: [], approvalsOpened: [a, b, c] });
        assert.deepEqual(await store.approvalList({ limit: 9 }), [c, a, b]);
        assert.deepEqual(await store.approvalList({ run, limit: 1 }), [a]);
        await store.commit({
          runs: [],
          approvalsOpened: [sampleApproval(23)],
          approvalsClosed: [a.id, "a_23", "a_unknown"],
        });
        assert.deepEqual(await store.approvalList({ limit: 9 }), [c, b]);
        assert.equal((await store.counts()).openApprovals, 2);
      });
    });

    describe("close()", () => {
      it("keeps everything for the next opening", async () => {
        const append = begin(fresh({ labels: { kept: "yes" } }));
        await store.commit({ runs: [append], plans: [samplePlan(77)], receipts: [sampleReceipt(append.id, 1)] });
        await store.close();
        await reopen();
        assert.deepEqual(await store.runGet(append.id), append.row);
        assert.deepEqual(await everyEvent(store, append.id), append.events);
        assert.deepEqual(await store.planGet(samplePlan(77).digest), samplePlan(77));
        assert.deepEqual(await store.receiptGet(append.id), sampleReceipt(append.id, 1));
        assert.deepEqual((await store.runList({ label: { key: "kept", value: "yes" }, limit: 2 })).runs, [append.row]);
      });
    });
  });
  testLists(name, makePlace);
  testModel(name, makePlace);
}

/** The texts of a run's history. */
export async function everyEvent(store: Store, run: string): Promise<string[]> {
  return (await pagesOfEvents(store, run, 1_000)).map((event) => event.text);
}

export async function pagesOfEvents(store: Store, run: string, limit: number): Promise<EventRow[]> {
  const events: EventRow[] = [];
  for (;;) {
    const page = await store.runEvents(run, { afterSeq: events.at(-1)?.seq ?? 0, limit });
    events.push(...page);
    if (page.length < limit) return events;
  }
}
