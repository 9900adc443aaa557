import { setTimeout as sleep } from "node:timers/promises";
import { errorOf } from "../api/respond.ts";
import type { Handler } from "../api/http.ts";
import { SOCKET_ORIGIN, serveSocket, socketHandler, socketPath } from "../api/socket.ts";
import type { ControlSocket } from "../api/socket.ts";
import type { JsonValue } from "../core/json.ts";
import { MaestroError, messageOf } from "../core/problem.ts";
import type { ControlPlane, EngineLog } from "../serve.ts";

export interface ConnectOptions {
  readonly dataDir: string;
  readonly passphrase?: string;
  /**
   * What the command needs where no engine is running: `work` carries runs on for as long as the command lasts,
   * `look` reads and records but starts nothing, so that a short command does not begin what it cannot finish.
   */
  readonly need: "look" | "work";
  /** How long a lock may be held by an engine that does not answer, because it starts or hands back; default 15 s. */
  readonly patienceMs?: number;
  /** What an engine in this process has to tell its operator. */
  readonly log?: EngineLog;
}

/**
 * A control plane to speak to: the one that another process holds for this data directory, through its socket, or one
 * of our own in this process, which then answers others on the socket too.
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

  /** The answer, if it is a good one; else the MaestroError it describes. Errors: `server_unreachable`, and the API's. */
  async fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const response = await this.#send(new Request(new URL(path, SOCKET_ORIGIN), init));
    if (response.ok) return response;
    throw errorOf(response.status, await readJson(response));
  }

  /** T is what the route's description promises. */
  async get<T>(
    path: string,
    query: Readonly<Record<string, string | number | readonly string[] | undefined>> = {},
  ): Promise<T> {
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
      for (const one of value === undefined ? [] : Array.isArray(value) ? value : [value])
        parameters.append(name, String(one));
    }
    const response = await this.fetch(parameters.size === 0 ? path : `${path}?${parameters.toString()}`);
    return (await response.json()) as T;
  }

  async send<T>(method: "POST" | "PATCH", path: string, body: object): Promise<T> {
    const response = await this.fetch(path, {
      method,
      body: JSON.stringify(body),
      headers: { "content-type": "application/json" },
    });
    return (await response.json()) as T;
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

  async #send(request: Request): Promise<Response> {
    try {
      return await this.#link.handle(request);
    } catch (error) {
      if (error instanceof MaestroError || request.signal.aborted) throw error;
      throw new MaestroError(
        "server_unreachable",
        `The connection to the engine of ${this.#options.dataDir} broke: ${messageOf(error)}`,
        { cause: error },
      );
    }
  }
}

interface Link {
  readonly handle: Handler;
  readonly plane: ControlPlane | undefined;
  close(): Promise<void>;
}

const PATIENCE_MS = 15_000;
const LOOK_EVERY_MS = 50;

async function openLink(options: ConnectOptions): Promise<Link> {
  const path = socketPath(options.dataDir);
  const handle = socketHandler(path);
  const patienceMs = options.patienceMs ?? PATIENCE_MS;
  const deadline = Date.now() + patienceMs;
  for (;;) {
    if (await answers(handle, patienceMs)) return { handle, plane: undefined, close: () => Promise.resolve() };
    try {
      return await openHere(options, path);
    } catch (error) {
      if (!(error instanceof MaestroError) || error.code !== "data_locked") throw error;
      // Somebody else was faster and will answer in a moment, or is on its way out.
      if (Date.now() > deadline) throw stillLocked(options.dataDir, path, error);
      await sleep(LOOK_EVERY_MS);
    }
  }
}

async function answers(handle: Handler, patienceMs: number): Promise<boolean> {
  try {
    const response = await handle(
      new Request(`${SOCKET_ORIGIN}/v1/health`, { signal: AbortSignal.timeout(patienceMs) }),
    );
    await response.body?.cancel();
    return response.ok;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "EACCES" || code === "EPERM")
      throw new MaestroError("server_unreachable", `This user may not open the control socket: ${messageOf(error)}`, {
        cause: error,
      });
    // Nobody listens (ENOENT, ECONNREFUSED), or not any more (ECONNRESET), or a process that hangs (a timeout): the lock decides.
    return false;
  }
}

/** What still runs when a command ends gets this long; the rest is handed back and tried again by the next engine. */
const GRACE_MS = 2000;

async function openHere({ dataDir, passphrase, need, log }: ConnectOptions, path: string): Promise<Link> {
  const { openControlPlane } = await import("../serve.ts");
  const plane = await openControlPlane({
    dataDir,
    passive: need === "look",
    ...(passphrase === undefined ? {} : { passphrase }),
    ...(log === undefined ? {} : { log }),
  });
  let socket: ControlSocket;
  try {
    socket = await serveSocket(path, (request) => plane.handle(request));
  } catch (error) {
    await plane.close();
    throw error;
  }
  return {
    handle: (request) => plane.handle(request),
    plane,
    async close() {
      // The socket first: closing it removes its file, which must not be a successor's. Who watches looks for the next engine.
      await socket.close(0);
      await plane.close(GRACE_MS);
    },
  };
}

function stillLocked(dataDir: string, path: string, cause: MaestroError): MaestroError {
  return new MaestroError("data_locked", `Another process holds ${dataDir}, but nobody answers on ${path}.`, {
    cause,
    facts: { ...cause.facts, dataDir, socket: path },
    fix: "Wait until that process has ended, or end it (its id is in the lock file), or choose another directory with --data.",
  });
}

async function readJson(response: Response): Promise<JsonValue | undefined> {
  const text = await response.text();
  try {
    return JSON.parse(text) as JsonValue;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
