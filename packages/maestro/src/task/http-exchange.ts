import type { LookupFunction } from "node:net";
import type { Readable } from "node:stream";
import type { Dispatcher } from "undici";
import { messageOf } from "../core/problem.ts";
import { admit } from "./http-admit.ts";
import type { Address, Resolve } from "./http-admit.ts";
import { TaskFailure } from "./task.ts";

/** One request, redirects not followed. */
export interface Outgoing {
  readonly url: URL;
  readonly method: Dispatcher.HttpMethod;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array | Readable | null;
}

export interface Incoming {
  readonly status: number;
  /** Names in lower case; several of a name joined by commas. */
  readonly headers: Readonly<Record<string, string>>;
  /** As it comes, content encoding and all. */
  readonly body: Readable;
}

export interface Rules {
  readonly resolve: Resolve;
  readonly allowPrivate: readonly string[];
  /** Ends whatever is under way, name resolution included. */
  readonly signal: AbortSignal;
}

/**
 * Sends one request to an address that was checked, and lets `read` take the answer; the connection is closed when that
 * is done. What is thrown is for `explainExchange`.
 */
export async function exchange<T>(
  outgoing: Outgoing,
  { resolve, allowPrivate, signal }: Rules,
  read: (incoming: Incoming) => Promise<T>,
): Promise<T> {
  const addresses = await abortable(admit(outgoing.url, { resolve, allowPrivate }), signal);
  // Loaded by the first request: it is a tenth of the time in which a command starts.
  const { Agent, request } = await import("undici");
  // One connection for one request: nothing is pooled that a later request could reach without being checked.
  const agent = new Agent({
    connect: { lookup: pinned(addresses) },
    maxHeaderSize: 64 * 1024,
    headersTimeout: 0,
    bodyTimeout: 0,
    maxRequestsPerClient: 1,
  });
  try {
    const { url, method, headers, body } = outgoing;
    const response = await request(url, { dispatcher: agent, method, headers: { ...headers }, body, signal });
    return await read({ status: response.statusCode, headers: plainHeaders(response.headers), body: response.body });
  } finally {
    await agent.destroy();
  }
}

/**
 * What went wrong with an exchange, as TLS or `unreachable`; TaskFailures and faults of our own come back as they are.
 * `where` is for the message.
 */
export function explainExchange(thrown: unknown, where: string, unreachable = "UNAVAILABLE"): unknown {
  if (thrown instanceof TaskFailure) return thrown;
  const code = errorCode(thrown);
  if (isTlsProblem(code)) return tlsFailure(thrown, where, code);
  // What undici throws has a code, but for some answers that are no HTTP.
  if (code !== "" || (thrown instanceof Error && thrown.name === "HTTPParserError")) {
    return new TaskFailure(
      {
        code: unreachable,
        message: `${where} did not get through: ${reason(thrown)}. Check that the address is right and that the other side is up.`,
        ...(code === "" ? {} : { details: { code } }),
      },
      { cause: thrown },
    );
  }
  return thrown;
}

/** A code of Node or OpenSSL that says that the other side's certificate or its TLS is not to be trusted. */
export function isTlsProblem(code: string): boolean {
  return /^(CERT_|ERR_TLS_|ERR_SSL_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|HOSTNAME_MISMATCH|EPROTO)/.test(code);
}

export function tlsFailure(thrown: unknown, where: string, code: string): TaskFailure {
  return new TaskFailure(
    {
      code: "TLS",
      message: `${where} has no trustworthy TLS connection: ${messageOf(thrown)} (${code}). Give the other side a valid certificate, or add its authority with NODE_EXTRA_CA_CERTS.`,
      final: true,
    },
    { cause: thrown },
  );
}

/** Name resolution cannot be called off; nobody waits for it any longer. */
export async function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  const stop = (): void => reject(signal.reason as Error);
  signal.addEventListener("abort", stop, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** A URL for messages and history: queries often hold tokens. */
export function shown(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

/** Answers with the addresses that were checked, whatever name is asked for. */
export function pinned(addresses: readonly [Address, ...Address[]]): LookupFunction {
  return (_host, options, callback) => {
    if (options.all === true)
      callback(
        null,
        addresses.map(({ address, family }) => ({ address, family })),
      );
    else callback(null, addresses[0].address, addresses[0].family);
  };
}

export function errorCode(thrown: unknown): string {
  const found = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
  if (typeof found === "string") return found;
  return thrown instanceof AggregateError ? errorCode(thrown.errors[0]) : "";
}

function reason(thrown: unknown): string {
  const first: unknown = thrown instanceof AggregateError ? thrown.errors[0] : thrown;
  return messageOf(first) || errorCode(thrown);
}

function plainHeaders(headers: Dispatcher.ResponseData["headers"]): Readonly<Record<string, string>> {
  const plain: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) if (value !== undefined) plain[name] = [value].flat().join(", ");
  return plain;
}
