import type { AddressInfo } from "node:net";
import { isIP } from "node:net";
import { messageOf } from "../core/problem.ts";
import { addCheckpoint } from "../provenance/witness/witness.ts";
import type { WitnessAnswer, WitnessDeps } from "../provenance/witness/witness.ts";
import { createServer } from "../node-http.ts";
import { targetOf } from "./api-request.ts";
import type { ApiRequest } from "./api-request.ts";
import { answerFaults } from "./http-fault.ts";
import { closeGently, nodeListener } from "./http.ts";
import { addressUnusable } from "./listen-address.ts";
import type { ListenAddress } from "./listen-address.ts";
import { Slots } from "./slots.ts";

/** What a witness takes from strangers: it asks nobody who he is, the log's signature is all that counts. */
export const WITNESS_LIMITS = {
  connections: 1_024,
  requests: 64,
  /** A checkpoint with 16 signatures of any kind, and the longest proof. */
  bodyBytes: 128 * 1024,
  headerBytes: 8 * 1024,
  headersMs: 10_000,
  requestMs: 15_000,
  idleMs: 30_000,
} as const;

export interface WitnessServer {
  readonly url: string;
  close(graceMs: number): Promise<void>;
}

/** Serves `POST /add-checkpoint`. Errors: `address_unusable`. */
export async function serveWitness(options: {
  readonly address: ListenAddress;
  readonly deps: WitnessDeps;
  /** A fault of our own, or a disk that failed: the answer is a 500, and nothing was cosigned. */
  readonly fault: (error: unknown) => void;
}): Promise<WitnessServer> {
  const { address, deps, fault } = options;
  const closing = new AbortController();
  const server = createServer({
    maxHeaderSize: WITNESS_LIMITS.headerBytes,
    headersTimeout: WITNESS_LIMITS.headersMs,
    requestTimeout: WITNESS_LIMITS.requestMs,
    keepAliveTimeout: WITNESS_LIMITS.idleMs,
    connectionsCheckingInterval: 1_000,
    requireHostHeader: false,
  });
  answerFaults(server, WITNESS_LIMITS.connections);
  await new Promise<void>((listening, failed) => {
    server.once("error", (error: NodeJS.ErrnoException) =>
      failed(
        addressUnusable(
          address,
          error,
          "Choose another address with `--listen HOST:PORT`, port 0 for any that is free.",
        ),
      ),
    );
    server.listen(address.port, address.host, listening);
  });
  const { port } = server.address() as AddressInfo;
  const url = `http://${isIP(address.host) === 6 ? `[${address.host}]` : address.host}:${port}`;
  const requests = new Slots(WITNESS_LIMITS.requests);
  server.on(
    "request",
    nodeListener(async (request) => handle(request, deps, fault), {
      origin: url,
      closing: closing.signal,
      requests,
      stallMs: WITNESS_LIMITS.requestMs,
    }),
  );
  return { url, close: (graceMs) => closeGently(server, closing, graceMs) };
}

async function handle(request: ApiRequest, deps: WitnessDeps, fault: (error: unknown) => void): Promise<Response> {
  const { pathname } = targetOf(request);
  if (pathname !== "/add-checkpoint") return answer(404, "a witness has nothing here but POST /add-checkpoint");
  if (request.method !== "POST") return answer(405, "checkpoints are submitted with POST", { allow: "POST" });
  try {
    const body = await readText(request);
    return body instanceof Response ? body : respond(addCheckpoint(deps, body));
  } catch (error) {
    fault(error);
    return answer(500, "the witness could not keep it, and has cosigned nothing");
  }
}

async function readText(request: ApiRequest): Promise<string | Response> {
  const parts: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const part of request.body ?? []) {
      size += part.byteLength;
      if (size > WITNESS_LIMITS.bodyBytes) return answer(413, `it is larger than ${WITNESS_LIMITS.bodyBytes} bytes`);
      parts.push(part);
    }
  } catch (error) {
    return answer(400, `the body ended before it was complete: ${messageOf(error)}`);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.concat(parts));
  } catch {
    // That it is no UTF-8 is all there is to say.
    return answer(400, "it is not UTF-8");
  }
}

function respond({ status, type, body }: WitnessAnswer): Response {
  return new Response(body, { status, headers: { ...HEADERS, "content-type": type } });
}

function answer(status: number, why: string, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(`${why}\n`, {
    status,
    headers: { ...HEADERS, "content-type": "text/plain; charset=utf-8", ...headers },
  });
}

const HEADERS = { "cache-control": "no-store", "x-content-type-options": "nosniff" };
