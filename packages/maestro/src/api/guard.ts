import { isIP } from "node:net";
import { MaestroError } from "../core/problem.ts";
import type { Caller } from "../identity/caller.ts";
import type { App } from "./app.ts";
import type { Handler } from "./http.ts";
import { REQUEST_ID, requestIdOf } from "./request-id.ts";
import { problem } from "./respond.ts";

export interface GuardOptions {
  /** Who asks, by what the request carries, or why it is nobody. */
  readonly authenticate: Authenticate;
  /** The name that this server was told to listen on. */
  readonly host: string;
  /** Paths that tell nothing and so need no token. */
  readonly open: ReadonlySet<string>;
}

/**
 * What stands between a network and the request handler: who may ask, by which name, and from which pages. Cross-origin
 * requests are never allowed, so that no web page can speak to a control plane on its visitor's machine.
 */
export function guarded(handle: App, options: GuardOptions): Handler {
  return async (request) => {
    const requestId = requestIdOf(request);
    const caller = await admit(request, options);
    const response =
      "error" in caller
        ? problem(caller.error, { instance: new URL(request.url).pathname, requestId }, caller)
        : await handle(request, caller);
    for (const [name, value] of SECURITY_HEADERS)
      // The one page that there is says itself what it may do.
      if (!response.headers.has(name)) response.headers.set(name, value);
    response.headers.set(REQUEST_ID, requestId);
    return response;
  };
}

/** Nothing in an answer of the API is run, framed or taken along by another site. */
const SECURITY_HEADERS: readonly (readonly [name: string, value: string])[] = [
  ["x-content-type-options", "nosniff"],
  ["x-frame-options", "DENY"],
  ["content-security-policy", "default-src 'none'; frame-ancestors 'none'; sandbox"],
  ["referrer-policy", "no-referrer"],
  ["cross-origin-resource-policy", "same-origin"],
];

export type Authenticate = (request: Request) => Promise<Caller | Refusal>;

export interface Refusal {
  readonly error: MaestroError;
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
}

async function admit(request: Request, { authenticate, host, open }: GuardOptions): Promise<Caller | Refusal> {
  const named = request.headers.get("host");
  if (named === null || named === "")
    return { error: new MaestroError("invalid_request", "The request has no Host header."), status: 400 };
  if (!isOwnName(named, host)) {
    return {
      error: new MaestroError(
        "invalid_request",
        `This server is not called ${JSON.stringify(named.slice(0, 100))}: it answers to its address, localhost and the name it listens on.`,
        { fix: "Use the URL that `maestro up` printed; a proxy in front must send the name it connects to as Host." },
      ),
      // A name that was pointed at this machine (DNS rebinding) is the case that this is for.
      status: 421,
    };
  }
  if (isForeign(request, named)) {
    return {
      error: new MaestroError("denied", "Requests from web pages of other origins are not answered.", {
        fix: "Call the API from a program, or from the same origin.",
      }),
      status: 403,
    };
  }
  if (open.has(new URL(request.url).pathname)) return NOBODY;
  return authenticate(request);
}

/** Who asks what is open to all. */
const NOBODY: Caller = { type: "user", id: "nobody", grants: [], properties: {}, via: "none" };

/** An address cannot be pointed elsewhere, and localhost is not looked up by browsers; any other name must be our own. */
function isOwnName(header: string, host: string): boolean {
  const url = URL.parse(`http://${header}`);
  if (url === null || url.pathname !== "/" || url.username !== "" || url.search !== "") return false;
  const name = url.hostname.replace(/^\[|\]$/g, "");
  return isIP(name) !== 0 || name === "localhost" || name === host.toLowerCase();
}

/** Whether a browser says that another site is asking. Programs send neither header. */
function isForeign(request: Request, host: string): boolean {
  const origin = request.headers.get("origin");
  if (origin !== null && URL.parse(origin)?.host !== URL.parse(`http://${host}`)?.host) return true;
  return /^(cross-site|same-site)$/.test(request.headers.get("sec-fetch-site") ?? "");
}
