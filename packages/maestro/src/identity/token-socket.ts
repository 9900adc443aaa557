import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, rmSync } from "node:fs";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { join } from "node:path";
import type { JsonObject } from "../core/json.ts";
import { HTTP_STATUS, MaestroError, messageOf, PROBLEMS } from "../core/problem.ts";
import { createServer } from "../node-http.ts";

/** What an attempt's socket takes; docs/reference/limits.md explains each. */
export const TOKEN_LIMITS = { connections: 16, headerBytes: 8 * 1024, requestMs: 5_000, perMinute: 60 } as const;

/** In the folder of the socket; a sandbox sees that folder as TOKEN_FOLDER. */
export const TOKEN_SOCKET = "token.sock";

/**
 * A socket for one attempt alone. Node cannot ask the kernel who is at its other end (SO_PEERCRED), so what keeps others
 * out is where it lies: in a folder of the engine's user, which a sandbox hides but for the one that belongs to it.
 */
export interface TokenSocket {
  /** Absolute; nothing else is in it. */
  readonly folder: string;
  readonly path: string;
  /** Nobody is answered any more, and the folder is gone. */
  close(): void;
}

/** Serves `GET /token?audience=…`. Errors: `storage_failed`. */
export async function serveTokens(options: {
  /** Where the folder is made: private, and short enough for a socket's name. */
  readonly parent: string;
  /** The body of the answer. May throw MaestroError, which is answered as it is. */
  answer(audience: string | null): Promise<JsonObject>;
  /** Told of what was thrown that is none. */
  fault(error: unknown): void;
}): Promise<TokenSocket> {
  const folder = join(options.parent, randomBytes(8).toString("hex"));
  const path = join(folder, TOKEN_SOCKET);
  const server = createServer(
    {
      maxHeaderSize: TOKEN_LIMITS.headerBytes,
      headersTimeout: TOKEN_LIMITS.requestMs,
      requestTimeout: TOKEN_LIMITS.requestMs,
      connectionsCheckingInterval: TOKEN_LIMITS.requestMs / 5,
    },
    (request, response) => void reply(request, response, options),
  );
  server.maxConnections = TOKEN_LIMITS.connections;
  try {
    mkdirSync(folder, { mode: 0o700 });
    await listening(server, path);
    chmodSync(path, 0o600);
  } catch (error) {
    server.close();
    throw new MaestroError("storage_failed", `The socket for tokens ${path} could not be made: ${messageOf(error)}`, {
      cause: error,
    });
  }
  // The attempt keeps the engine at work; its socket does not.
  server.unref();
  return {
    folder,
    path,
    close() {
      server.close();
      server.closeAllConnections();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function listening(server: Server, path: string): Promise<void> {
  await new Promise<void>((done, failed) => {
    server.once("error", failed);
    server.listen(path, done);
  });
}

async function reply(
  request: IncomingMessage,
  response: ServerResponse,
  { answer, fault }: Pick<Parameters<typeof serveTokens>[0], "answer" | "fault">,
): Promise<void> {
  let status = 200;
  let body: JsonObject;
  try {
    body = await answer(audienceOf(request));
  } catch (error) {
    if (!(error instanceof MaestroError)) fault(error);
    const known = error instanceof MaestroError ? error : new MaestroError("internal", "The token could not be made.");
    status = known.code === "overloaded" ? 429 : HTTP_STATUS[known.class];
    body = problemOf(known, status);
  }
  const text = JSON.stringify(body);
  response.writeHead(status, {
    "content-type": status === 200 ? "application/json" : "application/problem+json",
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
    ...(status === 429 || status === 503 ? { "retry-after": "10" } : {}),
    connection: "close",
  });
  response.end(text);
}

/** What is asked for; null: nothing. Errors: `invalid_request`, `not_found`. */
function audienceOf({ method, url = "", headers }: IncomingMessage): string | null {
  const asked = URL.parse(url, "http://token");
  if (asked?.pathname !== "/token")
    throw new MaestroError("not_found", "This socket has tokens and nothing else.", { fix: HOW });
  if (method !== "GET" || headers["content-length"] !== undefined || headers["transfer-encoding"] !== undefined)
    throw new MaestroError("invalid_request", "A token is asked for by GET, without a body.", { fix: HOW });
  const all = asked.searchParams.getAll("audience");
  const others = [...asked.searchParams.keys()].filter((name) => name !== "audience");
  if (all.length > 1 || others.length > 0)
    throw new MaestroError("invalid_request", "A request for a token has one parameter, `audience`.", { fix: HOW });
  return all[0] ?? null;
}

const HOW = 'Ask by `curl --unix-socket "$MAESTRO_TOKEN_SOCKET" "http://token/token?audience=…"`.';

function problemOf({ code, message, class: kind, fix, facts }: MaestroError, status: number): JsonObject {
  return {
    type: `/help/errors/${code}`,
    title: PROBLEMS[code].title,
    status,
    detail: message,
    code,
    class: kind,
    fix,
    facts,
  };
}
