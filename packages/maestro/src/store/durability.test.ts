import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, it } from "node:test";
import { MaestroError } from "../core/problem.ts";
import { SqliteWriter } from "./commit.ts";
import { pagesOfEvents } from "./contract.ts";
import { checkRun } from "./check-run.ts";
import { migrate, readMigrations } from "./migrate.ts";
import { begin, goOnQuietly, sampleId, sampleRun } from "./sample.ts";
import { storeProblem } from "./sql.ts";
import { openSqlite } from "./sqlite.ts";
import type { Store } from "./store.ts";

describe("kill -9", () => {
  it("loses no acknowledged event, again and again", async () => {
    const dir = mkdtempSync(join(tmpdir(), "maestro-kill-"));
    const path = join(dir, "maestro.db");
    try {
      let seq = 0;
      for (let round = 0; round < 5; round++) {
        const acknowledged = await killWriter(path, seq + 40 + round * 97);
        assert.ok(acknowledged > seq);
        seq = await verify(path, acknowledged);
      }
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});

const RUNS = 5;

/** Appends to every run in each commit, without end, and says what was acknowledged. */
const WRITER = `
  const load = (file) => import(new URL(file, ${JSON.stringify(import.meta.url)}).href);
  const { openSqlite } = await load("./sqlite.ts");
  const { begin, goOn, sampleEvents, sampleId, sampleRun } = await load("./sample.ts");
  const { writeSync } = await import("node:fs");
  const store = await openSqlite({ path: process.argv[1] });
  let rows = [];
  for (let n = 0; n < ${RUNS}; n++) rows.push((await store.runGet(sampleId(n))) ?? sampleRun(n));
  for (;;) {
    const runs = rows.map((row) => (row.seq === 0 ? begin(row) : goOn(row, sampleEvents(row.seq + 1, 3), { tasksDone: row.seq })));
    await store.commit({ runs });
    rows = runs.map((run) => run.row);
    writeSync(1, rows[0].seq + "\\n");
  }`;

/** Kills the writer once it has acknowledged `until`, in the midst of what it does then. Returns what it said last. */
async function killWriter(path: string, until: number): Promise<number> {
  const child = spawn(process.execPath, ["--input-type=module", "-e", WRITER, path], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  let last = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    last = Number(line);
    if (last >= until) child.kill("SIGKILL");
  }
  assert.deepEqual(await exited, [null, "SIGKILL"]);
  return last;
}

/** Every run holds at least what was acknowledged, all runs alike (one commit wrote them), and the chains hold. */
async function verify(path: string, acknowledged: number): Promise<number> {
  const store = await openSqlite({ path });
  try {
    const seqs = new Set<number>();
    for (let n = 0; n < RUNS; n++) {
      const row = await store.runGet(sampleId(n));
      assert.ok(row);
      checkRun(row, await pagesOfEvents(store, row.id, 1_000));
      seqs.add(row.seq);
    }
    const [seq = 0] = seqs;
    assert.equal(seqs.size, 1);
    assert.ok(seq >= acknowledged, `${acknowledged} was acknowledged, ${seq} is there`);
    return seq;
  } finally {
    await store.close();
  }
}

const BIG = `"${"x".repeat(4 << 20)}"`;

describe("no room left", () => {
  it("refuses the commit, keeps nothing of it, and goes on when there is room (page limit)", () => {
    const db = new DatabaseSync(":memory:");
    migrate(db, readMigrations(new URL("./migrations/sqlite/", import.meta.url)), { path: "m.db", now: 0 });
    const writer = new SqliteWriter(db);
    const first = begin(sampleRun(1));
    writer.commit({ runs: [first] });
    db.exec("pragma max_page_count = 200");
    const batch = { runs: [begin(sampleRun(2)), goOnQuietly(first.row, [BIG])] };
    assert.throws(
      () => writer.commit(batch),
      (error) => {
        const problem = storeProblem(error, "m.db");
        return problem instanceof MaestroError && problem.code === "storage_full";
      },
    );
    assert.equal(db.isTransaction, false);
    const events = db.prepare("select sum(count) as n from event");
    assert.equal(events.get()?.["n"], 2);
    db.exec("pragma max_page_count = 100000");
    writer.commit(batch);
    assert.equal(events.get()?.["n"], 5);
    db.close();
  });

  describe("on a real file system", () => {
    const dir = mkdtempSync(join(tmpdir(), "maestro-full-"));
    const mounted = mountSmall(dir);
    let store: Store;
    before(async () => {
      if (mounted === true) store = await openSqlite({ path: join(dir, "maestro.db") });
    });
    after(async () => {
      if (mounted === true) {
        await store.close();
        execFileSync("/bin/umount", [dir]);
      }
      rmSync(dir, { recursive: true });
    });

    it(
      "refuses the commit, keeps nothing of it, and goes on when there is room",
      { skip: mounted !== true && mounted },
      async () => {
        const first = begin(sampleRun(1));
        await store.commit({ runs: [first] });
        const ballast = join(dir, "ballast");
        fill(ballast);
        const { kept, error, lost } = await commitUntilRefused(store);
        assert.ok(error instanceof MaestroError);
        assert.equal(error.code, "storage_full");
        const path = join(dir, "maestro.db");
        assert.equal(error.message, `There is no room left to write ${path}; nothing of this commit was kept.`);
        assert.match(error.fix, /^Free some space; what was acknowledged is safe/);
        for (const run of [first, ...kept]) assert.deepEqual(await store.runGet(run.id), run.row);
        assert.equal(await store.runGet(lost.id), undefined);

        rmSync(ballast);
        await store.commit({ runs: [lost] });
        assert.deepEqual(await store.runGet(lost.id), lost.row);

        // A commit larger than the disk takes no other with it.
        const other = begin(sampleRun(2));
        await assert.rejects(store.commit({ runs: [other, goOnQuietly(first.row, [BIG])] }), { code: "storage_full" });
        assert.equal(await store.runGet(other.id), undefined);
        await store.commit({ runs: [other] });
        assert.deepEqual(await store.runGet(first.id), first.row);
      },
    );
  });
});

/** Begins runs, one per commit. */
async function commitUntilRefused(store: Store): Promise<{ kept: Begun[]; error: unknown; lost: Begun }> {
  const kept: Begun[] = [];
  for (let n = 3; ; n++) {
    const run = begin(sampleRun(n));
    try {
      await store.commit({ runs: [run] });
    } catch (error) {
      return { kept, error, lost: run };
    }
    kept.push(run);
  }
}

type Begun = ReturnType<typeof begin>;

/** A file system of 2 MB at `dir`; else why there is none. */
function mountSmall(dir: string): true | string {
  try {
    execFileSync("/bin/mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", dir], { stdio: "pipe" });
    return true;
  } catch (error) {
    return `SKIPPED: a small file system cannot be mounted here (needs root): ${String(error).split("\n")[0]}`;
  }
}

function fill(path: string): void {
  for (let size = 2 << 20; size >= 1; size >>= 1) {
    try {
      for (;;) writeFileSync(path, Buffer.alloc(size), { flag: "a" });
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, "ENOSPC");
    }
  }
}
