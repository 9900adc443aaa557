import { createServer as createHttps } from "node:https";
import { createServer } from "node:http";
import type { IncomingMessage, RequestListener, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

export interface Pdp {
  readonly url: string;
  /** What was asked, in order. */
  readonly asked: readonly Asked[];
  /** What the next questions are answered with. */
  answer: (asked: Asked, response: ServerResponse) => void | Promise<void>;
  close(): Promise<void>;
}

/** A decision point whose answers a test writes. */
export async function startPdp(
  answer: Pdp["answer"],
  tls?: { readonly key: string | Buffer; readonly cert: string | Buffer },
): Promise<Pdp> {
  const asked: Asked[] = [];
  const listener: RequestListener = (request, response) => {
    const take = async (): Promise<void> => {
      const one = {
        method: request.method ?? "",
        path: request.url ?? "",
        headers: request.headers,
        body: await text(request),
      };
      asked.push(one);
      await pdp.answer(one, response);
    };
    // A connection that was cut is what some tests are about.
    take().catch(() => response.destroy());
  };
  const server: Server = tls === undefined ? createServer(listener) : createHttps(tls, listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const pdp: Pdp = {
    url: `${tls === undefined ? "http" : "https"}://127.0.0.1:${port}`,
    asked,
    answer,
    async close() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
  return pdp;
}

export function json(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(typeof value === "string" ? value : JSON.stringify(value));
}
