import assert from "node:assert/strict";
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingHttpHeaders, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

export interface Received {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Receiver extends AsyncDisposable {
  /** Without a slash at its end. */
  readonly url: string;
  readonly seen: Received[];
}

/** A real server on a free port of this machine that remembers what it was sent, and answers as it is told. */
export async function receiver(
  answer: (response: ServerResponse, received: Received) => void = (response) => response.writeHead(204).end(),
): Promise<Receiver> {
  const seen: Received[] = [];
  const server = createServer((request, response) => {
    const take = async (): Promise<void> => {
      const { method = "", url = "", headers } = request;
      const received = { method, url, headers, body: await text(request) };
      seen.push(received);
      answer(response, received);
    };
    void take();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** What a receiver of Standard Webhooks does with a request before it believes it. `key` is base64. */
export function assertSigned({ headers, body }: Received, key: string, now = Date.now()): void {
  const id = String(headers["webhook-id"]);
  const timestamp = String(headers["webhook-timestamp"]);
  assert.match(timestamp, /^\d{10}$/);
  assert.ok(Math.abs(Number(timestamp) * 1000 - now) < 5 * 60_000, "the timestamp is older than five minutes");
  const expected = createHmac("sha256", Buffer.from(key, "base64")).update(`${id}.${timestamp}.${body}`).digest();
  const signatures = String(headers["webhook-signature"]).split(" ");
  assert.ok(
    signatures.some((signature) => {
      const [version, value = ""] = signature.split(",");
      const found = Buffer.from(value, "base64");
      return version === "v1" && found.length === expected.length && timingSafeEqual(found, expected);
    }),
    `no signature of ${signatures.join(" ")} is right`,
  );
}
