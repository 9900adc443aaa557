import assert from "node:assert/strict";
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, beforeEach, describe, it } from "node:test";
import fc from "fast-check";
import { MaestroError, messageOf } from "../core/problem.ts";
import { pagesOfEvents } from "./contract.ts";
import { checkRun } from "./check-run.ts";
import {
  begin,
  goOnQuietly,
  headAfter,
  sampleApproval,
  sampleCache,
  sampleEvents,
  samplePlan,
  sampleReceipt,
  sampleRun,
  START,
} from "./sample.ts";
import { openSqlite } from "./sqlite.ts";
import type { RunRow, Store } from "./store.ts";

describe("checkRun()", () => {
  const texts = sampleEvents(1, 4);
  const row = { id: "r_1", seq: 4, head: headAfter("", texts) };
  const events = texts.map((text, i) => ({ seq: i + 1, text }));

  it("takes a whole history, and one that has not begun", () => {
    checkRun(row, events);
    checkRun({ ...row, seq: 0 }, []);
  });

  const cases = [
    ["an event taken out", events.toSpliced(1, 1), "event 2 is missing.", 2],
    ["the last events taken out", events.slice(0, 2), "event 3 is missing, and all after it up to 4.", 3],
    ["an event put in", [...events, { seq: 5, text: "{}" }], "event 5 was never committed.", 5],
    [
      "two events exchanged",
      [events[0], events[2], events[1], events[3]].map((event, i) => ({ seq: i + 1, text: event?.text ?? "" })),
      "its 4 events do not chain to the digest that was recorded with the last of them.",
      undefined,
    ],
    [
      "a word changed",
      events.with(2, { seq: 3, text: texts[2]?.replace("run", "ran") ?? "" }),
      "its 4 events do not chain to the digest that was recorded with the last of them.",
      undefined,
    ],
  ] as const;
  for (const [what, edited, why, seq] of cases) {
    it(`names ${what}`, () => {
      assert.throws(() => checkRun(row, edited), {
        code: "store_corrupt",
        message: `The history of run r_1 is damaged or was edited: ${why}`,
        facts: seq === undefined ? { run: "r_1" } : { run: "r_1", seq },
      });
    });
  }
});

