import type { Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { randomUUID } from "node:crypto";
import { MaestroError } from "../core/problem.ts";
import { STATUS_CODES } from "../node-http.ts";
import { REQUEST_ID } from "./request-id.ts";
import { problemText } from "./respond.ts";

/** How long a connection that was told why it ends may take to read that. */
const LINGER_MS = 1000;

/** Answers what never became a request as well: a problem, then the end of the connection. */
export function answerFaults(server: Server, maxConnections: number): void {
  const answering = new WeakMap<Duplex, ServerResponse>();
  server.on("request", (incoming, outgoing: ServerResponse) => answering.set(incoming.socket, outgoing));
  server.on("checkExpectation", (_incoming, outgoing: ServerResponse) => {
    const error = new MaestroError("invalid_request", "The Expect header asks for something this server does not do.");
    const { head, body } = rawProblem(error, 417);
    outgoing.writeHead(417, head).end(body);
  });
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Duplex) => {
    const begun = answering.get(socket)?.headersSent === true && answering.get(socket)?.writableFinished === false;
    // In the middle of an answer, or with nobody at the other end, words would only do harm.
    if (error.code === "ECONNRESET" || !socket.writable || begun) return void socket.destroy();
    farewell(socket, ...faultOf(error.code));
  });
  let open = 0;
  server.on("connection", (socket: Socket) => {
    open += 1;
    socket.once("close", () => (open -= 1));
    if (open <= maxConnections) return;
    const error = new MaestroError(
      "overloaded",
      `${maxConnections} connections are open, which is this server's limit.`,
    );
    farewell(socket, error, 503);
  });
}

function faultOf(code: string | undefined): readonly [MaestroError, number] {
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      return [new MaestroError("payload_too_large", "The request's address and headers are larger than 16 KiB."), 431];
    case "HPE_CHUNK_EXTENSIONS_OVERFLOW":
      return [new MaestroError("payload_too_large", "The body's chunk extensions are too large."), 413];
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return [new MaestroError("timed_out", "The request did not arrive in the time that this server gives one."), 408];
    default:
      return [new MaestroError("invalid_request", "What arrived is not an HTTP request."), 400];
  }
}

function farewell(socket: Duplex, error: MaestroError, status: number): void {
  const { head, body } = rawProblem(error, status);
  const lines = Object.entries(head).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.on("error", () => socket.destroy());
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n${lines.join("")}\r\n${body}`);
  // Read on for a moment: a connection that is closed with unread data is reset, and the answer is lost with it.
  socket.resume();
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
}

function rawProblem(error: MaestroError, status: number): { head: Record<string, string>; body: string } {
  const requestId = randomUUID();
  const { headers, text } = problemText(error, { instance: "/", requestId }, { status });
  return {
    head: {
      ...headers,
      "content-length": String(Buffer.byteLength(text)),
      connection: "close",
      "x-content-type-options": "nosniff",
      [REQUEST_ID]: requestId,
    },
    body: text,
  };
}
