import { MaestroError } from "../core/problem.ts";
import type { Engine } from "../engine/engine.ts";
import type { EventRow, Store } from "../store/store.ts";
import type { ApiRequest } from "./api-request.ts";
import { integer, optional } from "./field.ts";
import { LIVE_HEADER } from "./http.ts";
import { refuseRemovedPart } from "./removed-run.ts";
import { API_VERSION, bytes, objectOfTexts } from "./respond.ts";
import { route } from "./route.ts";
import { eventStream } from "./sse.ts";
import type { SseMessage } from "./sse.ts";

const PAGE = 500;

export const listEvents = route({
  method: "GET",
  path: "/v1/runs/{run}/events",
  operation: "listRunEvents",
  access: { action: "run.read", as: "read" },
  summary:
    "The run's history, oldest first, in pages. With `Accept: text/event-stream` it goes on live: one message per event with its seq as id, resumed by Last-Event-ID, ended by an `end` message when the run has ended.",
  query: {
    after: optional(integer("Only events with a greater seq.", { min: 0, max: Number.MAX_SAFE_INTEGER })),
    limit: optional(integer("Events per page; default 500.", { min: 1, max: 5000 })),
  },
  headers: [
    { name: "last-event-id", description: "The seq of the last event that was read: what follows it is sent." },
    {
      name: "accept",
      description: "`text/event-stream` to follow live, `application/jsonl` for the texts as committed.",
    },
  ],
  answers: [
    {
      status: 200,
      type: "application/json",
      schema: "EventList",
      description: "`events`, and `next`: the `after` of the following page, null at the end.",
    },
    {
      status: 200,
      type: "application/jsonl",
      description:
        "The texts exactly as they were committed, one per line: what the receipt's chain digest is over. `maestro-next` as `next`.",
    },
    {
      status: 200,
      type: "text/event-stream",
      description: "Messages `event` (data: the event), `end` (data: the last seq) and comments every 15 s.",
    },
  ],
  async handle({ store, engine, version, now }, { request, params, query, access }) {
    const run = await access.onRun(params.run);
    await refuseRemovedPart(store, run, "events");
    const seen = lastEventId(request);
    if (request.headers.get("accept")?.includes("text/event-stream") === true) {
      // A browser that connects again repeats the address it began with, and says by the header how far it came.
      const from = seen ?? query.after ?? 0;
      const hello = `hello api=${API_VERSION} server=${version} now=${new Date(now()).toISOString()}`;
      const stream = eventStream((gone) => follow({ store, engine }, run.id, from, gone), hello);
      return bytes(stream, "text/event-stream", { [LIVE_HEADER]: "no" });
    }
    const after = query.after ?? seen ?? 0;
    const limit = query.limit ?? PAGE;
    const page = await store.runEvents(run.id, { afterSeq: after, limit });
    const next = page.length < limit ? null : (page.at(-1)?.seq ?? null);
    if (request.headers.get("accept")?.includes("application/jsonl") === true) {
      return bytes(
        new TextEncoder().encode(page.map(({ text }) => `${text}\n`).join("")),
        "application/jsonl",
        next === null ? {} : { "maestro-next": String(next) },
      );
    }
    return objectOfTexts("EventList", {
      run: JSON.stringify(run.id),
      events: `[${page.map(({ text }) => text).join(",")}]`,
      next: JSON.stringify(next),
    });
  },
});

function lastEventId(request: ApiRequest): number | undefined {
  const given = request.headers.get("last-event-id");
  if (given === null || given === "") return undefined;
  if (!/^\d{1,15}$/.test(given))
    throw new MaestroError(
      "invalid_request",
      `Last-Event-ID is ${JSON.stringify(given.slice(0, 40))}; it is the seq of an event.`,
    );
  return Number(given);
}

/** Events after `after`, then those that come, until the run has ended or the reader has gone. */
async function* follow(
  { store, engine }: { readonly store: Store; readonly engine: Engine },
  run: string,
  after: number,
  signal: AbortSignal,
): AsyncGenerator<SseMessage> {
  const hint = new Hint();
  // Subscribed before the first page is read, so that nothing falls between the two. A hint only says "look again":
  // what is sent is always what is stored.
  const stop = engine.subscribe(run, () => hint.give());
  const abort = (): void => hint.give();
  signal.addEventListener("abort", abort);
  try {
    let seq = after;
    while (!signal.aborted) {
      hint.take();
      const page: readonly EventRow[] = await store.runEvents(run, { afterSeq: seq, limit: PAGE });
      for (const row of page) {
        seq = row.seq;
        yield { id: String(row.seq), event: "event", data: row.text };
      }
      if (page.length > 0) continue;
      const row = await store.runGet(run);
      // An ended run that is retried goes on: its row says so before its next event is read.
      if (row?.endedAt != null && row.seq <= seq)
        return yield { id: String(seq), event: "end", data: JSON.stringify({ seq, status: row.status }) };
      await hint.given();
    }
  } finally {
    stop();
    signal.removeEventListener("abort", abort);
  }
}

/** A flag that can be waited for; many hints before a look count as one. */
class Hint {
  #set = false;
  #wake: (() => void) | undefined;

  give(): void {
    this.#set = true;
    this.#wake?.();
    this.#wake = undefined;
  }

  take(): void {
    this.#set = false;
  }

  given(): Promise<void> {
    if (this.#set) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
