import assert from "node:assert/strict";
import { existsSync, mkdirSync, utimesSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { Digest } from "../core/digest.ts";
import type { RemovableBlobs } from "../store/blobs.ts";
import { openBlobs } from "../store/blob-files.ts";
import { shareFiles } from "../store/files-lock.ts";
import { begin, goOn, sampleCache, sampleEvents, sampleReceipt, sampleRun } from "../store/sample.ts";
import { openSqlite } from "../store/sqlite.ts";
import type { RunRow, Store } from "../store/store.ts";
import { Retention } from "./retention.ts";
import type { PassReport } from "./retention.ts";

const DAY = 86_400_000;
const NOW = 2_000_000_000_000;

describe("a pass of retention", () => {
  let dir: string;
  let store: Store;
  let blobs: RemovableBlobs;
  let loaded: Set<string>;
  let now: number;
  let retention: Retention;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "maestro-retention-"));
    store = await openSqlite({ path: join(dir, "maestro.db") });
    blobs = await openBlobs(join(dir, "blobs"));
    loaded = new Set();
    now = NOW;
    retention = new Retention({
      store,
      blobs,
      dataDir: dir,
      now: () => now,
      isLoaded: (run) => loaded.has(run),
      log: () => undefined,
      blobGraceMs: DAY,
    });
  });
  afterEach(async () => {
    await retention.close();
    await store.close();
    await rm(dir, { recursive: true, force: true });
  });

  let next = 0;
  /** A run that ended so many days ago, with a log and a work folder. */
  async function run(days: number, changes: Partial<RunRow> = {}, events = sampleEvents(1, 3)): Promise<RunRow> {
    next += 1;
    const at = now - days * DAY;
    const id = `r_${String(next).padStart(19, "0")}`;
    const append = begin(
      sampleRun(next, { id, status: "succeeded", createdAt: at - 5, startedAt: at - 4, endedAt: at, ...changes }),
      events,
    );
    await store.commit({ runs: [append], receipts: [sampleReceipt(append.id, 1)] });
    file(`logs/${append.id}/a.1.log`);
    file(`work/${append.id}/a.1/scratch.txt`);
    return append.row;
  }
  function file(path: string): string {
    const full = join(dir, path);
    mkdirSync(dirname(full), { recursive: true });
    writeFileSync(full, "1234567890");
    return full;
  }
  async function oldBlob(text: string): Promise<Digest> {
    const { digest } = await blobs.put(Buffer.from(text));
    age(digest);
    return digest;
  }
  function age(digest: Digest): void {
    const path = join(dir, "blobs/sha256", digest.slice(7, 9), digest.slice(7));
    utimesSync(path, new Date(Date.now() - 2 * DAY), new Date(Date.now() - 2 * DAY));
  }
  const pass = (dryRun = false): Promise<PassReport> => retention.run({ by: "local:ada", dryRun });
  const there = (path: string): boolean => existsSync(join(dir, path));
  const eventsOf = async (row: RunRow): Promise<number> =>
    (await store.runEvents(row.id, { afterSeq: 0, limit: 9 })).length;

  it("removes each part when its own clock has run out, receipts last", async () => {
    const rows = [await run(1), await run(10), await run(40), await run(100), await run(500), await run(2_600)];
    const planned = await pass(true);
    assert.deepEqual(await Promise.all(rows.map(eventsOf)), [3, 3, 3, 3, 3, 3], "a dry run removes nothing");
    const report = await pass();
    for (const part of ["logs", "artifacts", "events", "receipts"] as const)
      assert.equal(planned.removed[part], report.removed[part], part);
    const { logs, artifacts, events, receipts } = report.removed;
    assert.deepEqual({ logs, artifacts, events, receipts }, { logs: 4, artifacts: 3, events: 2, receipts: 1 });
    assert.deepEqual(
      rows.map(({ id }) => there(`logs/${id}`)),
      [true, true, false, false, false, false],
    );
    assert.deepEqual(
      rows.map(({ id }) => there(`work/${id}`)),
      [true, false, false, false, false, false],
    );
    assert.deepEqual(await Promise.all(rows.map(eventsOf)), [3, 3, 3, 3, 0, 0]);
    const left = await Promise.all(rows.map(async ({ id }) => (await store.receiptGet(id)) !== undefined));
    assert.deepEqual(left, [true, true, true, true, true, false]);
    assert.equal(await store.runGet(rows[5]?.id ?? ""), undefined);
    const removal = await store.retention.removalOf(rows[4]?.id ?? "", "events");
    assert.deepEqual([removal?.policy, removal?.removedBy, removal?.removedAt], ["events 400d", "local:ada", NOW]);
    const [record] = await store.retention.passList(1);
    assert.equal(record?.startedBy, "local:ada");
    assert.equal(record?.removed["events"], 2);
    assert.match(record?.policy ?? "", /"receipts":"2557d"/);
    assert.equal((await pass()).removed.logs, 0, "nothing is removed twice");
    assert.equal((await store.retention.passList(9)).length, 1, "and a pass that removed nothing leaves no record");
  });

  it("goes by the policy of the namespace, and removes nothing when the policy is wrong", async () => {
    const court = await run(5_000, { namespace: "court" });
    const quick = await run(2, { namespace: "quick" });
    const policy = (text: string): void => writeFileSync(join(dir, "retention.yaml"), text);
    policy("retention:\n  namespaces:\n    court: { event: forever }\n    quick: { events: 1h, receipts: soon }\n");
    await assert.rejects(pass(), (error: Error) => {
      assert.match(error.message, /retention.namespaces.court has no member "event"; did you mean events\?/);
      assert.match(error.message, /retention.namespaces.quick.receipts is "soon"; it is a duration/);
      assert.match(error.message, /retention.namespaces.quick: events 1h is shorter than work 7d/);
      return true;
    });
    assert.equal(await eventsOf(quick), 3);
    policy(
      "retention:\n  namespaces:\n    court: { logs: forever, artifacts: forever, events: forever, receipts: forever }\n    quick: { work: 1h, logs: 1h, artifacts: 1h, events: 1h }\n",
    );
    await pass();
    assert.equal(await eventsOf(court), 3);
    assert.ok(there(`logs/${court.id}/a.1.log`));
    assert.equal(await eventsOf(quick), 0);
    assert.ok(await store.receiptGet(quick.id));
  });

  it("leaves alone what is held, what a parent at work may ask for, and what an engine has in memory", async () => {
    const held = await run(3_000);
    const parent = begin(sampleRun(9_001, { createdAt: NOW - 3_000 * DAY }));
    await store.commit({ runs: [parent] });
    const child = await run(2_900, { parentRun: parent.id });
    const busy = await run(3_000);
    loaded.add(busy.id);
    const hold = { id: "h_1", kind: "run", target: held.id, reason: "case", placedBy: "x", placedAt: 1 } as const;
    await store.retention.holdPut({ ...hold, releasedBy: null, releasedAt: null, releaseReason: null });
    const report = await pass();
    assert.deepEqual([report.held, report.needed], [1, 2]);
    for (const row of [held, child, busy]) assert.equal(await eventsOf(row), 3);
    assert.ok(there(`work/${held.id}/a.1/scratch.txt`) && there(`work/${child.id}/a.1/scratch.txt`));
    await store.retention.holdRelease("h_1", { by: "x", at: 2, reason: "over" });
    loaded.clear();
    await store.commit({ runs: [goOn(parent.row, sampleEvents(3, 1), { status: "failed", endedAt: NOW })] });
    assert.equal((await pass()).removed.receipts, 3);
  });

  it("keeps artifacts in work folders until their own clock, and what nobody names not that long", async () => {
    const id = `r_${String(next + 1).padStart(19, "0")}`;
    const artifact = file(`work/${id}/a.1/out/app.tgz`);
    const event = `{"kind":"attempt_finished","result":{"artifacts":[{"name":"app.tgz","path":${JSON.stringify(artifact)},"digest":"sha256:${"a".repeat(64)}"}]}}`;
    const row = await run(8, {}, [event]);
    assert.equal(row.id, id);
    assert.equal((await pass()).removed.fileBytes, 10);
    assert.ok(existsSync(artifact));
    assert.ok(!there(`work/${id}/a.1/scratch.txt`));
    assert.equal((await pass()).removed.work, 0, "once is enough");
    now += 90 * DAY;
    await pass();
    assert.ok(!there(`work/${id}`));
  });

  it("finishes what a crash interrupted between the record and the files", async () => {
    const row = await run(40);
    const record = {
      run: row.id,
      part: "logs",
      seq: row.seq,
      head: row.head,
      removedAt: now,
      removedBy: "x",
      policy: "",
    } as const;
    await store.retention.remove([record]);
    assert.ok(there(`logs/${row.id}/a.1.log`));
    await pass();
    assert.ok(!there(`logs/${row.id}`));
  });

  it("removes blobs that nothing refers to, and keeps values, artifacts, lists of them and cached ones", async () => {
    const [value, artifact, inner, cached, nobodys, later] = [
      await oldBlob("value"),
      await oldBlob("artifact"),
      await oldBlob("inner"),
      await oldBlob("cached"),
      await oldBlob("nobody's"),
      await oldBlob("later"),
    ];
    const list = await oldBlob(`[{"name":"x","path":"/x","digest":"${inner}","size":1}]`);
    const recent = (await blobs.put(Buffer.from("recent"))).digest;
    const events = [
      `{"seq":1,"inputs":null,"blobs":[{"path":["inputs"],"digest":"${value}","size":1}]}`,
      `{"seq":2,"result":{"artifacts":[{"digest":"${artifact}"}]}}`,
      `{"seq":3,"result":{"artifacts":null},"blobs":[{"path":["result","artifacts"],"digest":"${list}","size":1}]}`,
    ];
    const row = await run(1, {}, events);
    await store.commit({
      runs: [],
      cache: [sampleCache(1, { run: "r_0000000000000000abc", result: { artifacts: [{ digest: cached }] } })],
    });
    const dry = await pass(true);
    assert.deepEqual([dry.removed.blobs, dry.removed.blobBytes], [2, 13]);
    // Wanted again, as by a step that leaves the same file behind: from now on it stays until its owner is recorded.
    await blobs.put(Buffer.from("later"));
    assert.equal((await pass()).removed.blobs, 1);
    const kept = async (digest: Digest): Promise<boolean> => (await blobs.path(digest)) !== undefined;
    assert.equal(await kept(nobodys), false);
    for (const digest of [value, artifact, inner, list, cached, later, recent]) assert.ok(await kept(digest), digest);

    now += 91 * DAY;
    for (const digest of [later, recent]) await rm((await blobs.path(digest)) ?? "");
    await pass();
    assert.ok(await kept(artifact), "for a day after their time artifacts may still be on their way to another run");
    now += DAY;
    assert.equal((await pass()).removed.blobs, 2);
    assert.deepEqual(
      [await kept(artifact), await kept(inner), await kept(value), await kept(list)],
      [false, false, true, true],
    );
    now += 400 * DAY;
    await pass();
    assert.equal(await eventsOf(row), 0);
    assert.deepEqual([await kept(value), await kept(list), await kept(cached)], [false, false, true]);
  });

  it("does not begin while a backup reads, nor twice", async () => {
    const reader = shareFiles(dir);
    await assert.rejects(pass(), { code: "conflict", message: /A backup reads/ });
    reader.release();
    const first = pass();
    await assert.rejects(pass(), { code: "conflict", message: /under way/ });
    await first;
  });
});

describe("a blob that is removed and put at the same time", () => {
  it("is there in the end whenever the put was the later of the two", async () => {
    const dir = await mkdtemp(join(tmpdir(), "maestro-blobs-"));
    try {
      const blobs = await openBlobs(dir);
      const bytes = Buffer.from("the same bytes");
      const { digest } = await blobs.put(bytes);
      for (let round = 0; round < 50; round++) {
        const path = (await blobs.path(digest)) ?? "";
        utimesSync(path, new Date(0), new Date(0));
        const before = Date.now() - DAY;
        const work =
          round % 2 === 0
            ? [blobs.remove(digest, before), blobs.put(bytes)]
            : [blobs.put(bytes), blobs.remove(digest, before)];
        await Promise.all(work);
        assert.ok(await blobs.get(digest), `round ${round}`);
      }
      assert.equal(await blobs.remove(digest, Date.now() - DAY), false, "it was put a moment ago");
    } finally {
      await rm(dir, { recursive: true });
    }
  });
});
