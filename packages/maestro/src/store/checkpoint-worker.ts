// The thread that folds the log into the file: started by checkpoints.ts.
import { workerData } from "node:worker_threads";
import type { Log } from "./checkpoints.ts";
import { connect } from "./connect.ts";
import { serveThread } from "./serve-thread.ts";
import { ListStatement } from "./sql.ts";

const path = workerData as string;
const db = connect(path);
const fold = new ListStatement(db, "log-fold");

/** What is committed during a fold is left over; little, so the next takes no time. Only when nothing is left can the log begin anew. */
const FOLDS = 3;

serveThread(
  (): Log => {
    let log: Log = [0, 0];
    for (let n = 0; n < FOLDS; n++) {
      const [, frames, folded] = fold.get() ?? [];
      log = [Number(frames), Number(folded)];
      if (log[0] === log[1]) break;
    }
    return log;
  },
  () => db.close(),
);
