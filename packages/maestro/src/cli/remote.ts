import { request as overHttps } from "node:https";
import { isLoopback } from "../api/listen-address.ts";
import type { Transport } from "../api/http.ts";
import { sendRequest } from "../api/outgoing.ts";
import { readToken } from "../api/token.ts";
import { MaestroError } from "../core/problem.ts";
import { time } from "./format.ts";
import type { Target } from "./target.ts";

type Server = Extract<Target, { readonly kind: "server" }>;

/** How long a server may take until its answer begins. */
const WAIT_MS = 60_000;

/** Sends requests to a control plane by its URL, with the token that was named for it. Errors: `token_unusable`. */
export async function remoteTransport({ server, token }: Server): Promise<Transport> {
  const url = new URL(server.value);
  const secret = await secretOf(server.value, token);
  return async (request) =>
    sendRequest(
      request,
      {
        protocol: url.protocol,
        hostname: url.hostname.replace(/^\[|\]$/g, ""),
        port: url.port,
        path: url.pathname.replace(/\/$/, ""),
        agent: false,
        waitMs: WAIT_MS,
        headers: { host: url.host, ...(secret === undefined ? {} : { authorization: `Bearer ${secret}` }) },
      },
      url.protocol === "https:" ? overHttps : undefined,
    );
}

/** Errors: `token_unusable`, `unauthorized` for a login that is over. */
async function secretOf(server: string, token: Server["token"]): Promise<string | undefined> {
  switch (token?.kind) {
    case undefined:
      return undefined;
    case "value":
      return token.token;
    case "file":
      return readToken(token.file.value);
    case "login": {
      const { expiresAt } = token.credential;
      if (expiresAt > Date.now()) return token.credential.token;
      throw new MaestroError("unauthorized", `The login to ${server} ended at ${time(expiresAt)}.`, { fix: LOG_IN });
    }
  }
}

const LOG_IN = "Log in again: `maestro login`.";

/** Whether the token would be read by whoever is on the way. */
export function isInTheClear({ server }: Server): boolean {
  const { protocol, hostname } = new URL(server.value);
  return protocol === "http:" && !isLoopback(hostname.replace(/^\[|\]$/g, ""));
}

/** What a refused token means here: which one, and where it came from. */
export function notAccepted({ server, token }: Server, error: MaestroError): MaestroError {
  if (token?.kind === "login")
    return new MaestroError("unauthorized", `The login to ${server.value} is over: ${error.message}`, {
      cause: error,
      facts: error.facts,
      fix: LOG_IN,
    });
  // What was refused came in the request itself: a provider's token that is exchanged.
  if (token === undefined && error.facts["reason"] !== "no_credentials") return error;
  const which =
    token === undefined
      ? "wants a token, and none was named for it"
      : `does not accept the token of ${token.kind === "value" ? token.variable : token.file.value}`;
  return new MaestroError("unauthorized", `The control plane at ${server.value} ${which}.`, {
    cause: error,
    facts: error.facts,
  });
}
