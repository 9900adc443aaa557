import type { RunEvent } from "../core/event.ts";
import { MaestroError } from "../core/problem.ts";
import type { LogRef, LogStore } from "../runner/logs.ts";
import type { AppDeps } from "./app-deps.ts";
import { flag, integer, optional, text } from "./field.ts";
import { LIVE_HEADER } from "./http.ts";
import { refuseRemovedPart } from "./removed-run.ts";
import { bytes, object } from "./respond.ts";
import { route } from "./route.ts";

const MAX_RANGE = 4 * 1024 * 1024;

export const listLogs = route({
  method: "GET",
  path: "/v1/runs/{run}/logs",
  operation: "listRunLogs",
  access: { action: "log.read", as: "read" },
  summary: "The attempts of a run that have a log, in the order they began.",
  answers: [
    {
      status: 200,
      type: "application/json",
      schema: "LogList",
      description: "`logs`: task, item (-1 without fan-out), attempt, size in bytes and lines of each.",
    },
  ],
  async handle({ store, logs }, { params, access }) {
    const run = await access.onRun(params.run);
    await refuseRemovedPart(store, run, "logs");
    return object("LogList", { run: run.id, logs: await logs.list(run.id) });
  },
});

export const readLog = route({
  method: "GET",
  path: "/v1/runs/{run}/logs/{task}",
  operation: "readRunLog",
  access: { action: "log.read", as: "read" },
  summary: "One attempt's log: a range of it, its end, the lines that hold a text, or all of it as it comes.",
  query: {
    item: optional(integer("Item of a task that fans out; default -1.", { min: -1, max: 1_000_000 })),
    attempt: optional(integer("Default: the last one that has a log.", { min: 1, max: 1_000_000 })),
    offset: optional(integer("First byte; default 0.", { min: 0, max: Number.MAX_SAFE_INTEGER })),
    limit: optional(
      integer("Bytes at most; default 1 MiB. With search: lines at most, default 1000.", { min: 1, max: MAX_RANGE }),
    ),
    tail: optional(integer("The last lines instead of a range.", { min: 0, max: 1_000_000 })),
    search: optional(text("Only lines that hold this text; answered as JSON.", { max: 1000 })),
    follow: optional(flag("From the offset on, everything as it comes, until the attempt has ended.")),
  },
  answers: [
    {
      status: 200,
      type: "application/octet-stream",
      description:
        "The bytes as the task wrote them. `maestro-log-offset` is the first one's place, `maestro-log-size` the log's size.",
    },
    {
      status: 200,
      type: "application/json",
      schema: "LogMatches",
      description: "With search: `lines`, each with line, offset and text.",
    },
  ],
  async handle(deps, { params, query, access }) {
    const run = await access.onRun(params.run);
    await refuseRemovedPart(deps.store, run, "logs");
    const ref = await findLog(deps.logs, run.id, params.task, query, query.follow === true);
    if (query.search !== undefined) {
      const limit = Math.min(query.limit ?? 1000, 10_000);
      return object("LogMatches", { ...ref, lines: await deps.logs.search(ref, { text: query.search, limit }) });
    }
    const limit = query.limit ?? 1024 * 1024;
    if (query.tail !== undefined) {
      const { bytes: body, offset, size } = await deps.logs.tail(ref, { lines: query.tail, limit });
      return bytes(body, "application/octet-stream", logHeaders(ref, offset, size));
    }
    const offset = query.offset ?? 0;
    const { bytes: body, size } = await deps.logs.read(ref, { offset, limit });
    if (query.follow === true)
      return bytes(followLog(deps, ref, offset), "application/octet-stream", {
        ...logHeaders(ref, offset, size),
        [LIVE_HEADER]: "no",
      });
    return bytes(body, "application/octet-stream", logHeaders(ref, offset, size));
  },
});

function logHeaders({ attempt, item }: LogRef, offset: number, size: number): Readonly<Record<string, string>> {
  return {
    "maestro-log-offset": String(offset),
    "maestro-log-size": String(size),
    "maestro-log-attempt": String(attempt),
    "maestro-log-item": String(item),
  };
}

async function findLog(
  logs: LogStore,
  run: string,
  task: string,
  wanted: { readonly item?: number; readonly attempt?: number },
  ahead: boolean,
): Promise<LogRef> {
  // Who follows an attempt that has just started may be there before its first byte.
  if (ahead && wanted.item !== undefined && wanted.attempt !== undefined)
    return { run, task, item: wanted.item, attempt: wanted.attempt };
  const isWanted = (one: LogRef): boolean =>
    one.task === task &&
    (wanted.item === undefined || one.item === wanted.item) &&
    (wanted.attempt === undefined || one.attempt === wanted.attempt);
  const all = await logs.refs(run);
  const several = all.filter(isWanted).length > 1;
  // Only where there are several does it matter which began last, and the logs are opened for it.
  const found = several ? (await logs.list(run)).findLast(isWanted) : all.find(isWanted);
  if (found !== undefined) return { run, task, item: found.item, attempt: found.attempt };
  const tasks = [...new Set(all.map((one) => one.task))];
  const there =
    tasks.length === 0 ? "This run has no logs yet." : `There are logs of ${tasks.slice(0, 20).join(", ")}.`;
  const which = `${task}${wanted.item === undefined ? "" : `[${wanted.item}]`}${wanted.attempt === undefined ? "" : ` attempt ${wanted.attempt}`}`;
  throw new MaestroError("not_found", `Run ${run} has no log of ${which}. ${there}`, {
    fix: `See which there are: \`maestro logs ${run} --list\`.`,
  });
}

/** Logs have no hints of their own; looking five times a second is live enough for eyes. */
const LOOK_MS = 200;

function followLog(deps: AppDeps, ref: LogRef, from: number): ReadableStream<Uint8Array> {
  const attempt = watchAttempt(deps, ref);
  let offset = from;
  let gone = false;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      while (!gone) {
        // Asked before reading: what was written before the attempt ended is then read for certain.
        const ended = await attempt.ended();
        const { bytes: part } = await deps.logs.read(ref, { offset, limit: 256 * 1024 });
        offset += part.byteLength;
        if (part.byteLength > 0) return controller.enqueue(new Uint8Array(part));
        if (ended) break;
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      }
      attempt.stop();
      if (!gone) controller.close();
    },
    cancel() {
      gone = true;
      attempt.stop();
    },
  });
}

/** Whether an attempt has ended: once by its history, from then on by what is committed. */
function watchAttempt({ store, engine }: AppDeps, ref: LogRef): { ended(): Promise<boolean>; stop(): void } {
  let known = false;
  let asked = false;
  const isItsEnd = (event: RunEvent): boolean =>
    event.kind === "run_ended" ||
    ((event.kind === "attempt_finished" || event.kind === "retry_scheduled") &&
      event.task === ref.task &&
      event.item === ref.item &&
      event.attempt === ref.attempt);
  const stop = engine.subscribe(ref.run, (_, events) => {
    known ||= events.some(isItsEnd);
  });
  return {
    stop,
    async ended() {
      if (known || asked) return known;
      asked = true;
      const row = await store.runGet(ref.run);
      if (row === undefined || row.endedAt !== null) return (known = true);
      for (let afterSeq = 0; ;) {
        const page = await store.runEvents(ref.run, { afterSeq, limit: 1000 });
        const last = page.at(-1);
        if (last === undefined) return known;
        known ||= page.some(
          ({ text: event }) => event.includes(`"attempt_finished"`) && isItsEnd(JSON.parse(event) as RunEvent),
        );
        if (known) return true;
        afterSeq = last.seq;
      }
    },
  };
}
