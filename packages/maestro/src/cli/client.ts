import { errorOf } from "../api/respond.ts";
import { SOCKET_ORIGIN } from "../api/socket.ts";
import type { JsonValue } from "../core/json.ts";
import { MaestroError, messageOf } from "../core/problem.ts";
import { openLink } from "./link.ts";
import type { ConnectOptions, Link } from "./link.ts";

/** A whole answer. */
export interface Answer {
  readonly bytes: Uint8Array;
  readonly headers: Headers;
}

/**
 * Speaks to the control plane of a data directory, wherever it is. What only reads is asked again when the process that
 * answered goes away; what changes something is asked again only where it certainly did not arrive.
 */
export class Client {
  readonly #options: ConnectOptions;
  #link: Link;

  private constructor(options: ConnectOptions, link: Link) {
    this.#options = options;
    this.#link = link;
  }

  /** Errors: `data_locked`, `server_unreachable`, and those of opening a control plane. */
  static async connect(options: ConnectOptions): Promise<Client> {
    return new Client(options, await openLink(options));
  }

  /** True where the engine lives in this process and stops with it. */
  get isEngine(): boolean {
    return this.#link.plane !== undefined;
  }

  /** The answer, its body still to come, if it is a good one; else the MaestroError it describes. */
  async fetch(path: string, init: RequestInit = {}): Promise<Response> {
    for (let tries = 1; ; tries++) {
      try {
        const response = await this.#link.handle(new Request(new URL(path, SOCKET_ORIGIN), init));
        if (response.ok) return response;
        throw errorOf(response.status, parseJson(await response.text()));
      } catch (error) {
        if (error instanceof MaestroError || init.signal?.aborted === true) throw error;
        if (tries >= MAX_TRIES || !neverArrived(error)) throw this.#broken(error);
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
        if (broken.code !== "server_unreachable" || tries >= MAX_TRIES) throw broken;
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
    const headers = { "content-type": "application/json" };
    const response = await this.fetch(path, { method, body: JSON.stringify(body), headers });
    try {
      return (await response.json()) as T;
    } catch (error) {
      throw this.#broken(error);
    }
  }

  /** After the other process has gone: finds its successor, or takes over here. */
  async reconnect(): Promise<void> {
    if (this.#link.plane !== undefined) return;
    this.#link = await openLink(this.#options);
  }

  /** Hands back what runs here, if anything does, and ends. */
  async close(): Promise<void> {
    await this.#link.close();
  }

  #broken(error: unknown): MaestroError {
    return new MaestroError(
      "server_unreachable",
      `The connection to the engine of ${this.#options.dataDir} broke: ${messageOf(error)}`,
      { cause: error, fix: "Look at what came of it (`maestro runs`, `maestro show ID`) before trying again." },
    );
  }
}

/** Commands come and go, and each may have been the engine for a moment. */
const MAX_TRIES = 10;

/** Nobody was listening, so nothing can have been done. */
function neverArrived(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "ENOENT" || code === "ECONNREFUSED";
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
