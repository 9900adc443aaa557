import type { IncomingMessage, RequestListener, Server, ServerResponse } from "node:http";
import { MaestroError, messageOf } from "../core/problem.ts";
import { ReceivedRequest, targetOf } from "./api-request.ts";
import type { ApiRequest } from "./api-request.ts";
import { HeaderList } from "./header-list.ts";
import { newRequestId, requestIdOf } from "./request-id.ts";
import { problem } from "./respond.ts";
import type { OutgoingRequest } from "./sent-request.ts";
import type { Slots } from "./slots.ts";
import { partsOf } from "./stream.ts";
import { WholeResponse } from "./whole.ts";

/** The one request handler (`createApp`), to who serves it. */
export type Handler = (request: ApiRequest) => Promise<Response>;

/** And to who asks it, in this process or over a connection. */
export type Transport = (request: OutgoingRequest) => Promise<Response>;

/** Marks answers that go on until somebody leaves; `nodeListener` ends them when its server closes. */
export const LIVE_HEADER = "x-accel-buffering";

export interface ListenerOptions {
  /** What requests are addressed to. */
  readonly origin: string;
  /** Aborted: live answers end. */
  readonly closing: AbortSignal;
  /** Requests that are being answered, and live answers, at once; absent: as many as come. */
  readonly requests?: Slots;
  readonly streams?: Slots;
  /** A reader that takes nothing for so long is cut off; absent: it may take its time. */
  readonly stallMs?: number;
}

/** What is still to come of a body when its request was answered is read and forgotten, up to here. */
const MAX_DISCARD = 16 * 1024 * 1024;

/** Up to here an answer is left to the socket's own buffer, which would take it without a word of waiting. */
const WHOLE_BYTES = 16 * 1024;

/** A `node:http` listener around the request handler: bodies stream both ways, and a client that leaves cancels its answer. */
export function nodeListener(handle: Handler, options: ListenerOptions): RequestListener {
  return (incoming, outgoing) => {
    // The handler never rejects; what can fail here is a connection, and then there is nobody left to tell.
    serve(handle, options, incoming, outgoing).then(undefined, () => outgoing.destroy());
  };
}

/** Aborted when the reader leaves before the answer is complete. */
function goneOf(outgoing: ServerResponse): AbortSignal {
  const gone = new AbortController();
  // Nobody listens any more where the answer is complete, and an abort without a reason of its own makes a stack trace.
  const leave = (): void => {
    if (!outgoing.writableFinished) gone.abort("the reader has gone");
  };
  outgoing.once("close", leave);
  if (outgoing.closed) leave();
  return gone.signal;
}

/**
 * Takes no new connections, ends live answers now, because they would never end by themselves, gives what is asked and not
 * yet answered `graceMs`, then cuts it off.
 */
export async function closeGently(server: Server, closing: AbortController, graceMs: number): Promise<void> {
  closing.abort();
  const cut = setTimeout(() => server.closeAllConnections(), graceMs);
  await new Promise<void>((closed) => server.close(() => closed()));
  clearTimeout(cut);
}

async function serve(
  handle: Handler,
  options: ListenerOptions,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const leaveRequests = options.requests?.take();
  const full = options.requests !== undefined && leaveRequests === undefined ? options.requests : undefined;
  let leaveStreams: (() => void) | undefined;
  try {
    const request = toRequest(incoming, options.origin);
    let response: Response;
    if (request instanceof WholeResponse) response = request;
    else response = full === undefined ? await handle(request) : refusal(request, full);
    const live = response.headers.has(LIVE_HEADER);
    if (live && options.streams !== undefined && request instanceof ReceivedRequest) {
      leaveStreams = options.streams.take();
      if (leaveStreams === undefined) {
        await response.body?.cancel();
        response = refusal(request, options.streams);
      }
    }
    if (leaveStreams !== undefined) leaveRequests?.();
    await send(response, incoming, outgoing, { live: leaveStreams !== undefined || live, ...options });
  } finally {
    leaveRequests?.();
    leaveStreams?.();
  }
}

async function send(
  response: Response,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  how: ListenerOptions & { readonly live: boolean },
): Promise<void> {
  const whole = response instanceof WholeResponse ? response.content : null;
  const size = whole === null ? 0 : Buffer.byteLength(whole);
  if (whole !== null) response.headers.set("content-length", String(size));
  outgoing.writeHead(response.status, rawHeaders(response));
  if (incoming.method === "HEAD" || (whole === null && response.body === null)) {
    if (whole === null) await response.body?.cancel();
    return void outgoing.end();
  }
  if (whole !== null && incoming.complete && size < WHOLE_BYTES) return endWith(outgoing, whole, how.stallMs);
  const gone = goneOf(outgoing);
  const signal = how.live ? AbortSignal.any([gone, how.closing]) : gone;
  let fine = true;
  if (whole !== null) {
    fine = outgoing.write(whole) || (await drained(outgoing, signal, how.stallMs));
  } else if (response.body !== null) {
    outgoing.flushHeaders();
    fine = await pump(response.body, outgoing, signal, how.stallMs);
  }
  // A connection that ends with unread data is reset, and a refusal is lost with it: what is on its way is let in first.
  if (fine && !incoming.complete) fine = await discardRest(incoming, signal);
  // An answer that was cut must not look like one that is complete.
  if (fine && !signal.aborted) outgoing.end();
  else outgoing.destroy();
}

