// W1: 2,000 runs of five no-op steps, all enqueued up front, with a decision and a signed receipt each and full history.
// From the first start() to the moment the last run's end is durable. The floor is what the same events take in a bare
// table, as many a transaction as the engine wrote.
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { DurableEngine } from "../packages/maestro/src/engine/durable.ts";
import { openEngine, withEffect } from "./engine.ts";
import type { Reading } from "./measure.ts";
import { bench, meter, quick } from "./measure.ts";
import { compile, ends, FIVE_STEPS, openPlane, start, STEPS } from "./plane.ts";

const RUNS = quick ? 200 : 2_000;
/** The first is what a fresh process does; by the sixth the code is compiled, as in a service that has been up a while. */
const ROUNDS = quick ? 3 : 10;
const WARM_FROM = quick ? 2 : 5;
const PER_TRANSACTION = 500;

await bench({
  title: `W1: ${RUNS.toLocaleString("en")} runs of ${STEPS} steps in sequence`,
  async measure(dir) {
    const plane = await openPlane(join(dir, "data"));
    const plan = await compile(plane.engine, FIVE_STEPS);
    const readings: Reading[] = [];
    let ids: readonly string[] = [];
    const warm: Round[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const done = ends(plane.engine, RUNS);
      const stop = meter();
      const rows = await Promise.all(Array.from({ length: RUNS }, async () => start(plane, plan)));
      await done;
      const measured = stop();
      ids = rows.map((row) => row.id);
      if (round === 0) readings.push(reading("W1 steps/s, in a fresh process", measured));
      if (round >= WARM_FROM) warm.push(measured);
    }
    const took = warm.toSorted((a, b) => a.ms - b.ms)[warm.length >> 1]!;
    readings.push(reading("W1 steps/s, warm", took));
    const floor = bareInserts(dir, await eventTexts(plane.engine, ids));
    await plane.close();
    readings.push(await withEffects(join(dir, "effects")));
    readings.push({ what: "W1 time, warm ÷ its events in a bare table", value: took.ms / floor, unit: "x" });
    return readings;
  },
});

type Round = ReturnType<ReturnType<typeof meter>>;

function reading(what: string, { ms, cost }: Round): Reading {
  const value = (RUNS * STEPS * 1_000) / ms;
  return { what, value, unit: "/s", better: "higher", must: 20_000, moonshot: 30_000, ...cost };
}

/** Every step asks the gate and is durably started before it runs, so nothing of a run shares a commit. */
async function withEffects(dir: string): Promise<Reading> {
  const bench = await openEngine(dir, (parts) => ({ types: withEffect(parts.types) }));
  const plan = await compile(bench.engine, FIVE_STEPS);
  const done = ends(bench.engine, RUNS);
  const stop = meter();
  await Promise.all([done, ...Array.from({ length: RUNS }, async () => start(bench, plan))]);
  const { ms, cost } = stop();
  await bench.close();
  return {
    what: "W1 steps/s, warm, each step with an effect",
    value: (RUNS * STEPS * 1_000) / ms,
    unit: "/s",
    better: "higher",
    ...cost,
  };
}

async function eventTexts(
  engine: DurableEngine,
  ids: readonly string[],
): Promise<readonly { readonly id: string; readonly seq: number; readonly text: string }[]> {
  const all = await Promise.all(
    ids.map(async (id) =>
      (await engine.parts.store.runEvents(id, { afterSeq: 0, limit: 1_000 })).map((event) => ({ id, ...event })),
    ),
  );
  return all.flat();
}

/** Milliseconds. */
function bareInserts(dir: string, events: Awaited<ReturnType<typeof eventTexts>>): number {
  const db = new DatabaseSync(join(dir, "floor.db"));
  db.exec("pragma journal_mode = wal; pragma synchronous = full; pragma wal_autocheckpoint = 4000");
  db.exec(
    "create table event (run_id text not null, seq integer not null, text text not null, primary key (run_id, seq))",
  );
  const insert = db.prepare("insert into event values (?, ?, ?)");
  const stop = meter();
  for (let from = 0; from < events.length; from += PER_TRANSACTION) {
    db.exec("begin immediate");
    for (const { id, seq, text } of events.slice(from, from + PER_TRANSACTION)) insert.run(id, seq, text);
    db.exec("commit");
  }
  const { ms } = stop();
  db.close();
  return ms;
}
