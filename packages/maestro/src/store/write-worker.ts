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

serveThread(
  (batch): readonly Digest[] => {
    try {
      return writer.commit(batch as Commit);
    } catch (thrown) {
      throw storeProblem(thrown, path);
    }
  },
  () => db.close(),
);
