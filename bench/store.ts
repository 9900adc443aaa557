// The store alone: what `commit` makes durable per second, as the engine would ask for it, beside the floor of the same
// machine in the same minute (the same events into a bare table, one statement, same durability settings).
//   node bench/store.ts [--seconds N]
import { hash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { parseArgs } from "node:util";
import type { Digest } from "../packages/maestro/src/core/digest.ts";
import { openSqlite } from "../packages/maestro/src/store/sqlite.ts";
import type { RunAppend, RunRow } from "../packages/maestro/src/store/store.ts";

const EVENTS_PER_RUN = 2;
const BATCHES = [1, 10, 100, 500, 2_000];
/** A run is appended to this often, as in W1, then a new one takes its place. */
const APPENDS = 5;
const LONG = 4_000;

const { values } = parseArgs({ options: { seconds: { type: "string", default: "1" } } });
const seconds = Number(values.seconds);
const folder = mkdtempSync(join(tmpdir(), "maestro-bench-"));
try {
  console.log("runs/commit   floor ev/s   store ev/s   ratio   whole rows ev/s   ms/commit p50");
  for (const runs of BATCHES) {
    const bare = floor(runs);
    const heads = await measure(runs, "head");
    const rows = await measure(runs, "row");
    const cells = [
      String(runs).padStart(11),
      perSecond(bare.rate).padStart(12),
      perSecond(heads.rate).padStart(12),
      (heads.rate / bare.rate).toFixed(2).padStart(7),
      perSecond(rows.rate).padStart(17),
      heads.p50.toFixed(3).padStart(15),
    ];
    console.log(cells.join(" "));
  }
  console.log(`one run, ${perSecond(LONG)} events a commit: ${perSecond(await longRun())} ev/s`);
} finally {
  rmSync(folder, { recursive: true });
}

interface Measured {
  readonly rate: number;
  readonly p50: number;
}

/** `head`: appends carry seq and head only; `row`: they carry the whole row, as where a list shows progress. */
async function measure(runs: number, kind: "head" | "row"): Promise<Measured> {
  const store = await openSqlite({ path: join(folder, `${kind}-${runs}.db`) });
  const took: number[] = [];
  let busy = 0;
  for (let round = 0; busy < seconds * 1_000; round++) {
    const rows = Array.from({ length: runs }, (_, i) => newRow(round * runs + i));
    await store.commit({ runs: rows.map((row) => ({ id: row.id, firstSeq: 1, events: [eventText(1)], row })) });
    for (let append = 0; append < APPENDS; append++) {
      const batch = rows.map((row) => next(row, append, kind));
      const start = performance.now();
      await store.commit({ runs: batch });
      const ms = performance.now() - start;
      took.push(ms);
      busy += ms;
    }
  }
  await store.close();
  return {
    rate: (took.length * runs * EVENTS_PER_RUN * 1_000) / busy,
    p50: took.sort((a, b) => a - b)[took.length >> 1] ?? 0,
  };
}

/** A fan-out: all events of a commit belong to one run. */
async function longRun(): Promise<number> {
  const store = await openSqlite({ path: join(folder, "long.db") });
  const row = newRow(0);
  await store.commit({ runs: [{ id: row.id, firstSeq: 1, events: [eventText(1)], row }] });
  let busy = 0;
  let seq = 1;
  while (busy < seconds * 1_000) {
    const events = Array.from({ length: LONG }, (_, i) => eventText(seq + 1 + i));
    const start = performance.now();
    await store.commit({ runs: [{ id: row.id, firstSeq: seq + 1, events, row: { seq: seq + LONG, head: row.head } }] });
    busy += performance.now() - start;
    seq += LONG;
  }
  await store.close();
  return (seq * 1_000) / busy;
}

function floor(runs: number): Measured {
  const db = new DatabaseSync(join(folder, `floor-${runs}.db`));
  db.exec("pragma journal_mode = wal; pragma synchronous = full; pragma wal_autocheckpoint = 4000");
  db.exec(
    "create table event (run_id text not null, seq integer not null, text text not null, primary key (run_id, seq))",
  );
  const insert = db.prepare("insert into event values (?, ?, ?)");
  const text = eventText(1);
  const took: number[] = [];
  let busy = 0;
  for (let round = 0; busy < seconds * 500; round++) {
    const ids = Array.from({ length: runs }, (_, i) => runId(round * runs + i));
    const start = performance.now();
    db.exec("begin immediate");
    for (const id of ids) for (let seq = 1; seq <= EVENTS_PER_RUN; seq++) insert.run(id, seq, text);
    db.exec("commit");
    const ms = performance.now() - start;
    took.push(ms);
    busy += ms;
  }
  db.close();
  return {
    rate: (took.length * runs * EVENTS_PER_RUN * 1_000) / busy,
    p50: took.sort((a, b) => a - b)[took.length >> 1] ?? 0,
  };
}

function next(row: RunRow, append: number, kind: "head" | "row"): RunAppend {
  const firstSeq = 2 + append * EVENTS_PER_RUN;
  const seq = firstSeq + EVENTS_PER_RUN - 1;
  const events = Array.from({ length: EVENTS_PER_RUN }, (_, i) => eventText(firstSeq + i));
  const changed = kind === "row" ? { ...row, seq, tasksDone: append + 1 } : { seq, head: row.head };
  return { id: row.id, firstSeq, events, row: changed };
}

function runId(n: number): string {
  return `r_${n.toString(32).padStart(9, "0")}${hash("sha1", String(n)).slice(0, 10)}`;
}

function newRow(n: number): RunRow {
  const digest: Digest = `sha256:${"0123456789abcdef".repeat(4)}`;
  return {
    id: runId(n),
    namespace: "default",
    workflow: "five-steps",
    version: "1.0.0",
    name: "five-steps",
    planDigest: digest,
    status: "running",
    waiting: null,
    initiator: "local:bench",
    purpose: "measurement",
    labels: {},
    priority: 0,
    createdAt: 1_763_700_000_000 + n,
    startedAt: 1_763_700_000_000 + n,
    endedAt: null,
    wakeAt: null,
    concurrencyKey: null,
    idempotencyKey: null,
    parentRun: null,
    tasksTotal: 5,
    tasksDone: 0,
    error: null,
    seq: 1,
    head: digest,
  };
}

function eventText(seq: number): string {
  const result = { ok: true, output: { count: seq, name: "something" }, runner: "process@host" };
  return JSON.stringify({
    at: 1_763_700_000_000,
    attempt: 1,
    item: -1,
    kind: "attempt_finished",
    result,
    seq,
    task: "build",
  });
}

function perSecond(rate: number): string {
  return Math.round(rate).toLocaleString("en");
}