describe("a damaged or edited database", () => {
  let dir: string;
  let path: string;
  let clean: string;
  let crashed: string;
  const runs = Array.from({ length: 40 }, (_, n) =>
    begin(sampleRun(n, { labels: { n: String(n) } }), sampleEvents(1, 6)),
  );
  const plans = [1, 2, 3].map((n) => samplePlan(n));
  /** The last commit: without it there is nothing by which a damaged log could be told from a torn one. */
  const last = samplePlan(9);

  before(async () => {
    dir = mkdtempSync(join(tmpdir(), "maestro-damage-"));
    path = join(dir, "maestro.db");
    clean = join(dir, "clean.db");
    crashed = join(dir, "crashed.db");
    const store = await openSqlite({ path: clean });
    for (const run of runs) {
      const receipts = [sampleReceipt(run.id, 1)];
      await store.commit({ runs: [{ ...run, events: run.events.slice(0, 3), row: rowAt(run, 3) }], plans, receipts });
      await store.commit({ runs: [goOnQuietly(rowAt(run, 3), run.events.slice(3))] });
    }
    await store.commit({ runs: [], approvalsOpened: [sampleApproval(1)], cache: [sampleCache(1)] });
    await store.planPut(last);
    // As a crash leaves it: the file, and all that happened in the log.
    copyFileSync(clean, crashed);
    copyFileSync(`${clean}-wal`, `${crashed}-wal`);
    await store.close();
  });
  after(() => rmSync(dir, { recursive: true }));

  beforeEach(() => restore(clean));

  function restore(from: string): void {
    for (const end of ["", "-wal", "-shm"]) {
      rmSync(`${path}${end}`, { force: true });
      if (existsSync(`${from}${end}`)) copyFileSync(`${from}${end}`, `${path}${end}`);
    }
  }

  /** Reads all there is. Throws at the first refusal; fails where anything is other than it was committed. */
  async function readAll(store: Store, expected = runs): Promise<void> {
    for (const run of expected) {
      const row = await store.runGet(run.id);
      const events = await pagesOfEvents(store, run.id, 100);
      // The row vouches for its events, and they for its seq and head.
      checkRun(row ?? run.row, events);
      assert.deepEqual(row, run.row);
      assert.deepEqual(
        events.map((event) => event.text),
        run.events,
      );
      assert.deepEqual(await store.receiptGet(run.id), sampleReceipt(run.id, 1));
    }
    for (const plan of plans) assert.deepEqual(await store.planGet(plan.digest), plan);
    assert.deepEqual(await store.approvalList({ limit: 9 }), [sampleApproval(1)]);
    assert.deepEqual(await store.cacheGet(sampleCache(1).key, START), sampleCache(1));
    assert.deepEqual((await store.runList({ limit: 100 })).runs, expected.map((run) => run.row).toReversed());
    assert.equal((await store.runActive({ afterId: "", limit: 100 })).length, expected.length);
  }

  async function openAndRead(): Promise<void> {
    const store = await openSqlite({ path });
    try {
      await readAll(store);
    } finally {
      await store.close();
    }
  }

  function edit(sql: string): void {
    const db = new DatabaseSync(path);
    db.exec(sql);
    db.close();
  }

  async function refusal(): Promise<MaestroError> {
    const thrown: unknown = await openAndRead().then(
      () => assert.fail("nothing was refused"),
      (error: unknown) => error,
    );
    assert.ok(thrown instanceof MaestroError, String(thrown));
    return thrown;
  }

  it("reads back whole when nothing happened to it, also after a crash", async () => {
    await openAndRead();
    restore(crashed);
    await openAndRead();
  });

  const victim = runs[7]?.id ?? "";
  const noTriggers = "drop trigger event_no_update; drop trigger event_no_delete;";
  const triggers =
    readFileSync(new URL("./schema.sql", import.meta.url), "utf8")
      .match(/^CREATE TRIGGER event.*$/gm)
      ?.join("\n") ?? "";
  const edits = [
    [
      "an event",
      `update event set text = replace(text, 'started', 'stopped') where run_id = '${victim}' and seq = 4`,
      `does not hold event 4 of run ${victim} as it was committed`,
      { run: victim, seq: 4 },
    ],
    [
      "a run's name",
      `update run set name = 'other' where id = '${victim}'`,
      `does not hold the row of run ${victim} as it was committed`,
      { run: victim },
    ],
    [
      "a run's status",
      `update run set status = 'succeeded' where id = '${victim}'`,
      `does not hold the row of run ${victim} as it was committed`,
      { run: victim },
    ],
    [
      "a run's end, by deletion",
      `delete from run_head where run_id = '${victim}'`,
      `does not hold the end of the history of run ${victim} as it was committed`,
      { run: victim },
    ],
    [
      "a run's labels, to what is no JSON",
      `update run set labels = '{' where id = '${victim}'`,
      `does not hold the labels of run ${victim} as it was committed`,
      { run: victim },
    ],
    [
      "a plan",
      `update plan set text = text || ' ' where digest = '${plans[0]?.digest}'`,
      `does not hold plan ${plans[0]?.digest} as it was committed`,
      { plan: plans[0]?.digest },
    ],
    [
      "an approval",
      "update approval set count = 1",
      "does not hold approval a_1 as it was committed",
      { approval: "a_1" },
    ],
    ["a cached result", "update cache set result = '{}'", "does not hold the cached result", {}],
  ] as const;
  for (const [what, sql, why, facts] of edits) {
    it(`refuses to read ${what} that was edited, naming it, the file and the way back`, async () => {
      edit(`${noTriggers} ${sql}; ${triggers}`);
      const error = await refusal();
      assert.equal(error.code, "store_corrupt");
      assert.ok(error.message.startsWith(`${path} ${why}`), error.message);
      for (const [key, value] of Object.entries(facts)) assert.equal(error.facts[key], value);
      assert.equal(error.facts["path"], path);
      assert.match(error.fix, /restore a backup/);
    });
  }

  it("refuses a history from which events were deleted", async () => {
    edit(`${noTriggers} delete from event where run_id = '${victim}' and seq = 1; ${triggers}`);
    assert.equal(
      (await refusal()).message,
      `The history of run ${victim} is damaged or was edited: event 1 is missing.`,
    );
    restore(clean);
    edit(`${noTriggers} delete from event where run_id = '${victim}' and seq > 3; ${triggers}`);
    assert.equal(
      (await refusal()).message,
      `The history of run ${victim} is damaged or was edited: event 4 is missing, and all after it up to 6.`,
    );
  });

  it("does not let events and receipts be changed or deleted, also not by hand", () => {
    const refusals = [
      ["update event set text = '{}'", /append-only: events are never changed/],
      ["delete from event", /append-only: events are never deleted/],
      ["update receipt set text = '{}'", /append-only: receipts are never changed/],
      ["delete from receipt", /append-only: receipts are never deleted/],
      [
        `insert or replace into event select * from event where run_id = '${victim}'`,
        /UNIQUE constraint failed|append-only/,
      ],
    ] as const;
    for (const [sql, why] of refusals) assert.throws(() => edit(`pragma recursive_triggers = on; ${sql}`), why, sql);
  });

  it("refuses a schema from which something was taken", async () => {
    edit("drop trigger receipt_no_delete");
    const error = await refusal();
    assert.equal(error.code, "store_corrupt");
    assert.equal(error.message, `${path} was edited: TRIGGER receipt_no_delete is missing or is another one.`);
    restore(clean);
    edit("create table of_the_user (x); create index more on event (checksum)");
    await openAndRead();
  });

  it("refuses what is no database", async () => {
    writeFileSync(path, "not a database, but long enough to look at: ".repeat(100));
    assert.equal((await refusal()).message, `${path} is not a database of Maestro.`);
    writeFileSync(path, "short");
    assert.equal((await refusal()).message, `${path} is not a database of Maestro.`);
  });

  it("refuses a file that was cut short", async () => {
    const bytes = readFileSync(clean).length;
    truncateSync(path, bytes - 4_096);
    assert.equal((await refusal()).message, `${path} has been cut short: it holds ${bytes - 4_096} of ${bytes} bytes.`);
  });

  it("refuses a log that is damaged before its last commit, and takes one whose end was torn off", async () => {
    restore(crashed);
    const log = readFileSync(`${path}-wal`);
    const middle = 32 + (24 + 4_096) * 20 + 500;
    log.writeUInt8(log.readUInt8(middle) ^ 1, middle);
    writeFileSync(`${path}-wal`, log);
    const error = await refusal();
    assert.equal(error.code, "store_corrupt");
    assert.match(
      error.message,
      new RegExp(
        `^The write-ahead log ${path}-wal is damaged: frame 21 does not match its checksum, and \\d+ commits depend on it\\.$`,
      ),
    );
    assert.match(error.fix, /move the log away to go on from the last checkpoint/);

    restore(crashed);
    const whole = readFileSync(`${path}-wal`);
    whole.writeUInt8(0, 3);
    writeFileSync(`${path}-wal`, whole);
    assert.equal(
      (await refusal()).message,
      `The write-ahead log ${path}-wal is damaged: its header is not one that SQLite wrote.`,
    );

    restore(crashed);
    truncateSync(`${path}-wal`, readFileSync(`${path}-wal`).length - 100);
    const store = await openSqlite({ path });
    assert.equal(await store.planGet(last.digest), undefined);
    await readAll(store);
    await store.close();
  });

  it("opens without its log as it was at the last checkpoint", async () => {
    restore(crashed);
    rmSync(`${path}-wal`);
    const store = await openSqlite({ path });
    assert.deepEqual((await store.runList({ limit: 100 })).runs, []);
    await store.close();
  });

  it("gives back what was committed, or refuses by name, whichever bytes are flipped", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom("clean", "crashed"),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        fc.integer({ min: 1, max: 3 }),
        async (which, at, mask, count) => {
          restore(which === "clean" ? clean : crashed);
          const file = which === "clean" ? path : `${path}-wal`;
          const bytes = readFileSync(file);
          for (let i = 0; i < count; i++) {
            const place = (at + i * 7_919) % bytes.length;
            bytes.writeUInt8(bytes.readUInt8(place) ^ mask, place);
          }
          writeFileSync(file, bytes);
          const error: unknown = await openAndRead().then(
            () => undefined,
            (thrown: unknown) => thrown,
          );
          if (error === undefined) return;
          assert.ok(error instanceof MaestroError, messageOf(error));
          assert.ok(["store_corrupt", "schema_newer", "storage_failed", "internal"].includes(error.code), error.code);
        },
      ),
      { numRuns: 100 },
    );
  });
});

/** The run's row when it had `seq` events. */
function rowAt(run: ReturnType<typeof begin>, seq: number): RunRow {
  return { ...run.row, seq, head: headAfter("", run.events.slice(0, seq)) };
}
