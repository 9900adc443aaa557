// Fills a data directory with ended runs for api.ts, written straight through the store: each with the history that a run of its
// own would have, in a few namespaces, workflows and statuses, one of a hundred with a label. Prints the ids of some of them and
// of runs that were really carried out and left a log.
//   node bench/api-fill.ts DIR RUNS
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { Digest } from "../packages/maestro/src/core/digest.ts";
import { chain } from "../packages/maestro/src/core/digest.ts";
import type { RunEvent } from "../packages/maestro/src/core/event.ts";
import { makeId } from "../packages/maestro/src/core/id.ts";
import { loadEvents } from "../packages/maestro/src/engine/load.ts";
import { openSqlite } from "../packages/maestro/src/store/sqlite.ts";
import type { RunAppend, RunRow } from "../packages/maestro/src/store/store.ts";
import { compile, ECHO, ends, FIVE_STEPS, openPlane, start } from "./plane.ts";

const BATCH = 2_000;
const WITH_LOGS = 20;
const SAMPLES = 500;

interface Model {
  readonly row: RunRow;
  /** The first, which names the run, and the texts of the others, which are the same in all of them. */
  readonly first: RunEvent;
  readonly others: readonly string[];
}

const [dir = "", runs = "0"] = process.argv.slice(2);
const count = Number(runs);
const { model, withLogs } = await carriedOut(dir);
const store = await openSqlite({ path: join(dir, "maestro.db") });
const samples: string[] = [];
for (let done = 0; done < count; done += BATCH) {
  const batch = Array.from({ length: Math.min(BATCH, count - done) }, (_, i) => copy(model, done + i));
  await store.commit({ runs: batch });
  if (done % Math.max(BATCH, Math.floor(count / SAMPLES / BATCH) * BATCH) === 0) samples.push(batch[0]!.id);
}
await store.close();
console.log(JSON.stringify({ samples, withLogs }));

/** A run of five steps as a model, and some whose log can be read. */
async function carriedOut(data: string): Promise<{ readonly model: Model; readonly withLogs: readonly string[] }> {
  const plane = await openPlane(data);
  const { parts } = plane.engine;
  const done = ends(plane.engine, 1 + WITH_LOGS);
  const { id } = await start(plane, await compile(plane.engine, FIVE_STEPS));
  const echo = await compile(plane.engine, ECHO);
  const withLogs: string[] = [];
  for (let i = 0; i < WITH_LOGS; i++) withLogs.push((await start(plane, echo)).id);
  await done;
  const row = (await parts.store.runGet(id))!;
  const [first, ...others] = await loadEvents(parts, row);
  await plane.close();
  return { model: { row, first: first!, others: others.map((event) => JSON.stringify(event)) }, withLogs };
}

/** Another run like it; one a millisecond, the last of them just before the model. */
function copy({ row, first, others }: Model, n: number): RunAppend {
  const createdAt = row.createdAt - count + n;
  const id = makeId("r", createdAt, randomBytes(10));
  // One of twenty fails, in every workflow and namespace.
  const failed = (Math.imul(n, 2_654_435_761) >>> 16) % 20 === 0;
  const texts = [JSON.stringify({ ...first, run: id }), ...others];
  let head: Digest | "" = "";
  for (const text of texts) head = chain(head, text);
  return {
    id,
    firstSeq: 1,
    events: texts,
    row: {
      ...row,
      id,
      createdAt,
      head: head as Digest,
      workflow: `workflow-${n % 50}`,
      namespace: `team-${n % 10}`,
      status: failed ? "failed" : "succeeded",
      error: failed ? "EXIT: pack ended with 1" : null,
      labels: n % 100 === 0 ? { env: "prod" } : {},
    },
  };
}
