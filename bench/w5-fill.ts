// Fills a data directory with sleeping runs for w5-rows.ts: each with the history that a run of its own would have, written
// straight through the store. The last of them wake soon; prints when.
//   node bench/w5-fill.ts DIR RUNS DUE SECONDS
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Digest } from "../packages/maestro/src/core/digest.ts";
import { chain } from "../packages/maestro/src/core/digest.ts";
import type { RunEvent } from "../packages/maestro/src/core/event.ts";
import { makeId } from "../packages/maestro/src/core/id.ts";
import { loadEvents } from "../packages/maestro/src/engine/load.ts";
import { openSqlite } from "../packages/maestro/src/store/sqlite.ts";
import type { RunAppend, RunRow } from "../packages/maestro/src/store/store.ts";
import { compile, openPlane, sleeper, start } from "./plane.ts";

const BATCH = 2_000;
const DAY_SECONDS = 86_400;

interface Model {
  readonly row: RunRow;
  readonly events: readonly RunEvent[];
}

const [dir = "", runs = "0", due = "0", seconds = "0"] = process.argv.slice(2);
let written = 0;
const model = await asleep(dir);
const store = await openSqlite({ path: join(dir, "maestro.db") });
const rest = Number(runs) - Number(due);
for (let done = 0; done < rest; done += BATCH) {
  await store.commit({
    runs: Array.from({ length: Math.min(BATCH, rest - done) }, () => copy(model, model.row.wakeAt!)),
  });
}
const dueAt = Date.now() + Number(seconds) * 1_000;
await store.commit({ runs: Array.from({ length: Number(due) }, () => copy(model, dueAt)) });
await store.close();
console.log(dueAt);

/** A real run that sleeps for a day. */
async function asleep(data: string): Promise<Model> {
  const plane = await openPlane(data);
  const { parts } = plane.engine;
  const { id } = await start(plane, await compile(plane.engine, sleeper(DAY_SECONDS)));
  for (;;) {
    const row = await parts.store.runGet(id);
    if (row !== undefined && row.wakeAt !== null) {
      const events = await loadEvents(parts, row);
      await plane.close();
      return { row, events };
    }
    await delay(5);
  }
}

/** Another run like it, that sleeps until `wakeAt`. */
function copy({ row, events }: Model, wakeAt: number): RunAppend {
  // One a millisecond: ids follow time, and rows that did not would land all over the tree.
  const id = makeId("r", row.createdAt - Number(runs) + written++, randomBytes(10));
  const texts = events.map((event) =>
    JSON.stringify({
      ...event,
      ...(event.kind === "run_created" ? { run: id } : {}),
      ...(event.kind === "wait_started" ? { until: wakeAt } : {}),
    }),
  );
  let head: Digest | "" = "";
  for (const text of texts) head = chain(head, text);
  return { id, firstSeq: 1, events: texts, row: { ...row, id, wakeAt, head: head as Digest } };
}
