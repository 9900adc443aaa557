import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, it } from "node:test";
import { Checkpoints } from "./checkpoints.ts";
import { connect } from "./connect.ts";

let dir: string;
let path: string;
let db: DatabaseSync;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "maestro-checkpoints-"));
  path = join(dir, "maestro.db");
  db = connect(path);
  db.exec("create table page (bytes blob)");
});
afterEach(() => {
  db.close();
  rmSync(dir, { recursive: true });
});

/** A row that fills a page and a little more, so many times. */
const write = (count: number): void => {
  db.exec(
    `with recursive n (i) as (select 1 union all select i + 1 from n where i < ${count}) insert into page select zeroblob(4000) from n`,
  );
};

describe("checkpoints", () => {
  it("leave a short log alone, and fold a long one beside the commits", async () => {
    const checkpoints = new Checkpoints(db, path);
    write(3_000);
    checkpoints.committed();
    assert.equal(checkpoints.log[1], 0);
    write(3_000);
    checkpoints.committed();
    write(10);
    await checkpoints.folding;
    const [frames, folded] = checkpoints.log;
    assert.ok(frames > 6_000 && folded === frames, `${folded} of ${frames}`);
    write(1);
    assert.ok(checkpoints.log[0] < 10, "the log begins anew");
    await checkpoints.close();
  });

  it("fold what a reader lets them, and the rest when there is more", async () => {
    const checkpoints = new Checkpoints(db, path);
    write(4_100);
    const reader = new DatabaseSync(path, { readOnly: true });
    reader.exec("begin; select count(*) from page");
    write(500);
    checkpoints.committed();
    await checkpoints.folding;
    const [frames, folded] = checkpoints.log;
    assert.ok(folded >= 4_000 && folded < frames, `${folded} of ${frames}`);
    reader.close();
    checkpoints.committed();
    assert.deepEqual([checkpoints.folding], [undefined], "not at every commit");
    write(4_100);
    checkpoints.committed();
    await checkpoints.folding;
    assert.equal(checkpoints.log[0], checkpoints.log[1]);
    await checkpoints.close();
  });

  it("do not begin another fold when they are closed, and keep nobody waiting", async () => {
    const checkpoints = new Checkpoints(db, path);
    write(4_100);
    checkpoints.committed();
    await checkpoints.close();
    assert.equal(checkpoints.folding, undefined);
    assert.equal(checkpoints.log[1], 0);
  });

  it("that cannot be made leave everything in the log", async () => {
    const checkpoints = new Checkpoints(db, join(dir, "nowhere", "maestro.db"));
    write(4_100);
    checkpoints.committed();
    await checkpoints.folding;
    await checkpoints.close();
    assert.equal(checkpoints.log[1], 0);
    assert.equal(db.prepare("select count(*) as count from page").get()?.["count"], 4_100);
    db.close();
    assert.throws(() => checkpoints.log);
    checkpoints.committed();
    db = connect(path);
  });
});
