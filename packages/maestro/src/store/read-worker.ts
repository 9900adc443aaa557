// The thread that lists: started by read-thread.ts, it answers each query with a page as JSON text, on a connection of its own
// that cannot write.
import { DatabaseSync } from "node:sqlite";
import { workerData } from "node:worker_threads";
import { listRuns } from "./run-list.ts";
import { RunTexts } from "./run-texts.ts";
import { serveThread } from "./serve-thread.ts";
import type { RunPageText, RunQuery } from "./store.ts";

const path = workerData as string;
const db = new DatabaseSync(path, { readOnly: true, timeout: 2_000 });
db.exec("pragma temp_store = memory; pragma mmap_size = 0; pragma cache_size = -16000; pragma trusted_schema = off;");
const lists = new RunTexts(db, path);

serveThread(
  async (query): Promise<RunPageText> => {
    const { runs, cursor } = await listRuns(lists, query as RunQuery);
    return { runs: `[${runs.map(({ text }) => text).join(",")}]`, cursor };
  },
  () => db.close(),
);
