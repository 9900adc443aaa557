import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { JsonObject } from "../core/json.ts";
import { sqlFailure } from "./sql-error.ts";
import type { FromChild, SqlJob, ToChild } from "./sql-job.ts";
import { TaskFailure } from "./task.ts";
import type { TaskContext } from "./task.ts";

const CHILD = fileURLToPath(new URL("sql-child.ts", import.meta.url));
/** What one job may hold in memory; a row is held whole. */
export const MAX_MEMORY_MIB = 512;
/** Between asking the server to stop and ending the process that waits for it. */
const CANCEL_MS = 2_000;
const STDERR_CHARACTERS = 4_000;

/**
 * Carries a job out in a process of its own. When the attempt is called off or the job takes too long, the server is asked
 * to stop; SQLite is ended at once, and its next reader rolls back what it left. Nothing runs on when this has settled.
 */
export async function runSqlJob(job: SqlJob, context: TaskContext): Promise<JsonObject> {
  context.signal.throwIfAborted();
  const authorities = context.environment("NODE_EXTRA_CA_CERTS");
  const child = fork(CHILD, {
    cwd: context.dir(),
    env: authorities === undefined ? {} : { NODE_EXTRA_CA_CERTS: authorities },
    execArgv: [`--max-old-space-size=${MAX_MEMORY_MIB}`],
    // BigInt and bytes stay what they are.
    serialization: "advanced",
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  const stop = stopper(child, job);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    stop();
  }, job.timeoutMs);
  context.signal.addEventListener("abort", stop, { once: true });
  try {
    const answer = await conversation(child, job, context);
    context.signal.throwIfAborted();
    if (answer.kind === "done") return answer.output;
    // What an interrupted statement says of itself is not why it was interrupted.
    throw late ? timedOut(job) : new TaskFailure(answer.error);
  } catch (thrown) {
    context.signal.throwIfAborted();
    throw late ? timedOut(job) : thrown;
  } finally {
    clearTimeout(timer);
    context.signal.removeEventListener("abort", stop);
    stop.done();
  }
}

function timedOut({ timeoutMs }: SqlJob): TaskFailure {
  return sqlFailure("SQL_TIMEOUT", `The database took longer than ${timeoutMs} ms (\`timeoutMs\`)`);
}

function stopper(child: ChildProcess, job: SqlJob): { (): void; done(): void } {
  let killer: NodeJS.Timeout | undefined;
  const stop = (): void => {
    if (job.target.kind === "sqlite" || !child.connected) return void child.kill("SIGKILL");
    tell(child, { kind: "cancel" });
    killer ??= setTimeout(() => child.kill("SIGKILL"), CANCEL_MS);
  };
  return Object.assign(stop, { done: () => clearTimeout(killer) });
}

/** Sends the job and resolves with the answer when the process has ended. */
function conversation(
  child: ChildProcess,
  job: SqlJob,
  context: TaskContext,
): Promise<Exclude<FromChild, { kind: "progress" }>> {
  return new Promise((resolve, reject) => {
    let answer: Exclude<FromChild, { kind: "progress" }> | undefined;
    let stderr = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      stderr = (stderr + text).slice(-STDERR_CHARACTERS);
    });
    child.on("message", (message: FromChild) => {
      if (message.kind === "progress") context.emit({ kind: "progress", done: message.done });
      else answer = message;
    });
    child.on("error", (cause) =>
      reject(
        new TaskFailure(
          { code: "UNAVAILABLE", message: `The process for the database could not be started: ${cause.message}.` },
          { cause },
        ),
      ),
    );
    child.on("close", (code, signal) => {
      if (answer !== undefined) resolve(answer);
      else reject(ended(stderr, code, signal));
    });
    tell(child, { kind: "job", job });
  });
}

/** It may have ended in the meantime, and then `close` tells. */
function tell(child: ChildProcess, message: ToChild): void {
  child.send(message, () => undefined);
}

function ended(stderr: string, code: number | null, signal: string | null): TaskFailure {
  if (/heap out of memory|Allocation failed/.test(stderr))
    return sqlFailure("SQL_LIMIT", `The database's answer needs more than ${MAX_MEMORY_MIB} MiB of memory`, {
      next: "Ask for smaller values: no single row may be that large.",
    });
  return new TaskFailure({
    code: "UNAVAILABLE",
    message: `The process that talks to the database ended without an answer (${signal ?? `exit code ${code}`}). Its transaction was not committed, unless this happened in that very moment.${stderr === "" ? "" : ` It said: ${stderr.trim()}`}`,
  });
}
