import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { setImmediate as turnOfTheLoop } from "node:timers/promises";
import { ReadThread } from "./read-thread.ts";
import { begin, goOn, sampleEvents, sampleRun } from "./sample.ts";
import { openSqlite } from "./sqlite.ts";
import type { RunPageText, RunRow, Store } from "./store.ts";

let dir: string;
let path: string;
let store: Store;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "maestro-lists-"));
  path = join(dir, "maestro.db");
  store = await openSqlite({ path });
  await store.commit({ runs: Array.from({ length: 9 }, (_, n) => begin(sampleRun(n))) });
});
afterEach(async () => {
  await store.close();
  rmSync(dir, { recursive: true });
});

async function started(thread: ReadThread): Promise<ReadThread> {
  while (!thread.isReady) await turnOfTheLoop();
  return thread;
}
const count = ({ runs }: RunPageText): number => (JSON.parse(runs) as readonly unknown[]).length;

describe("the thread of lists", () => {
  it("is started by who lists again and again, and sees each commit that was answered", async () => {
    const thread = new ReadThread(path);
    assert.equal(thread.isReady, false);
    await started(thread);
    for (let n = 0; n < 20; n++) {
      await store.commit({ runs: [begin(sampleRun(100 + n))] });
      assert.equal(count(await thread.list({ limit: 1_000 })), 10 + n);
    }
    await thread.close();
  });

  it("shows what it is told of as it is now, and keeps what it is not", async () => {
    const thread = await started(new ReadThread(path));
    const newest = async (): Promise<RunRow> => {
      const [row] = JSON.parse((await thread.list({ limit: 1 })).runs) as readonly RunRow[];
      return row ?? assert.fail();
    };
    const before = await newest();
    const next = goOn(before, sampleEvents(before.seq + 1, 1), { status: "failed" });
    await store.commit({ runs: [next] });
    assert.deepEqual(await newest(), before);
    thread.changed([before]);
    assert.deepEqual(await newest(), next.row);
    await thread.close();
  });

  it("is told by the store of every commit, whoever writes it", async () => {
    const two = await openSqlite({ path: join(dir, "two.db"), threadFrom: 3 });
    let rows: readonly RunRow[] = Array.from({ length: 6 }, (_, n) => sampleRun(n));
    await two.commit({ runs: rows.map((row) => begin(row)) });
    for (let n = 0; n < 150; n++) {
      const { runs } = await two.runList({ limit: 10 });
      rows = runs.slice(0, 1 + (n % 6));
      await two.commit({ runs: rows.map((row) => goOn(row, sampleEvents(row.seq + 1, 1), { tasksDone: n })) });
      assert.deepEqual(
        JSON.parse((await two.runListText({ limit: 10 })).runs),
        (await two.runList({ limit: 10 })).runs,
      );
    }
    await two.close();
  });

  it("answers many at once, each with its own page or its own refusal", async () => {
    const thread = await started(new ReadThread(path));
    const asked = Array.from({ length: 40 }, (_, n) => n % 11);
    const answers = await Promise.allSettled(asked.map(async (limit) => thread.list({ limit })));
    asked.forEach((limit, n) => {
      const answer = answers[n];
      if (limit === 0)
        assert.equal(answer?.status === "rejected" && (answer.reason as { code?: string }).code, "invalid_request");
      else assert.equal(answer?.status === "fulfilled" && count(answer.value), Math.min(limit, 9));
    });
    await thread.close();
  });

  it("answers what it was asked before it closes, and can be started again", async () => {
    const thread = await started(new ReadThread(path));
    const [page] = await Promise.all([thread.list({ limit: 3 }), thread.close()]);
    assert.equal(count(page), 3);
    assert.equal(thread.isReady, false);
    await started(thread);
    assert.equal(count(await thread.list({ limit: 2 })), 2);
    await thread.close();
  });

  it("that does not come up leaves the lists to whoever asks", async () => {
    const thread = new ReadThread(join(dir, "no", "such.db"));
    for (let n = 0; n < 200; n++) {
      assert.equal(thread.isReady, false);
      await turnOfTheLoop();
    }
    await thread.close();
  });
});
