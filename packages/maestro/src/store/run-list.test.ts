import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ListSource } from "./run-list.ts";
import { listRuns } from "./run-list.ts";
import { sampleRun } from "./sample.ts";

const RUNS = 250_000;

/** A table of 250,000 runs of which only some are hits; counts what is looked at. */
function bigTable(isHit: (n: number) => boolean): ListSource & { looked: number } {
  const padded = (n: number): string => String(n).padStart(9, "0");
  return {
    looked: 0,
    slice(_, [before, , from, limit]) {
      // created_at is n, and no two are equal: the id decides nothing.
      const top = Math.min(RUNS, Number(before));
      const rows = [];
      for (let n = top - 1; n >= 0 && n >= Number(from) && rows.length < Number(limit); n--) {
        rows.push([padded(n), n, isHit(n) ? 1 : 0]);
      }
      this.looked += rows.length;
      return rows;
    },
    runs: (ids) => ids.map((id) => sampleRun(Number(id), { id })),
  };
}

describe("listRuns()", () => {
  it("looks at a page and one more where every row is a hit", async () => {
    const table = bigTable(() => true);
    const page = await listRuns(table, { limit: 50 });
    assert.equal(page.runs.length, 50);
    assert.equal(table.looked, 51);
  });

  it("looks at as many more as the share of hits so far makes likely", async () => {
    const table = bigTable((n) => n % 10 === 0);
    const page = await listRuns(table, { limit: 50, text: "x" });
    assert.equal(page.runs.length, 50);
    assert.ok(table.looked < 800, `${table.looked} rows for 50 of every tenth`);
  });

  it("looks at no more than its bound, then hands back what it has and where it stopped", async () => {
    const table = bigTable((n) => n === 10);
    const counts: number[] = [];
    let cursor: string | null | undefined;
    for (let page = 0; cursor !== null && page < 9; page++) {
      const before = table.looked;
      const answer = await listRuns(
        table,
        cursor === undefined ? { limit: 5, text: "x" } : { limit: 5, text: "x", cursor },
      );
      counts.push(answer.runs.length);
      assert.ok(table.looked - before <= 101_000, `${table.looked - before}`);
      cursor = answer.cursor;
    }
    assert.deepEqual(counts, [0, 0, 1]);
  });

  it("lets the rest of the process work between slices", async () => {
    const table = bigTable(() => false);
    let turns = 0;
    const tick = setInterval(() => (turns += 1), 0);
    await listRuns(table, { limit: 5, text: "x" });
    clearInterval(tick);
    assert.ok(turns > 0);
  });

  it("does not lose the hits of one status where another is slow", async () => {
    // Walk "running" is long and without hits, walk "queued" short and full: its hits below the point reached wait.
    const slow = bigTable(() => false);
    const quick = bigTable((n) => n % 100_000 === 0);
    const source: ListSource = {
      slice: (statement, values) => (values.at(-1) === "running" ? slow : quick).slice(statement, values),
      runs: (ids) => quick.runs(ids),
    };
    const found: string[] = [];
    for (let cursor: string | null | undefined; cursor !== null;) {
      const page = await listRuns(source, {
        limit: 2,
        status: ["running", "queued"],
        ...(cursor === undefined ? {} : { cursor }),
      });
      found.push(...page.runs.map((run) => run.id));
      cursor = page.cursor;
    }
    assert.deepEqual(found.map(Number), [200_000, 100_000, 0]);
  });
});
