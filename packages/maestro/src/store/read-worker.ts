// The thread that lists: started by read-thread.ts, it answers each query with a page as JSON text, on a connection of its own
// that cannot write.
import { DatabaseSync } from "node:sqlite";
import { workerData } from "node:worker_threads";
import type { ListQuestion } from "./read-thread.ts";
import { listRuns } from "./run-list.ts";
import { RunLists } from "./run-lists.ts";
import { RunTexts } from "./run-texts.ts";
import { serveThread } from "./serve-thread.ts";
import type { RunPageText } from "./store.ts";

const path = workerData as string;
const db = new DatabaseSync(path, { readOnly: true, timeout: 2_000 });
db.exec("pragma temp_store = memory; pragma mmap_size = 0; pragma cache_size = -16000; pragma trusted_schema = off;");
const texts = new RunTexts(new RunLists(db, path));

serveThread(
  async (question): Promise<RunPageText> => {
    const { query, changed } = question as ListQuestion;
    if (changed === "any") texts.forgetAll();
    else texts.forget(changed);
    const { runs, cursor } = await listRuns(texts, query);
    return { runs: `[${runs.map(({ text }) => text).join(",")}]`, cursor };
  },
  () => db.close(),
);
