import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { MaestroError } from "../core/problem.ts";
import { begin, sampleRun } from "./sample.ts";
import { openSqlite } from "./sqlite.ts";
import type { Commit, Store } from "./store.ts";
import { writeThread } from "./write-thread.ts";

let dir: string;
let store: Store;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "maestro-thread-"));
  store = await openSqlite({ path: join(dir, "maestro.db"), threadFrom: 4 });
});
afterEach(async () => {
  await store.close();
  rmSync(dir, { recursive: true });
});

const batchOf = (from: number, count: number): Commit => ({
  runs: Array.from({ length: count }, (_, i) => begin(sampleRun(from + i))),
});
const count = async (): Promise<number> => (await store.runList({ limit: 1_000 })).runs.length;

describe("large batches", () => {
  it("are written by this thread until the other is ready, and in the order they came", async () => {
    const all: Promise<unknown>[] = [];
    for (let i = 0; i < 40; i++) all.push(store.commit(batchOf(i * 10, i % 2 === 0 ? 10 : 1)));
    await Promise.all(all);
    assert.equal(await count(), 20 * 10 + 20);
  });

  it("are refused as others are, and the next goes on", async () => {
    for (let i = 0; i < 50; i++) await store.commit(batchOf(i * 5, 5));
    const again = store.commit(batchOf(0, 5));
    await assert.rejects(
      again,
      (error) => error instanceof MaestroError && error.code === "run_conflict" && error.facts["firstSeq"] === 1,
    );
    await store.commit(batchOf(900, 5));
    assert.equal(await count(), 255);
  });
});

describe("the thread", () => {
  it("writes what it was given before it closes, and can be started again", async () => {
    const thread = writeThread(join(dir, "maestro.db"));
    for (let round = 0; round < 2; round++) {
      await thread.start();
      assert.equal(thread.isReady, true);
      const writing = [thread.ask(batchOf(round * 100, 5)), thread.ask(batchOf(round * 100 + 5, 5))];
      assert.equal(thread.isBusy, true);
      await Promise.all([thread.close(), ...writing]);
      assert.equal(thread.isReady, false);
    }
    assert.equal(await count(), 20);
  });

  it("that does not come up is not used", async () => {
    const thread = writeThread(join(dir, "nowhere", "maestro.db"));
    await thread.start();
    assert.equal(thread.isReady, false);
    await thread.close();
  });
});
