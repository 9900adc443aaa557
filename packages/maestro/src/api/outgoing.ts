import { request as overHttp } from "node:http";
import type { IncomingMessage, RequestOptions } from "node:http";
import { Readable } from "node:stream";
import type { ReadableStream as NodeWebStream } from "node:stream/web";

/** Sends a request by Node's own client, which is there without loading anything. Rejects with the error of the connection. */
export async function sendRequest(
  request: Request,
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
      signal: request.signal,
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
  return toResponse(incoming);
}

function toResponse(incoming: IncomingMessage): Response {
  const headers = new Headers();
  for (let i = 0; i + 1 < incoming.rawHeaders.length; i += 2)
    headers.append(incoming.rawHeaders[i] ?? "", incoming.rawHeaders[i + 1] ?? "");
  const status = incoming.statusCode ?? 500;
  const stream = Readable.toWeb(incoming) as NodeWebStream<Uint8Array>;
  return new Response(status === 204 || status === 304 ? null : stream, { status, headers });
}
