import { isIP } from "node:net";
import { MaestroError } from "../core/problem.ts";
import type { Caller } from "../identity/caller.ts";
import { targetOf } from "./api-request.ts";
import type { ApiRequest } from "./api-request.ts";
import type { App } from "./app.ts";
import { countStream, whileAdmitted } from "./answered.ts";
import { LIVE_HEADER } from "./http.ts";
import type { Handler } from "./http.ts";
import type { Excess, Pass, Rates } from "./rates.ts";
import { REQUEST_ID, requestIdOf } from "./request-id.ts";
import { problem } from "./respond.ts";

export interface GuardOptions {
  /** Who asks, by what the request carries, or why it is nobody. */
  readonly authenticate: Authenticate;
  /** The name that this server was told to listen on. */
  readonly host: string;
  /** Whether a path tells nothing and so needs no token. */
  readonly isOpen: (pathname: string) => boolean;
  readonly rates: Rates;
  /** From a request's start to the head of its answer. */
  readonly answerMs: number;
  /** Whoever follows a live answer proves again who they are, so often. */
  readonly proveMs: number;
}

/**
 * What stands between a network and the request handler: who may ask, by which name, and from which pages. Cross-origin
 * requests are never allowed, so that no web page can speak to a control plane on its visitor's machine.
 */
export function guarded(handle: App, options: GuardOptions): Handler {
  return async (request) => {
    const requestId = requestIdOf(request);
    const response = await answer(handle, request, requestId, options);
    for (const [name, value] of SECURITY_HEADERS)
      // The one page that there is says itself what it may do.
      if (!response.headers.has(name)) response.headers.set(name, value);
    response.headers.set(REQUEST_ID, requestId);
    return response;
  };
}

/** A supervisor asks these whatever else is going on. */
const PROBES: ReadonlySet<string> = new Set(["/healthz", "/readyz"]);

async function answer(
  handle: App,
  request: ApiRequest,
  requestId: string,
  { isOpen, rates, answerMs, proveMs, authenticate, host }: GuardOptions,
): Promise<Response> {
  const { pathname } = targetOf(request);
  const refused = ({ error, ...override }: Refusal): Response =>
    problem(error, { instance: pathname, requestId }, override);
  const misled = misaddressed(request, host);
  if (misled !== undefined) return refused(misled);
  if (PROBES.has(pathname)) return handle(request, NOBODY);
  const caller = isOpen(pathname) ? NOBODY : await authenticate(request);
  // A proof that is good is never kept out by bad ones from the same address.
  const pass = "error" in caller || caller === NOBODY ? rates.stranger(request.peer) : rates.identity(caller);
  if (!("end" in pass)) return refused(tooMany(pass));
  const working = "error" in caller ? Promise.resolve(refused(caller)) : handle(request, caller);
  // Whoever waits no longer has their place until the work is done: else asking again and again would pile it up.
  const end = (): void => pass.end();
  working.then(end, end);
  let response = within(pass, await inTime(working, answerMs, refused), refused);
  if (!("error" in caller) && caller !== NOBODY)
    response = whileAdmitted(response, async () => isSame(caller, await authenticate(request)), proveMs);
  for (const [name, value] of pass.headers) response.headers.set(name, value);
  return response;
}

/** The answer, counted for as long as it goes on; or that too many do. */
function within(pass: Pass, response: Response, refused: (refusal: Refusal) => Response): Response {
  if (pass.live === undefined || !response.headers.has(LIVE_HEADER)) return response;
  const open = pass.live();
  if ("streams" in open) return countStream(response, open);
  response.body?.cancel().catch((error: unknown) => error);
  return refused(tooMany(open));
}

/** A session that was ended, a token that is over or roles that were taken away end what they opened. */
function isSame(caller: Caller, now: Caller | Refusal): boolean {
  return (
    !("error" in now) &&
    now.type === caller.type &&
    now.id === caller.id &&
    JSON.stringify(now.grants) === JSON.stringify(caller.grants)
  );
}

function tooMany({ why, headers, retryAfterSeconds }: Excess): Refusal {
  return {
    error: new MaestroError("rate_limited", why, { facts: { retryAfterSeconds } }),
    status: 429,
    headers: { ...Object.fromEntries(headers), "retry-after": String(retryAfterSeconds) },
  };
}

/** The answer, or after so long that there is none yet. A handler never rejects. */
async function inTime(
  working: Promise<Response>,
  answerMs: number,
  refused: (refusal: Refusal) => Response,
): Promise<Response> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(resolve, answerMs, undefined).unref();
  const response = await Promise.race([working, late]);
  clearTimeout(timer);
  if (response !== undefined) return response;
  working.then(
    async (unread) => unread.body?.cancel(),
    () => undefined,
  );
  return refused({
    error: new MaestroError("timed_out", `There was no answer within ${answerMs / 1000} s.`, {
      fix: "What was asked for may still be done: look before asking again, or repeat it with the same Idempotency-Key.",
    }),
    status: 504,
  });
}

/** Nothing in an answer of the API is run, framed or taken along by another site. */
const SECURITY_HEADERS: readonly (readonly [name: string, value: string])[] = [
  ["x-content-type-options", "nosniff"],
  ["x-frame-options", "DENY"],
  ["content-security-policy", "default-src 'none'; frame-ancestors 'none'; sandbox"],
  ["referrer-policy", "no-referrer"],
  ["cross-origin-resource-policy", "same-origin"],
];

export type Authenticate = (request: ApiRequest) => Promise<Caller | Refusal>;

export interface Refusal {
  readonly error: MaestroError;
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Why a request is not for this server, or not from a program of its user's. */
function misaddressed(request: ApiRequest, host: string): Refusal | undefined {
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
  return undefined;
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
function isForeign(request: ApiRequest, host: string): boolean {
  const origin = request.headers.get("origin");
  if (origin !== null && URL.parse(origin)?.host !== URL.parse(`http://${host}`)?.host) return true;
  return /^(cross-site|same-site)$/.test(request.headers.get("sec-fetch-site") ?? "");
}
