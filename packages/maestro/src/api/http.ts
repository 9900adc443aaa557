import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { partsOf } from "./stream.ts";
import type { ReadableStream as NodeWebStream } from "node:stream/web";

/** The one request handler (`createApp`). */
export type Handler = (request: Request) => Promise<Response>;

/** A `node:http` listener around the request handler: bodies stream both ways, a client that leaves aborts its request. */
export function nodeListener(handle: Handler, origin: string): RequestListener {
  return (incoming, outgoing) => {
    const gone = new AbortController();
    outgoing.on("close", () => gone.abort());
    // The handler never rejects; what can fail here is a connection, and then there is nobody left to tell.
    serve(handle, origin, incoming, outgoing, gone.signal).then(undefined, () => outgoing.destroy());
  };
}

async function serve(
  handle: Handler,
  origin: string,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  const request = toRequest(incoming, origin, signal);
  const response = request === undefined ? new Response(null, { status: 400 }) : await handle(request);
  outgoing.writeHead(response.status, [...response.headers].flat());
  if (response.body === null || incoming.method === "HEAD") return void outgoing.end();
  outgoing.flushHeaders();
  await pump(response.body, outgoing, signal);
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
  outgoing.end();
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
