// What `@summit/maestro-sdk/client` gives: the control plane's API with types, over `fetch` and nothing else.
import { errorOf, MaestroApiError } from "./api-error.ts";
import { followEvents, followLog } from "./follow.ts";
import type { FollowedEvent, LogPlace, RunPlace } from "./follow.ts";
import { OPERATIONS } from "./generated/operations.ts";
import type { Operations } from "./generated/operations.ts";

export { MaestroApiError } from "./api-error.ts";
export type { FollowedEvent, LogPlace, RunPlace } from "./follow.ts";
export type { Operations } from "./generated/operations.ts";
export type * as Schemas from "./generated/schemas.ts";

export interface ClientOptions {
  /** As `maestro up` prints it: `http://127.0.0.1:7717`. */
  readonly url: string | URL;
  /** The server's token, a session's or an identity provider's. A function is asked for each request, and once more where what it gave is not accepted. */
  readonly token?: string | (() => string | Promise<string>);
  /** Default: the one of the platform. */
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
  /** Tries after the first, of what may be asked again; default 3. */
  readonly retries?: number;
}

export interface CallOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** The same key with the same request is done once, and may therefore be asked again. */
  readonly idempotencyKey?: string;
  readonly signal?: AbortSignal;
}

/** No members at all. */
// oxlint-disable-next-line typescript/no-generated-empty-object-type -- an operation without parameters is what it says
type Nothing = Readonly<Record<never, never>>;

type Part<Name extends string, T> = Nothing extends T ? { readonly [K in Name]?: T } : { readonly [K in Name]: T };

/** The parts of a request that an operation has; what has no required member may be left out. */
export type Arguments<O extends keyof Operations> = Part<"params", Operations[O]["params"]> &
  Part<"query", Operations[O]["query"]> &
  Part<"body", Operations[O]["body"]> &
  CallOptions;

type Method<O extends keyof Operations> =
  Nothing extends Arguments<O>
    ? (args?: Arguments<O>) => Promise<Operations[O]["answer"]>
    : (args: Arguments<O>) => Promise<Operations[O]["answer"]>;

/** A method for each operation; each rejects with MaestroApiError, or with the signal's reason. */
export type Client = { readonly [O in keyof Operations]: Method<O> } & {
  /** A run's history as it is written, from after `after` on, until the run has ended; goes on by itself where a connection breaks. */
  followEvents(place: RunPlace): AsyncGenerator<FollowedEvent>;
  /** A task's log as it is written, until its attempt has ended; goes on by itself where a connection breaks. */
  followLog(place: LogPlace): AsyncGenerator<Uint8Array>;
};

/** What every request is made of. */
interface Wanted extends CallOptions {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly body?: object;
}

export function createClient(options: ClientOptions): Client {
  const ask = async (operation: keyof Operations, wanted: Wanted): Promise<Response> =>
    send(options, operation, wanted);
  const methods = Object.entries(OPERATIONS).map(([operation, [, , kind]]) => [
    operation,
    async (wanted: Wanted = {}): Promise<unknown> => {
      const response = await ask(operation as keyof Operations, wanted);
      return kind === "response" ? response : kind === "text" ? response.text() : response.json();
    },
  ]);
  return {
    ...(Object.fromEntries(methods) as { readonly [O in keyof Operations]: Method<O> }),
    followEvents: (place) => followEvents(ask, place),
    followLog: (place) => followLog(ask, place),
  };
}

async function send(options: ClientOptions, operation: keyof Operations, wanted: Wanted): Promise<Response> {
  const [method, template] = OPERATIONS[operation];
  const { url, token, retries = 3 } = options;
  const address = addressOf(url, template, wanted.params ?? {}, wanted.query ?? {});
  // What changes something is asked again only where it was certainly not done, or is done once however often it is asked.
  const isRepeatable = method === "GET" || wanted.idempotencyKey !== undefined;
  let isRefreshed = false;
  for (let tries = 0; ; tries++) {
    const secret = typeof token === "function" ? await token() : token;
    let error: MaestroApiError;
    try {
      const response = await request(options.fetch ?? fetch, method, address, wanted, secret);
      if (response.ok) return response;
      error = await errorOf(response);
    } catch (cause) {
      if (wanted.signal?.aborted === true) throw wanted.signal.reason;
      error = new MaestroApiError(`The control plane at ${String(url)} cannot be reached.`, {
        code: "server_unreachable",
        cause,
      });
    }
    if (error.status === 401 && typeof token === "function" && !isRefreshed) isRefreshed = true;
    else if (tries >= retries || !mayTryAgain(error, isRepeatable)) throw error;
    else await pause(Math.min(MAX_WAIT_MS, waitOf(error, tries)), wanted.signal);
  }
}

async function request(
  ask: NonNullable<ClientOptions["fetch"]>,
  method: string,
  address: string,
  { body, headers, idempotencyKey, signal }: Wanted,
  secret: string | undefined,
): Promise<Response> {
  const sent = new Headers(headers);
  if (secret !== undefined) sent.set("authorization", `Bearer ${secret}`);
  if (idempotencyKey !== undefined) sent.set("idempotency-key", idempotencyKey);
  if (method !== "GET") sent.set("content-type", "application/json");
  return ask(address, {
    method,
    headers: sent,
    // A token must go nowhere that its owner did not name.
    redirect: "error",
    ...(method === "GET" ? {} : { body: JSON.stringify(body ?? {}) }),
    ...(signal === undefined ? {} : { signal }),
  });
}

function addressOf(
  base: string | URL,
  template: string,
  params: Readonly<Record<string, string>>,
  query: Readonly<Record<string, unknown>>,
): string {
  const path = template.replaceAll(/\{(\w+)(\*?)\}/g, (_, name: string, rest: string) => {
    const value = params[name];
    if (value === undefined || value === "") throw new TypeError(`params.${name} is missing`);
    // Encoded dots would still be taken for a step up.
    if (/^\.{1,2}$/.test(value)) throw new TypeError(`params.${name} is ${JSON.stringify(value)}, which is no name`);
    return rest === "" ? encodeURIComponent(value) : value.split("/").map(encodeURIComponent).join("/");
  });
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    for (const one of Array.isArray(value) ? (value as readonly Plain[]) : [value as Plain])
      if (one !== undefined) search.append(name, `${one}`);
  const root = String(base).replace(/\/+$/, "");
  return `${root}${path}${search.size === 0 ? "" : `?${search.toString()}`}`;
}

/** What a query can hold, or a list of it. */
type Plain = string | number | boolean | undefined;

const MAX_WAIT_MS = 60_000;

function mayTryAgain({ status, code }: MaestroApiError, isRepeatable: boolean): boolean {
  // Nothing was begun of what came too often.
  if (status === 429) return true;
  return isRepeatable && (code === "server_unreachable" || status === 502 || status === 503 || status === 504);
}

/** As long as the server says; else longer each time, and never as long as everybody else. */
function waitOf({ retryAfterSeconds }: MaestroApiError, tries: number): number {
  const full = 200 * 2 ** tries;
  return retryAfterSeconds === undefined ? full * (0.5 + Math.random() / 2) : retryAfterSeconds * 1000;
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve) => {
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done, { once: true });
    function done(): void {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    }
  });
  signal?.throwIfAborted();
}
