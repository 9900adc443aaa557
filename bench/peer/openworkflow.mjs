// W1 on openworkflow, a durable workflow engine that likewise lives in one Node process on node:sqlite: 2,000 runs of five
// no-op steps, all enqueued up front, its worker with a slot for each: with fewer it waits
// for its next poll whenever all are taken (100 slots: 144 steps/s, 2,000: 662). It keeps step results and no
// history, asks no gate and signs nothing. Its connection has WAL and SQLite's default `synchronous`, which is full.
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import { OpenWorkflow } from "openworkflow";
import { BackendSqlite } from "openworkflow/sqlite";
import { bench, meter, quick } from "../measure.ts";

const RUNS = quick ? 100 : 2_000;
const STEPS = 5;

await bench({
  title: "W1 on openworkflow 0.10.1",
  async measure(dir) {
    const path = join(dir, "peer.db");
    const backend = BackendSqlite.connect(path);
    const engine = new OpenWorkflow({ backend });
    const workflow = engine.defineWorkflow({ name: "five-steps" }, async ({ step }) => {
      let value = 0;
      for (let i = 0; i < STEPS; i++) value = await step.run({ name: `s${i}` }, async () => i);
      return { value };
    });
    const worker = engine.newWorker({ concurrency: RUNS });
    const stop = meter();
    // Before the worker starts: one that finds no work, or no free slot, polls less and less often.
    await Promise.all(Array.from({ length: RUNS }, async () => workflow.run({})));
    await worker.start();
    await completed(path);
    const { ms, cost } = stop();
    await worker.stop();
    await backend.stop();
    const what = "peer: openworkflow 0.10.1 on SQLite, W1 steps/s";
    return [{ what, value: (RUNS * STEPS * 1_000) / ms, unit: "/s", better: "higher", ...cost }];
  },
});

/** Looks from outside, seldom enough not to be in the way. */
async function completed(path) {
  const db = new DatabaseSync(path, { readOnly: true });
  const count = db.prepare("select count(*) as ended from workflow_runs where finished_at is not null");
  while (count.get().ended < RUNS) await delay(20);
  const failed = db.prepare("select count(*) as failed from workflow_runs where status <> 'completed'").get();
  db.close();
  if (failed.failed > 0) throw new Error(`${failed.failed} runs did not complete`);
}
