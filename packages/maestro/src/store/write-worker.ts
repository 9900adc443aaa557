// The thread that writes: started by write-thread.ts, it commits one batch after the other and answers each.
import { workerData } from "node:worker_threads";
import type { Digest } from "../core/digest.ts";
import { SqliteWriter } from "./commit.ts";
import { connect } from "./connect.ts";
import { serveThread } from "./serve-thread.ts";
import { storeProblem } from "./sql.ts";
import type { Commit } from "./store.ts";

const path = workerData as string;
const db = connect(path);
const writer = new SqliteWriter(db);
/** Ends with the batch that came last, whatever became of it. */
let before: Promise<unknown> = Promise.resolve();

serveThread(
  async (batch): Promise<readonly Digest[]> => {
    const written = before.then(async () => writer.commitSigning(batch as Commit));
    before = Promise.allSettled([written]);
    try {
      return await written;
    } catch (thrown) {
      throw storeProblem(thrown, path);
    }
  },
  () => db.close(),
);
