// A process of its own for one sql@1: SQLite blocks whoever calls it, a row can be as large as memory, and both can be
// ended here at any moment without harm to the engine. It is told one job and answers once.
import { existsSync } from "node:fs";
import type { JsonObject } from "../core/json.ts";
import { messageOf } from "../core/problem.ts";
import type { FromChild, SqlJob, ToChild } from "./sql-job.ts";
import type { SqlSession } from "./sql-session.ts";
import { noSink, openSink } from "./sql-sink.ts";
import type { ClosableSink } from "./sql-sink.ts";
import { TaskFailure } from "./task.ts";

const PROGRESS_EVERY = 1000;

/** Set once there is a way to interrupt the server. */
let cancel: (() => Promise<void>) | undefined;

process.on("message", (message: ToChild) => {
  if (message.kind === "job") void answer(message.job);
  // Where the server cannot be told, the engine ends this process shortly, and the server notices that.
  else void cancel?.().catch((error: unknown) => console.error(messageOf(error)));
});
// The engine is gone: nobody would hear the answer, and nothing was committed.
process.on("disconnect", () => process.exit(1));

async function answer(job: SqlJob): Promise<void> {
  let message: FromChild;
  try {
    message = { kind: "done", output: await carryOut(job) };
  } catch (thrown) {
    message = {
      kind: "failed",
      error:
        thrown instanceof TaskFailure
          ? thrown.error
          : { code: "INTERNAL", message: `The task failed in a way it did not foresee: ${messageOf(thrown)}` },
    };
  }
  process.send?.(message, () => process.exit(0));
}

async function carryOut(job: SqlJob): Promise<JsonObject> {
  const session = await open(job);
  let output: JsonObject;
  try {
    output = await transaction(session, job);
  } finally {
    await session.close();
  }
  if (job.copy !== undefined && job.target.kind === "sqlite") {
    const { copySqlite } = await import("./sql-sqlite.ts");
    copySqlite(job.target.file, job.copy, job.timeoutMs);
  }
  return output;
}

async function open({ target, write, timeoutMs, serverMs }: SqlJob): Promise<SqlSession> {
  if (target.kind === "sqlite") {
    if (!existsSync(target.file) && !target.create)
      throw new TaskFailure({
        code: "NOT_FOUND",
        message: `There is no database ${target.file}. Check the path, or set \`create: true\` with \`mode: write\` for a new one.`,
        final: true,
      });
    const { SqliteSession } = await import("./sql-sqlite.ts");
    return SqliteSession.open(target.file, { write, timeoutMs });
  }
  const { PostgresSession } = await import("./sql-postgres.ts");
  const session = await PostgresSession.open(target, { write, timeoutMs: serverMs });
  cancel = () => session.cancel();
  return session;
}

async function transaction(session: SqlSession, job: SqlJob): Promise<JsonObject> {
  const sink = await openSink(job);
  try {
    if (job.transaction) await session.begin();
    const changes = await statements(session, job, sink);
    const loaded = await load(session, job);
    // Before the commit: a file that cannot be written undoes the change.
    const rows = await sink.close();
    if (job.transaction) await session.commit();
    return { ...rows, ...loaded, changes: changes + loaded.changes };
  } catch (thrown) {
    await sink.abandon();
    if (job.transaction) await undo(session);
    throw thrown;
  }
}

async function load(session: SqlSession, job: SqlJob): Promise<{ readonly loaded?: number; readonly changes: number }> {
  if (job.load === undefined) return { changes: 0 };
  // The readers of all formats are not loaded where nothing is read.
  const { loadRows } = await import("./sql-load.ts");
  return loadRows(session, job.load, reporter());
}

async function statements(session: SqlSession, job: SqlJob, sink: ClosableSink): Promise<number> {
  let changes = 0;
  const report = reporter();
  let rows = 0;
  const counted: ClosableSink = {
    ...sink,
    row: (values) => {
      rows += 1;
      report(rows);
      return sink.row(values);
    },
  };
  for (const [i, statement] of job.statements.entries()) {
    const isLast = i === job.statements.length - 1;
    try {
      changes += await session.run(statement, isLast ? counted : noSink);
    } catch (thrown) {
      throw job.statements.length === 1 ? thrown : placed(thrown, i + 1);
    }
  }
  return changes;
}

/** What failed is what counts; a connection that is lost cannot be rolled back, and the server does it by itself. */
async function undo(session: SqlSession): Promise<void> {
  try {
    await session.rollback();
  } catch (error) {
    console.error(messageOf(error));
  }
}

function placed(thrown: unknown, number: number): unknown {
  if (!(thrown instanceof TaskFailure)) return thrown;
  const details = { ...(thrown.error.details as JsonObject | undefined), statement: number };
  return new TaskFailure(
    { ...thrown.error, message: `Statement ${number}: ${thrown.error.message}`, details },
    { cause: thrown },
  );
}

function reporter(): (done: number) => void {
  let next = PROGRESS_EVERY;
  return (done) => {
    if (done < next) return;
    next = done + PROGRESS_EVERY;
    const message: FromChild = { kind: "progress", done };
    process.send?.(message);
  };
}
