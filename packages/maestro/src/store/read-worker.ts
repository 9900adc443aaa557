// The thread that lists: started by read-thread.ts, it answers each query with a page as JSON text, on a connection of its own
// that cannot write.
import { DatabaseSync } from "node:sqlite";
import { parentPort, workerData } from "node:worker_threads";
import { MaestroError, messageOf } from "../core/problem.ts";
import type { ListAnswer, ListOrder } from "./read-thread.ts";
import { listRuns } from "./run-list.ts";
import { RunLists } from "./run-lists.ts";

const path = workerData as string;
const db = new DatabaseSync(path, { readOnly: true, timeout: 2_000 });
db.exec("pragma temp_store = memory; pragma mmap_size = 0; pragma cache_size = -16000; pragma trusted_schema = off;");
const lists = new RunLists(db, path);

parentPort?.on("message", (order: ListOrder | null) => {
  if (order === null) {
    db.close();
    parentPort?.close();
  } else {
    void answer(order).then((text) => parentPort?.postMessage(text));
  }
});
// Ready.
parentPort?.postMessage(null);

async function answer({ id, query }: ListOrder): Promise<ListAnswer> {
  try {
    const { runs, cursor } = await listRuns(lists, query);
    return { id, page: { runs: JSON.stringify(runs), cursor } };
  } catch (thrown) {
    const { code, message, facts, fix } =
      thrown instanceof MaestroError ? thrown : new MaestroError("internal", messageOf(thrown));
    return { id, refusal: { code, detail: message, facts, fix } };
  }
}
