import { setTimeout as sleep } from "node:timers/promises";
import { REQUEST_ID } from "../api/request-id.ts";
import { errorOf } from "../api/respond.ts";
import { SentRequest } from "../api/sent-request.ts";
import type { SentInit } from "../api/sent-request.ts";
import { SOCKET_ORIGIN } from "../api/socket.ts";
import type { JsonValue } from "../core/json.ts";
import { MaestroError, messageOf } from "../core/problem.ts";
import type { TraceContext } from "../core/trace-context.ts";
import { openLink } from "./link.ts";
import type { ConnectOptions, Link } from "./link.ts";
import type { Target } from "./target.ts";

/** A whole answer. */
export interface Answer {
  readonly bytes: Uint8Array;
  readonly headers: Headers;
}

/**
 * Speaks to a control plane: that of a data directory, wherever it is, or one by its URL. What only reads is asked again when the process that
 * answered goes away; what changes something is asked again only where it certainly did not arrive.
 */
export class Client {
  readonly #way: Way;
  #link: Link;
  /** Two that took over would not know of each other, and only one of them would be closed. */
  #opening: Promise<void> | undefined;
  /** The trace that this command belongs to; runs that it starts do as well. */
  trace: TraceContext | undefined;
  /** The correlation id of who calls it, if there is one. */
  requestId: string | undefined;

  private constructor(way: Way, link: Link) {
    this.#way = way;
    this.#link = link;
  }

  /** Errors: `data_locked`, `server_unreachable`, and those of opening a control plane. */
  static async connect(options: ConnectOptions): Promise<Client> {
    const way: Way = { open: () => openLink(options), place: `the engine of ${options.dataDir}`, remote: undefined };
    return new Client(way, await way.open());
  }

  /** Sends nothing yet. Errors: `token_unusable`. */
  static async connectTo(target: Extract<Target, { readonly kind: "server" }>): Promise<Client> {
    const remote = await import("./remote.ts");
    const handle = await remote.remoteTransport(target);
    const link: Link = { handle, plane: undefined, network: undefined, close: () => Promise.resolve() };
    const way: Way = {
      // A server that restarts is back in a moment, or not.
      open: () => sleep(REMOTE_PAUSE_MS, link),
      place: `the control plane at ${target.server.value}`,
      remote: (error) => (error.code === "unauthorized" ? remote.notAccepted(target, error) : error),
    };
    return new Client(way, link);
  }

  /** It is another machine's, for all we know: it has its own files and folders. */
  get isRemote(): boolean {
    return this.#way.remote !== undefined;
  }

  /** Where this process serves its engine on the network. */
  get url(): string | undefined {
    return this.#link.network?.url;
  }

  /** True where the engine lives in this process and stops with it. */
  get isEngine(): boolean {
    return this.#link.plane !== undefined;
  }

  /** The answer, its body still to come, if it is a good one; else the MaestroError it describes. */
  async fetch(path: string, init: SentInit = {}): Promise<Response> {
    for (let tries = 1; ; tries++) {
      try {
        const response = await this.#link.handle(new SentRequest(new URL(path, SOCKET_ORIGIN), init));
        if (response.ok) return response;
        const error = errorOf(response.status, parseJson(await response.text()));
        throw this.#way.remote?.(error) ?? error;
      } catch (error) {
        if (error instanceof MaestroError || init.signal?.aborted === true) throw error;
        if (tries >= this.#maxTries || !neverArrived(error)) throw this.#broken(error);
        await this.reconnect();
      }
    }
  }

  /** The whole answer to a GET, asked again when the connection breaks. */
  async read(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    for (let tries = 1; ; tries++) {
      try {
        const response = await this.fetch(path, { headers });
        return { bytes: new Uint8Array(await response.arrayBuffer()), headers: response.headers };
      } catch (error) {
        const broken = error instanceof MaestroError ? error : this.#broken(error);
        if (broken.code !== "server_unreachable" || tries >= this.#maxTries) throw broken;
        await this.reconnect();
      }
    }
  }

  /** T is what the route's description promises. */
  async get<T>(
    path: string,
    query: Readonly<Record<string, string | number | readonly string[] | undefined>> = {},
  ): Promise<T> {
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
      for (const one of value === undefined ? [] : Array.isArray(value) ? value : [value]) {
        parameters.append(name, String(one));
      }
    }
    const { bytes } = await this.read(parameters.size === 0 ? path : `${path}?${parameters.toString()}`);
    return JSON.parse(textOf(bytes)) as T;
  }

  async send<T>(method: "POST" | "PATCH", path: string, body: object): Promise<T> {
    const correlated = this.requestId === undefined ? {} : { [REQUEST_ID]: this.requestId };
    const headers = { "content-type": "application/json", ...correlated, ...this.trace };
    const response = await this.fetch(path, { method, body: JSON.stringify(body), headers });
    try {
      return (await response.json()) as T;
    } catch (error) {
      throw this.#broken(error);
    }
  }

  /** After the other process has gone: finds its successor, or takes over here. Once for all who notice it at the same time. */
  async reconnect(): Promise<void> {
    if (this.#link.plane !== undefined) return;
    this.#opening ??= this.#open();
    await this.#opening;
  }

  async #open(): Promise<void> {
    try {
      this.#link = await this.#way.open();
    } finally {
      this.#opening = undefined;
    }
  }

  /** Hands back what runs here, if anything does, and ends. */
  async close(): Promise<void> {
    await this.#link.close();
  }

  get #maxTries(): number {
    return this.isRemote ? MAX_REMOTE_TRIES : MAX_TRIES;
  }

  #broken(error: unknown): MaestroError {
    if (neverArrived(error)) {
      return new MaestroError("server_unreachable", `Nobody answers for ${this.#way.place}: ${messageOf(error)}`, {
        cause: error,
        fix: "Check the address and that `maestro up` runs there, or work on a data directory with --data DIR.",
      });
    }
    return new MaestroError("server_unreachable", `The connection to ${this.#way.place} broke: ${messageOf(error)}`, {
      cause: error,
      fix: "Look at what came of it (`maestro runs`, `maestro show ID`) before trying again.",
    });
  }
}

interface Way {
  open(): Promise<Link>;
  /** For sentences. */
  readonly place: string;
  /** Puts an error in the words of somebody who is not there. */
  readonly remote: ((error: MaestroError) => MaestroError) | undefined;
}

const MAX_REMOTE_TRIES = 3;
const REMOTE_PAUSE_MS = 250;

/** Commands come and go, and each may have been the engine for a moment. */
const MAX_TRIES = 10;

const NOT_THERE: ReadonlySet<string> = new Set([
  "ENOENT",
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
]);

/** Nobody was listening, so nothing can have been done. */
function neverArrived(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" && NOT_THERE.has(code);
}

export function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function parseJson(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text) as JsonValue;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
