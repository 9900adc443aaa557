import type { IncomingMessage, RequestOptions } from "node:http";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import type { ReadableStream as NodeWebStream } from "node:stream/web";
import { request as overHttp } from "../node-http.ts";
import { HeaderList } from "./header-list.ts";
import type { OutgoingRequest } from "./sent-request.ts";
import { WholeResponse } from "./whole.ts";

/** An answer that says it is no longer than this is there when its headers are; a longer one is a stream. */
const WHOLE_BYTES = 1 << 20;

/** Sends a request by Node's own client, which is there without loading anything. Rejects with the error of the connection. */
export async function sendRequest(
  request: OutgoingRequest,
  to: RequestOptions & { readonly waitMs?: number },
  send: typeof overHttp = overHttp,
): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  const { waitMs, path = "", headers, ...rest } = to;
  const body = request.body === null ? undefined : Buffer.from(await request.arrayBuffer());
  const incoming = await new Promise<IncomingMessage>((answered, failed) => {
    const outgoing = send({
      ...rest,
      path: `${path}${pathname}${search}`,
      method: request.method,
      headers: {
        ...Object.fromEntries(request.headers),
        ...(headers as Readonly<Record<string, string>> | undefined),
        ...(body === undefined ? {} : { "content-length": body.byteLength }),
      },
      ...(request.signal === undefined ? {} : { signal: request.signal }),
    });
    if (waitMs !== undefined)
      outgoing.setTimeout(waitMs, () => outgoing.destroy(new Error(`no answer in ${waitMs / 1000} s`)));
    outgoing.once("error", failed);
    outgoing.once("response", (response: IncomingMessage) => {
      // From here on it may be a stream, quiet for as long as nothing happens.
      outgoing.setTimeout(0);
      answered(response);
    });
    outgoing.end(body);
  });
  return answerOf(incoming);
}

async function answerOf(incoming: IncomingMessage): Promise<Response> {
  const headers = HeaderList.ofRaw(incoming.rawHeaders);
  const status = incoming.statusCode ?? 500;
  if (status === 204 || status === 304) {
    incoming.resume();
    return new WholeResponse(null, { status, headers });
  }
  const length = headers.get("content-length");
  if (length !== null && Number(length) <= WHOLE_BYTES)
    return new WholeResponse(new Uint8Array(await buffer(incoming)), { status, headers });
  const stream = Readable.toWeb(incoming) as NodeWebStream<Uint8Array>;
  return new Response(stream, { status, headers: [...headers] });
}
