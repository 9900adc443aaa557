// The thread that writes: started by write-thread.ts, it commits one batch after the other and answers each.
import { parentPort, workerData } from "node:worker_threads";
import { MaestroError, messageOf } from "../core/problem.ts";
import { SqliteWriter } from "./commit.ts";
import { connect } from "./connect.ts";
import type { Refusal } from "./refusal.ts";
import { storeProblem } from "./sql.ts";
import type { Commit } from "./store.ts";

const path = workerData as string;
const db = connect(path);
const writer = new SqliteWriter(db);

parentPort?.on("message", (batch: Commit | null) => {
  if (batch === null) {
    db.close();
    parentPort?.close();
  } else {
    parentPort?.postMessage(commit(batch));
  }
});
// Ready.
parentPort?.postMessage(null);

function commit(batch: Commit): Refusal | null {
  try {
    writer.commit(batch);
    return null;
  } catch (thrown) {
    const error = storeProblem(thrown, path);
    const { code, message, facts, fix } =
      error instanceof MaestroError ? error : new MaestroError("internal", messageOf(error));
    return { code, detail: message, facts, fix };
  }
}
