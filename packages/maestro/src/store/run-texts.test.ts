import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, it } from "node:test";
import { listRuns } from "./run-list.ts";
import { RunTexts } from "./run-texts.ts";
import { begin, goOn, sampleEvents, sampleRun } from "./sample.ts";
import { openSqlite } from "./sqlite.ts";
import type { RunRow, Store } from "./store.ts";

describe("the texts of runs", () => {
  let dir: string;
  let store: Store;
  let db: DatabaseSync;
  let texts: RunTexts;
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), "maestro-texts-"));
    const path = join(dir, "maestro.db");
    store = await openSqlite({ path });
    db = new DatabaseSync(path, { readOnly: true });
    texts = new RunTexts(db, path);
  });
  afterEach(async () => {
    db.close();
    await store.close();
    rmSync(dir, { recursive: true });
  });

  const listed = async (): Promise<readonly RunRow[]> =>
    (await listRuns(texts, { limit: 100 })).runs.map(({ text }) => JSON.parse(text) as RunRow);
  const stored = async (): Promise<readonly RunRow[]> => (await store.runList({ limit: 100 })).runs;

  it("are what is stored, however often they are asked for and whatever happens meanwhile", async () => {
    for (let n = 0; n < 20; n++) {
      await store.commit({ runs: [begin(sampleRun(n))] });
      assert.deepEqual(await listed(), await stored());
      assert.deepEqual(await listed(), await stored());
    }
    const [newest] = await stored();
    assert.ok(newest !== undefined);
    let row = newest;
    for (const status of ["running", "failed", "failed", "running", "failed"] as const) {
      // Two of them are the same but for the length of their history, as a clock that was set back would have it.
      const next = goOn(row, sampleEvents(row.seq + 1, 2), { status });
      await store.commit({ runs: [next] });
      row = next.row;
      assert.deepEqual(await listed(), await stored());
    }
  });

  it("are made anew when they were forgotten for others", async () => {
    const long = "x".repeat(30_000);
    for (let n = 0; n < 400; n++) await store.commit({ runs: [begin(sampleRun(n, { name: `${long}${n}` }))] });
    for (let round = 0; round < 2; round++) {
      for (let cursor: string | null | undefined; cursor !== null;) {
        const query = cursor === undefined ? { limit: 100 } : { limit: 100, cursor };
        const [mine, theirs] = [await listRuns(texts, query), await store.runList(query)];
        assert.deepEqual(
          mine.runs.map(({ text }) => JSON.parse(text) as RunRow),
          theirs.runs,
        );
        cursor = mine.cursor;
      }
    }
  });

  it("are not shown of a run that was damaged since", async () => {
    const row = begin(sampleRun(1));
    await store.commit({ runs: [row] });
    await listed();
    const other = new DatabaseSync(join(dir, "maestro.db"));
    other.exec(`update run set state_checksum = state_checksum + 1 where id = '${row.id}'`);
    other.close();
    await assert.rejects(listed(), { code: "store_corrupt" });
  });
});
