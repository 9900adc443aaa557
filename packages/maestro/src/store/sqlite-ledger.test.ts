import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, it } from "node:test";
import { openSqlite } from "./sqlite.ts";
import type { Store } from "./store.ts";

describe("the ledger in the database", () => {
  let dir: string;
  let store: Store;
  let db: DatabaseSync;
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), "maestro-ledger-"));
    store = await openSqlite({ path: join(dir, "maestro.db") });
    await store.commit({
      runs: [],
      ledger: [1, 2, 3].map((n) => ({ kind: "note", run: null, text: `{"n":${n}}` })),
    });
    await store.ledger.sign({ size: 2, note: "note", signedAt: 1 }, [{ level: 1, place: 0, hash: "hash" }]);
    db = new DatabaseSync(join(dir, "maestro.db"));
  });
  afterEach(async () => {
    db.close();
    await store.close();
    rmSync(dir, { recursive: true });
  });

  for (const [what, sql, says] of [
    ["a changed entry", "update ledger_entry set text = 'x' where place = 1", /the ledger is never changed/],
    ["a deleted entry", "delete from ledger_entry where place = 2", /the ledger is never shortened/],
    ["a gap", "insert into ledger_entry values (4, 'note', null, '{}', 1)", /follows the one before it/],
    ["an entry in between", "insert into ledger_entry values (-1, 'note', null, '{}', 1)", /follows the one before it/],
    [
      "a replaced entry",
      "insert or replace into ledger_entry values (1, 'note', null, '{}', 1)",
      /follows the one before/,
    ],
    ["a changed hash", "update ledger_hash set hash = 'x'", /the ledger is never changed/],
    ["a deleted hash", "delete from ledger_hash", /the ledger is never shortened/],
    ["a changed checkpoint", "update ledger_checkpoint set note = 'x'", /what was signed is never changed/],
    ["a deleted checkpoint", "delete from ledger_checkpoint", /what was signed is never taken back/],
    ["a checkpoint for less", "insert into ledger_checkpoint values (1, 'x', 1, 1)", /only for more entries/],
    [
      "a second one for as many",
      "insert or replace into ledger_checkpoint values (2, 'x', 1, 1)",
      /only for more entries/,
    ],
  ] as const) {
    it(`refuses ${what}, whoever asks`, () => {
      assert.throws(() => db.exec(sql), says);
    });
  }

  it("names an entry and a checkpoint that somebody edited all the same", async () => {
    db.exec("drop trigger ledger_entry_no_update; drop trigger ledger_checkpoint_no_update");
    db.exec(`update ledger_entry set text = '{"n":4}' where place = 1; update ledger_checkpoint set note = 'x'`);
    await assert.rejects(store.ledger.entries({ from: 0, limit: 10 }), {
      code: "store_corrupt",
      message: /does not hold entry 1 of the ledger as it was committed/,
    });
    await assert.rejects(store.ledger.checkpoint(), { code: "store_corrupt", message: /the checkpoint of 2 entries/ });
  });
});
