import assert from "node:assert/strict";
import { after, beforeEach, describe, it } from "node:test";
import type { StorePlace } from "./contract-place.ts";
import {
  begin,
  goOn,
  sampleApproval,
  sampleEvents,
  sampleId,
  samplePlan,
  samplePublished,
  sampleReceipt,
  sampleRun,
  START,
} from "./sample.ts";
import type { ReceiptKey, RunQuery, RunRow, Store, WorkflowQuery } from "./store.ts";
import { ASLEEP_FOREVER } from "./store.ts";

/** Lists, finding, and what the engine asks when it starts and sleeps. */
export function testLists(name: string, makePlace: () => Promise<StorePlace>): void {
  describe(`${name}: lists`, () => {
    let place: StorePlace;
    let store: Store;
    beforeEach(async () => {
      await store?.close();
      await place?.remove();
      place = await makePlace();
      store = await place.open();
    });
    after(async () => {
      await store.close();
      await place.remove();
    });

    const put = async (...rows: readonly RunRow[]): Promise<RunRow[]> => {
      const runs = rows.map((row) => begin(row));
      await store.commit({ runs });
      return runs.map((run) => run.row);
    };

    describe("runList()", () => {
      it("is newest first, equal instants by id, in pages that join without gap or double", async () => {
        const rows = await put(
          ...Array.from({ length: 25 }, (_, n) => sampleRun(n, { createdAt: START + Math.floor(n / 10) })),
        );
        const expected = rows.toReversed();
        assert.deepEqual(await everyPage(store, { limit: 4 }), expected);
        assert.deepEqual(await everyPage(store, { limit: 25 }), expected);
        assert.equal((await store.runList({ limit: 25 })).cursor, null);
      });

      it("is the same as text, asked for once and again and again, and has what was committed just before", async () => {
        for (let n = 0; n < 60; n++) {
          const [row] = await put(sampleRun(n, n % 2 === 0 ? {} : { labels: { odd: "ü\u2028" } }));
          const query = { limit: 1 + (n % 7), text: "R" };
          const page = await store.runList(query);
          const text = await store.runListText(query);
          assert.deepEqual([JSON.parse(text.runs), text.cursor], [page.runs, page.cursor]);
          assert.equal((JSON.parse(text.runs) as readonly RunRow[])[0]?.id, row?.id);
        }
        await assert.rejects(store.runListText({ limit: 5, cursor: "no" }), { code: "invalid_request" });
        await assert.rejects(store.runListText({ limit: 0 }), { code: "invalid_request" });
      });

      it("keeps its place while runs are added", async () => {
        const rows = await put(...Array.from({ length: 10 }, (_, n) => sampleRun(n)));
        const first = await store.runList({ limit: 4 });
        await put(...Array.from({ length: 10 }, (_, n) => sampleRun(100 + n)));
        const rest = await everyPage(store, { limit: 4, cursor: first.cursor ?? "" });
        assert.deepEqual([...first.runs, ...rest], rows.toReversed());
      });

      it("takes every filter alone and with the others", async () => {
        const rows = await put(...Array.from({ length: 120 }, (_, n) => variedRun(n)));
        const newest = rows.toReversed();
        const filters: readonly Partial<RunQuery>[] = [
          { namespace: "team-a" },
          { namespaces: ["team-a"] },
          { namespaces: ["team-a", "team-b", "team-a", "nobody's"] },
          { namespaces: [] },
          { status: ["running"] },
          { status: ["failed", "succeeded", "queued"] },
          { status: ["queued", "running", "cancelling"] },
          { status: [] },
          { workflow: "drill" },
          { label: { key: "env", value: "prod" } },
          { initiator: "oidc:grace" },
          { parentRun: sampleId(3) },
          { parentRun: null },
          { from: START + 30, to: START + 60 },
          { text: "TIMEOUT" },
          { text: "Ünïcode" },
          { text: "100%_\\" },
        ];
        for (const [i, one] of filters.entries()) {
          for (const other of filters.slice(i)) {
            const query = { ...one, ...other };
            assert.deepEqual(
              await everyPage(store, { ...query, limit: 7 }),
              newest.filter((row) => accepts(query, row)),
              JSON.stringify(query),
            );
          }
        }
      });

      it("follows a run whose status changes", async () => {
        const [row] = await put(sampleRun(1));
        assert.ok(row);
        const ended = goOn(row, sampleEvents(3, 1), { status: "succeeded", endedAt: START });
        await store.commit({ runs: [ended] });
        assert.deepEqual((await store.runList({ status: ["running"], limit: 5 })).runs, []);
        assert.deepEqual((await store.runList({ status: ["succeeded"], limit: 5 })).runs, [ended.row]);
      });

      it("finds the one among thousands that no index knows", async () => {
        const needle = sampleRun(1, { error: "EXIT: the needle" });
        await put(needle, ...Array.from({ length: 4_000 }, (_, n) => sampleRun(n + 2)));
        assert.deepEqual(
          (await everyPage(store, { text: "NEEDLE", limit: 3 })).map((row) => row.id),
          [needle.id],
        );
      });

      it("refuses a cursor it never gave, and a limit or text out of bounds", async () => {
        const forged = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
        for (const cursor of [
          "",
          "!!!",
          "bm90IGpzb24",
          forged(null),
          forged([1]),
          forged(["1", "r"]),
          forged([1.5, "r"]),
          forged([1, 2]),
          forged({ id: "r" }),
        ]) {
          await assert.rejects(store.runList({ limit: 5, cursor }), {
            code: "invalid_request",
            message: "The cursor is not one that this list gave.",
          });
        }
        for (const limit of [0, -1, 1.5, Number.NaN, 1_001]) {
          await assert.rejects(store.runList({ limit }), {
            code: "invalid_request",
            message: `limit is ${limit}; it is a whole number from 1 to 1000.`,
          });
        }
        await assert.rejects(store.runList({ limit: 5, text: "x".repeat(201) }), {
          code: "invalid_request",
          message: /has 201 characters; at most 200/,
        });
      });
    });

    describe("of a few namespaces", () => {
      /** Ids that a cursor names, however it is written. */
      const idsOf = (cursor: string): string => Buffer.from(cursor, "base64url").toString();

      it("runList() ends its pages at no run of another, whatever is asked for", async () => {
        const foreign = Array.from({ length: 3_000 }, (_, n) =>
          sampleRun(n, { namespace: "theirs", labels: { env: "prod" }, parentRun: sampleId(9_000) }),
        );
        const own = [100, 1_500, 2_900].map((n) =>
          sampleRun(5_000 + n, {
            namespace: "ours",
            createdAt: START + n,
            labels: { env: "prod" },
            parentRun: sampleId(9_000),
          }),
        );
        const rows = await put(...foreign, ...own);
        const expected = rows.slice(-3).toReversed();
        const asked: readonly Partial<RunQuery>[] = [
          {},
          { namespace: "ours" },
          { workflow: "release-evidence" },
          { status: ["running", "queued"] },
          { initiator: "local:ada" },
          { label: { key: "env", value: "prod" } },
          { parentRun: sampleId(9_000) },
          { text: "nothing like it" },
        ];
        for (const one of asked) {
          for (let cursor: string | null | undefined; cursor !== null;) {
            const query = { ...one, namespaces: ["ours"], limit: 1, ...(cursor && { cursor }) };
            const page = await store.runList(query);
            assert.ok(page.runs.every(({ namespace }) => namespace === "ours"));
            cursor = page.cursor;
            if (cursor === null) continue;
            const named = idsOf(cursor);
            assert.ok(
              expected.some(({ id }) => named.includes(id)),
              `${JSON.stringify(one)}: ${named}`,
            );
          }
          const found = await everyPage(store, { ...one, namespaces: ["ours"], limit: 2 });
          assert.deepEqual(
            found,
            expected.filter((row) => accepts(one, row)),
            JSON.stringify(one),
          );
        }
        assert.deepEqual((await store.runList({ namespaces: ["ours"], namespace: "theirs", limit: 5 })).runs, []);
      });

      it("runFind() is not misled by ids of others", async () => {
        const rows = await put(
          ...Array.from({ length: 60 }, (_, n) => sampleRun(n, { namespace: n === 7 ? "ours" : "theirs" })),
        );
        const own = rows[7]?.id ?? "";
        const theirs = rows[8]?.id ?? "";
        for (const part of [own, own.slice(0, -1), own.slice(-5), "r_"])
          assert.deepEqual(await store.runFind(part, 5, ["ours"]), [own], part);
        for (const part of [theirs, theirs.slice(-5)])
          assert.deepEqual(await store.runFind(part, 5, ["ours"]), [], part);
        assert.deepEqual(await store.runFind(own, 5, []), []);
      });

      it("receiptList() has theirs alone, in pages that join", async () => {
        const runs = Array.from({ length: 500 }, (_, n) =>
          sampleRun(n, { namespace: n % 100 === 7 ? "ours" : "theirs" }),
        );
        await put(...runs);
        const receipts = runs
          .filter(({ namespace }, n) => namespace === "theirs" || n % 200 === 7)
          .flatMap(({ id }) => [sampleReceipt(id, 1), sampleReceipt(id, 2)]);
        await store.commit({ runs: [], receipts });
        const place = ({ run, ordinal }: ReceiptKey): string => `${run}.${ordinal}`;
        const expected = [407, 207, 7].flatMap((n) => [`${sampleId(n)}.2`, `${sampleId(n)}.1`]);
        for (const limit of [1, 2, 3, 100]) {
          const found: string[] = [];
          for (let before: ReceiptKey | null | undefined; before !== null;) {
            const query = { namespaces: ["ours", "nobody's"], limit, ...(before && { before }) };
            const page = await store.receiptList(query);
            found.push(...page.receipts.map(place));
            before = page.cursor;
            if (before !== null) assert.ok(expected.includes(place(before)) || before.ordinal === 0, place(before));
          }
          assert.deepEqual(found, expected, `${limit}`);
        }
        for (const run of [sampleId(8), sampleId(9_999)])
          await assert.rejects(store.receiptList({ namespaces: ["ours"], before: { run, ordinal: 1 }, limit: 5 }), {
            code: "invalid_request",
            message: "The cursor is not one that this list gave.",
          });
      });

      it("approvalList(), workflowList() and publishedList() have theirs alone, in order", async () => {
        const approvals = [1, 2, 3, 4].map((n) =>
          sampleApproval(n, { namespace: ["ours", "theirs", "also"][n % 3] ?? "" }),
        );
        await store.commit({ runs: [], approvalsOpened: approvals });
        const [first, second, third, fourth] = approvals;
        const namespaces = ["also", "ours"];
        assert.deepEqual(await store.approvalList({ namespaces, limit: 9 }), [second, third]);
        assert.deepEqual(await store.approvalList({ namespaces, limit: 1 }), [second]);
        assert.deepEqual(await store.approvalList({ namespaces: ["theirs"], limit: 9 }), [first, fourth]);
        assert.deepEqual(await store.approvalList({ namespaces, run: first?.run ?? "", limit: 9 }), []);
        assert.deepEqual([await store.approvalGet("a_3"), await store.approvalGet("a_9")], [third, undefined]);
        const plans = [1, 2, 3, 4, 5].map((n) => samplePlan(n, { namespace: ["ours", "theirs", "also"][n % 3] ?? "" }));
        for (const plan of plans) await store.planPut(plan);
        for (const [n, plan] of plans.entries())
          if (n > 1) assert.equal(await store.publishedPut(samplePublished(plan, START + n)), true);
        const digests = async (query: Partial<WorkflowQuery>): Promise<string[]> =>
          (await store.workflowList({ namespaces, limit: 9, ...query })).map(({ version }) => version);
        assert.deepEqual(await digests({}), ["1.5.0", "1.3.0", "1.2.0"]);
        assert.deepEqual(await digests({ namespace: "ours" }), ["1.3.0"]);
        assert.deepEqual(await digests({ namespace: "theirs" }), []);
        assert.deepEqual(await digests({ name: "release-evidence", limit: 2 }), ["1.5.0", "1.3.0"]);
        assert.deepEqual(await digests({ name: "other" }), []);
        const [, two] = await store.workflowList({ namespaces, limit: 2 });
        assert.deepEqual(await digests({ ...(two && { after: two }) }), ["1.2.0"]);
        const unpublished = await store.workflowList({ namespaces, unpublished: true, limit: 9 });
        assert.deepEqual(
          unpublished.map(({ version }) => version),
          ["1.2.0"],
        );
        const published = async (query: Partial<WorkflowQuery>): Promise<string[]> =>
          (await store.publishedList({ namespaces, limit: 9, ...query })).map(({ version }) => version);
        assert.deepEqual(await published({}), ["1.5.0", "1.3.0"]);
        assert.deepEqual(await published({ name: "release-evidence", version: "1.3.0" }), ["1.3.0"]);
        assert.deepEqual(await published({ namespaces: ["nobody's"] }), []);
      });
    });

    it("runFind() knows ids by their beginning and by their end", async () => {
      const rows = await put(...Array.from({ length: 50 }, (_, n) => sampleRun(n)));
      const one = rows[17]?.id ?? "";
      assert.deepEqual(await store.runFind(one, 5), [one]);
      assert.deepEqual(await store.runFind(one.slice(-6), 5), [one]);
      assert.deepEqual(await store.runFind(one.slice(0, 12), 5), [one]);
      assert.equal((await store.runFind("r_", 5)).length, 5);
      for (const part of ["zzzz", one.slice(3, -3), "%", "_", "*", "?", "[0-9a-z]", one.toUpperCase()])
        assert.deepEqual(await store.runFind(part, 5), [], part);
    });

    it("runFind() looks through all of them for an end of an id", async () => {
      const rows = await put(...Array.from({ length: 8_001 }, (_, n) => sampleRun(n)));
      for (const n of [0, 1, 3_999, 4_000, 4_001, 8_000]) {
        const id = rows[n]?.id ?? "";
        assert.deepEqual(await store.runFind(id.slice(-8), 5), [id], `${n}`);
        assert.deepEqual(await store.runFind(id.slice(-8), 5, ["default"]), [id], `${n}`);
      }
    });

    it("runActive() gives what is neither ended nor asleep, oldest first, in pages", async () => {
      const rows = await put(...Array.from({ length: 60 }, (_, n) => variedRun(n)));
      const expected = rows.filter((row) => isActive(row) && row.wakeAt === null);
      const found: RunRow[] = [];
      for (let page: readonly RunRow[]; ; found.push(...page)) {
        page = await store.runActive({ afterId: found.at(-1)?.id ?? "", limit: 7 });
        if (page.length === 0) break;
      }
      assert.deepEqual(found, expected);
    });

    it("runDue() and nextWake() know who sleeps until when", async () => {
      const at = (n: number, wakeAt: number, changes: Partial<RunRow> = {}): RunRow =>
        sampleRun(n, { wakeAt, ...changes });
      await put(
        at(1, START + 30),
        at(2, START + 10),
        at(3, START + 10),
        at(4, ASLEEP_FOREVER),
        at(5, START + 5, { status: "succeeded" }),
        sampleRun(6),
      );
      const key = (n: number, wakeAt: number): { wakeAt: number; id: string } => ({ wakeAt, id: sampleId(n) });
      const beginning = { wakeAt: 0, id: "" };
      assert.deepEqual(await store.runDue({ after: beginning, until: START + 9, limit: 9 }), []);
      assert.deepEqual(await store.runDue({ after: beginning, until: START + 30, limit: 9 }), [
        key(2, START + 10),
        key(3, START + 10),
        key(1, START + 30),
      ]);
      assert.deepEqual(await store.runDue({ after: key(2, START + 10), until: START + 30, limit: 1 }), [
        key(3, START + 10),
      ]);
      assert.equal(await store.nextWake(0), START + 10);
      assert.equal(await store.nextWake(START + 10), START + 30);
      assert.equal(await store.nextWake(START + 30), undefined);
      assert.equal((await store.counts()).asleep, 4);
      const slept = await store.runGet(sampleId(2));
      assert.ok(slept);
      await store.commit({ runs: [goOn(slept, sampleEvents(3, 1), { wakeAt: null })] });
      assert.deepEqual(
        (await store.runDue({ after: beginning, until: START + 10, limit: 9 })).map((due) => due.id),
        [sampleId(3)],
      );
      assert.equal((await store.counts()).asleep, 3);
    });

    it("runByConcurrencyKey() gives those that hold or want it, oldest first", async () => {
      const rows = await put(
        sampleRun(2, { concurrencyKey: "deploy" }),
        sampleRun(1, { concurrencyKey: "deploy", status: "queued", wakeAt: ASLEEP_FOREVER }),
        sampleRun(3, { concurrencyKey: "deploy", status: "failed" }),
        sampleRun(4, { concurrencyKey: "other" }),
      );
      assert.deepEqual(await store.runByConcurrencyKey("deploy"), [rows[1], rows[0]]);
      assert.deepEqual(await store.runByConcurrencyKey("none"), []);
    });
  });
}