function rawHeaders({ headers }: Response): string[] {
  return headers instanceof HeaderList ? headers.toRaw() : [...headers].flat();
}

/** What the system's buffer takes at once needs no watching. The rest does: who asks on and on and reads nothing would stay for ever. */
function endWith(outgoing: ServerResponse, content: string | Uint8Array, stallMs: number | undefined): void {
  outgoing.end(content);
  // Behind an answer that is stuck itself it has no socket yet.
  if (stallMs === undefined || (outgoing.socket !== null && outgoing.socket.writableLength === 0)) return;
  const timer = setTimeout(() => outgoing.req.socket.destroy(), stallMs).unref();
  for (const over of ["finish", "close"] as const) outgoing.once(over, () => clearTimeout(timer));
}

/** Politely: why, and when to come again. The connection ends, so that its place is free at once. */
function refusal(request: ApiRequest, { limit }: Slots): Response {
  const error = new MaestroError(
    "overloaded",
    `The control plane answers ${limit} of these at once, which is its limit.`,
  );
  return problem(error, whereOf(request), { headers: { connection: "close", "retry-after": "2" } });
}

function whereOf(request: ApiRequest): { readonly instance: string; readonly requestId: string } {
  return { instance: targetOf(request).pathname, requestId: requestIdOf(request) };
}

const CLIMBS = /\\|(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)/i;

/** The request, or the answer to what cannot be one. */
function toRequest(incoming: IncomingMessage, origin: string): ReceivedRequest | WholeResponse {
  const { url: written = "/", method = "GET", rawHeaders, socket } = incoming;
  const target = URL.parse(written, origin);
  const refuse = (why: string, status: number): WholeResponse => {
    const where = { instance: target?.pathname ?? "/", requestId: newRequestId() };
    return problem(new MaestroError("invalid_request", why), where, { status });
  };
  if (target === null || !target.href.startsWith(`${origin}/`))
    return refuse("The request's target is not a path of this server.", 400);
  // A proxy in front may have judged the path as it is written, and a URL is without these.
  if (CLIMBS.test(written.split("?")[0] ?? ""))
    return refuse("The request's path has a step of dots, or a backslash.", 400);
  // They reach through a server or show what it got; there is nothing here that they could be for.
  if (/^(CONNECT|TRACE|TRACK)$/.test(method)) return refuse(`${method} is not a method of this API.`, 405);
  const isRead = method === "GET" || method === "HEAD";
  try {
    return new ReceivedRequest(
      isRead ? "GET" : method,
      target,
      rawHeaders,
      isRead ? null : bodyOf(incoming),
      socket.remoteAddress,
    );
  } catch (error) {
    return refuse(`The request cannot be read: ${messageOf(error)}`, 400);
  }
}

/** The body as it comes. Leaving it early leaves the connection whole, so that a refusal still arrives. */
function bodyOf(incoming: IncomingMessage): ReadableStream<Uint8Array> {
  const parts = incoming.iterator({ destroyOnReturn: false });
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const part = await parts.next();
        if (part.done === true) controller.close();
        else controller.enqueue(part.value as Uint8Array);
      },
      async cancel() {
        await parts.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}

/** False when there is too much of it. */
function discardRest(incoming: IncomingMessage, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    let left = MAX_DISCARD;
    const done = (): void => resolve(left >= 0);
    incoming.on("data", (part: Uint8Array) => {
      left -= part.byteLength;
      if (left < 0) done();
    });
    incoming.once("end", done);
    signal.addEventListener("abort", done);
    if (incoming.complete || signal.aborted) done();
  });
}

/** False when the reader took nothing for too long. */
async function pump(
  body: ReadableStream<Uint8Array>,
  outgoing: ServerResponse,
  signal: AbortSignal,
  stallMs: number | undefined,
): Promise<boolean> {
  for await (const part of partsOf(body, signal)) {
    // What waits for a slow reader is this part and no more: the next one is not asked for until this one is out.
    if (!outgoing.write(part) && !(await drained(outgoing, signal, stallMs))) return false;
  }
  return true;
}

/** False when the reader took nothing for `stallMs`. */
function drained(outgoing: ServerResponse, signal: AbortSignal, stallMs: number | undefined): Promise<boolean> {
  return new Promise((resolve) => {
    const done = (fine: boolean) => (): void => {
      outgoing.off("drain", onDrain);
      signal.removeEventListener("abort", onAbort);
      clearTimeout(timer);
      resolve(fine);
    };
    const [onDrain, onAbort] = [done(true), done(true)];
    const timer = stallMs === undefined ? undefined : setTimeout(done(false), stallMs);
    outgoing.once("drain", onDrain);
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) onAbort();
  });
}
