import { isTerminal } from "../core/run.ts";
import type { DurableEngine } from "./durable.ts";
import { replacedBy } from "./keys.ts";
import type { LiveRun } from "./live.ts";
import type { LiveRuns } from "./live-runs.ts";

const PAGE = 1000;

/**
 * Adopts what an earlier engine left and makes good for what followed from its last commit and did not happen any more:
 * a concurrency key that was to be passed on, a run or a child that was to be told to stop. A run that cannot be loaded
 * is named in the log and left alone. Returns how many were adopted. Errors: `storage_failed`, `storage_full`.
 */
export async function recoverRuns(engine: DurableEngine, live: LiveRuns): Promise<number> {
  let afterId = "";
  let adopted = 0;
  const queued: LiveRun[] = [];
  for (;;) {
    const rows = await engine.parts.store.runActive({ afterId, limit: PAGE });
    for (const row of rows) {
      const run = await live.tryLoad(row.id, row);
      if (run === undefined) continue;
      adopted += 1;
      engine.post({ run: row.id, input: { kind: "timer" } });
      if (run.run.status === "queued") queued.push(run);
      await followParent(engine, run);
    }
    if (rows.length < PAGE) break;
    afterId = rows.at(-1)!.id;
  }
  for (const run of queued) await askForKey(engine, run);
  return adopted;
}

/** Oldest first, so that whoever waited longest is let in. */
async function askForKey(engine: DurableEngine, live: LiveRun): Promise<void> {
  const { id, created } = live.run;
  const { concurrency } = live.program.plan;
  const key = created.concurrencyKey;
  if (key === undefined || concurrency === undefined) return;
  await engine.keys.load(key);
  const holders = [...engine.keys.holders(key)];
  if (engine.keys.enter(key, concurrency.max, id)) engine.post({ run: id, input: { kind: "admitted" } });
  else if (concurrency.onConflict === "cancel-running")
    for (const holder of holders) engine.post({ run: holder, input: replacedBy(id) });
}

/** The parent was stopped by force and did not wait for its children. */
async function followParent(engine: DurableEngine, { run }: LiveRun): Promise<void> {
  const { parent } = run.created;
  // One that was retried by itself goes on by itself.
  if (parent === undefined || run.reopened > 0) return;
  const row = await engine.parts.store.runGet(parent.run);
  if (row === undefined || !isTerminal(row.status)) return;
  const by = { type: "run", id: parent.run, roles: [] } as const;
  engine.post({ run: run.id, input: { kind: "cancel", by, reason: "the run that started it has ended", force: true } });
}
