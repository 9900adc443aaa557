import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { partsOf } from "./stream.ts";
import type { ReadableStream as NodeWebStream } from "node:stream/web";

/** The one request handler (`createApp`). */
export type Handler = (request: Request) => Promise<Response>;

/** Marks answers that go on until somebody leaves; `nodeListener` ends them when its server closes. */
export const LIVE_HEADER = "x-accel-buffering";

/**
 * A `node:http` listener around the request handler: bodies stream both ways, a client that leaves cancels its answer, and
 * live answers end when `closing` is aborted.
 */
export function nodeListener(handle: Handler, origin: string, closing: AbortSignal): RequestListener {
  return (incoming, outgoing) => {
    const gone = new AbortController();
    outgoing.on("close", () => gone.abort());
    // The handler never rejects; what can fail here is a connection, and then there is nobody left to tell.
    serve({ handle, origin, closing }, incoming, outgoing, gone.signal).then(undefined, () => outgoing.destroy());
  };
}

interface Server {
  readonly handle: Handler;
  readonly origin: string;
  readonly closing: AbortSignal;
}

async function serve(
  { handle, origin, closing }: Server,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  const request = toRequest(incoming, origin, signal);
  const response = request === undefined ? new Response(null, { status: 400 }) : await handle(request);
  outgoing.writeHead(response.status, [...response.headers].flat());
  if (response.body === null || incoming.method === "HEAD") return void outgoing.end();
  outgoing.flushHeaders();
  const live = response.headers.has(LIVE_HEADER);
  await pump(response.body, outgoing, live ? AbortSignal.any([signal, closing]) : signal);
}

function toRequest(incoming: IncomingMessage, origin: string, signal: AbortSignal): Request | undefined {
  const url = URL.parse(incoming.url ?? "/", origin);
  if (url === null || !url.href.startsWith(`${origin}/`)) return undefined;
  const method = incoming.method ?? "GET";
  const headers = new Headers();
  for (let i = 0; i + 1 < incoming.rawHeaders.length; i += 2)
    headers.append(incoming.rawHeaders[i] ?? "", incoming.rawHeaders[i + 1] ?? "");
  if (method === "GET" || method === "HEAD") return new Request(url, { method: "GET", headers, signal });
  const body = Readable.toWeb(incoming) as NodeWebStream<Uint8Array>;
  return new Request(url, { method, headers, signal, body, duplex: "half" });
}

async function pump(body: ReadableStream<Uint8Array>, outgoing: ServerResponse, signal: AbortSignal): Promise<void> {
  for await (const part of partsOf(body, signal)) {
    if (!outgoing.write(part)) await drained(outgoing, signal);
  }
  // An answer that was cut must not look like one that is complete.
  if (signal.aborted) outgoing.destroy();
  else outgoing.end();
}

function drained(outgoing: ServerResponse, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      outgoing.off("drain", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    outgoing.once("drain", done);
    signal.addEventListener("abort", done);
    if (signal.aborted) done();
  });
}
