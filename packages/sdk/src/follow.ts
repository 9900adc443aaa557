import { MaestroApiError } from "./api-error.ts";
import type { CallOptions } from "./client.ts";
import type { Operations } from "./generated/operations.ts";
import type { Event } from "./generated/schemas.ts";

export interface RunPlace {
  readonly run: string;
  /** Only events with a greater seq; default 0. */
  readonly after?: number;
  readonly signal?: AbortSignal;
}

export interface LogPlace {
  readonly run: string;
  readonly task: string;
  readonly item?: number;
  readonly attempt?: number;
  /** First byte; default 0. */
  readonly offset?: number;
  readonly signal?: AbortSignal;
}

/** An event of a run: beside what all have, the members of its kind. */
export type FollowedEvent = Event & Readonly<Record<string, unknown>>;

type Ask = (
  operation: keyof Operations,
  wanted: CallOptions & { params: Readonly<Record<string, string>>; query: Readonly<Record<string, unknown>> },
) => Promise<Response>;

/** Connections that break one after the other without a byte between them. */
const MAX_IN_VAIN = 5;

export async function* followEvents(ask: Ask, { run, after = 0, signal }: RunPlace): AsyncGenerator<FollowedEvent> {
  let seq = after;
  for await (const { parts } of connections(
    async () =>
      ask("listRunEvents", {
        params: { run },
        query: {},
        headers: { accept: "text/event-stream", "last-event-id": String(seq) },
        ...(signal === undefined ? {} : { signal }),
      }),
    signal,
  )) {
    for await (const { event, data } of messages(parts)) {
      if (event === "end") return;
      if (event !== "event") continue;
      const said = JSON.parse(data) as FollowedEvent;
      ({ seq } = said);
      yield said;
    }
  }
}

export async function* followLog(
  ask: Ask,
  { run, task, offset = 0, signal, ...which }: LogPlace,
): AsyncGenerator<Uint8Array> {
  let at = offset;
  for await (const { parts, state } of connections(
    async () =>
      ask("readRunLog", {
        params: { run, task },
        query: { ...which, offset: at, follow: true },
        ...(signal === undefined ? {} : { signal }),
      }),
    signal,
  )) {
    for await (const part of parts) {
      at += part.byteLength;
      yield part;
    }
    if (!state.isBroken) return;
  }
}

interface State {
  isBroken: boolean;
  hasCome: boolean;
  cause: unknown;
}

interface Connection {
  readonly parts: AsyncGenerator<Uint8Array, void>;
  /** As it is when the parts have ended. */
  readonly state: Readonly<State>;
}

/** One body after the other, for as long as somebody wants one. */
async function* connections(
  open: () => Promise<Response>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Connection> {
  let inVain = 0;
  for (;;) {
    const { body } = await open();
    if (body === null) return;
    const state: State = { isBroken: false, hasCome: false, cause: undefined };
    yield { parts: partsOf(body, state, signal), state };
    inVain = state.hasCome ? 0 : inVain + 1;
    if (inVain >= MAX_IN_VAIN)
      throw new MaestroApiError(`The connection broke ${MAX_IN_VAIN} times before anything came.`, {
        code: "server_unreachable",
        cause: state.cause,
      });
  }
}

/** Ends where the connection breaks: what is missing is asked for anew. */
async function* partsOf(
  body: ReadableStream<Uint8Array>,
  state: State,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void> {
  const reader = body.getReader();
  try {
    for (;;) {
      let part: Awaited<ReturnType<typeof reader.read>>;
      try {
        part = await reader.read();
      } catch (error) {
        if (signal?.aborted === true) throw signal.reason;
        state.cause = error;
        state.isBroken = true;
        return;
      }
      if (part.done) return;
      state.hasCome = true;
      yield part.value;
    }
  } finally {
    // Whoever leaves early frees the connection; of one that is over there is nothing to cancel.
    await reader.cancel().catch((error: unknown) => (state.cause = error));
  }
}

/** Of a `text/event-stream`; comments are skipped, a message that was cut is dropped. */
async function* messages(parts: AsyncIterable<Uint8Array>): AsyncGenerator<{ event: string; data: string }> {
  const decoder = new TextDecoder();
  let rest = "";
  let event = "message";
  let data: string[] = [];
  for await (const part of parts) {
    const lines = (rest + decoder.decode(part, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const raw of lines) {
      const line = raw.replace(/\r$/, "");
      if (line === "") {
        if (data.length > 0) yield { event, data: data.join("\n") };
        event = "message";
        data = [];
      } else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
      else if (line.startsWith("event:")) event = line.slice(6).trim();
    }
  }
}