const STATUSES = ["queued", "running", "cancelling", "succeeded", "failed", "cancelled", "denied"] as const;

/** Runs that differ in everything a list can ask for. */
export function variedRun(n: number): RunRow {
  const status = STATUSES[n % STATUSES.length] ?? "queued";
  return sampleRun(n, {
    status,
    namespace: n % 3 === 0 ? "team-a" : "team-b",
    workflow: n % 5 === 0 ? "drill" : "backfill",
    initiator: n % 4 === 0 ? "oidc:grace" : "oidc:ada",
    labels: n % 2 === 0 ? { env: n % 4 === 0 ? "prod" : "test", n: String(n) } : {},
    parentRun: n % 6 === 0 ? sampleId(3) : null,
    name: n % 11 === 0 ? "ÜNÏCODE 100%_\\" : `run ${n}`,
    error: status === "failed" ? "Timeout: too slow" : null,
    endedAt: STATUSES.indexOf(status) > 2 ? START + n : null,
    wakeAt: n % 8 === 0 ? START + 1_000 + n : null,
  });
}

export function isActive(row: RunRow): boolean {
  return row.status === "queued" || row.status === "running" || row.status === "cancelling";
}

/** What the filters mean. */
export function accepts(query: Partial<RunQuery>, row: RunRow): boolean {
  const { namespace, namespaces, status, workflow, label, initiator, parentRun, from, to, text } = query;
  const searched = [row.id, row.name, row.workflow, row.error ?? ""].map((part) => part.toLowerCase());
  return (
    (namespace === undefined || row.namespace === namespace) &&
    (namespaces?.includes(row.namespace) ?? true) &&
    (status === undefined || status.includes(row.status)) &&
    (workflow === undefined || row.workflow === workflow) &&
    (label === undefined || row.labels[label.key] === label.value) &&
    (initiator === undefined || row.initiator === initiator) &&
    (parentRun === undefined || row.parentRun === parentRun) &&
    (from === undefined || row.createdAt >= from) &&
    (to === undefined || row.createdAt < to) &&
    (text === undefined || searched.some((part) => part.includes(text.toLowerCase())))
  );
}

export async function everyPage(store: Store, query: RunQuery): Promise<RunRow[]> {
  const rows: RunRow[] = [];
  let cursor = query.cursor;
  for (;;) {
    const page = await store.runList(cursor === undefined ? query : { ...query, cursor });
    assert.ok(page.runs.length <= query.limit);
    rows.push(...page.runs);
    if (page.cursor === null) return rows;
    cursor = page.cursor;
  }
}
