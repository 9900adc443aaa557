import { request as overHttps } from "node:https";
import { isLoopback } from "../api/listen-address.ts";
import type { Handler } from "../api/http.ts";
import { sendRequest } from "../api/outgoing.ts";
import { readToken } from "../api/token.ts";
import { MaestroError } from "../core/problem.ts";
import type { Target } from "./target.ts";

type Server = Extract<Target, { readonly kind: "server" }>;

/** How long a server may take until its answer begins. */
const WAIT_MS = 60_000;

/** Sends requests to a control plane by its URL, with the token that was named for it. Errors: `token_unusable`. */
export async function remoteHandler({ server, token }: Server): Promise<Handler> {
  const url = new URL(server.value);
  const secret =
    token === undefined ? undefined : token.kind === "value" ? token.token : await readToken(token.file.value);
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

/** Whether the token would be read by whoever is on the way. */
export function isInTheClear({ server }: Server): boolean {
  const { protocol, hostname } = new URL(server.value);
  return protocol === "http:" && !isLoopback(hostname.replace(/^\[|\]$/g, ""));
}

/** What a refused token means here: which one, and where it came from. */
export function notAccepted({ server, token }: Server, error: MaestroError): MaestroError {
  const which =
    token === undefined
      ? "wants a token, and none was named for it"
      : `does not accept the token of ${token.kind === "value" ? token.variable : token.file.value}`;
  return new MaestroError("unauthorized", `The control plane at ${server.value} ${which}.`, { cause: error });
}
