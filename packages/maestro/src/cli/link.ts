import { stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { ownerCaller } from "../identity/caller.ts";
import type { App } from "../api/app.ts";
import type { Transport, Handler } from "../api/http.ts";
import type { ListenAddress } from "../api/listen-address.ts";
import type { NetworkServer } from "../api/listen.ts";
import { SentRequest } from "../api/sent-request.ts";
import { SOCKET_ORIGIN, serveSocket, socketTransport, socketPath } from "../api/socket.ts";
import type { ControlSocket } from "../api/socket.ts";
import { MaestroError, messageOf } from "../core/problem.ts";
import type { ControlPlane, ControlPlaneOptions, EngineLog } from "../serve.ts";

export interface ConnectOptions {
  readonly dataDir: string;
  readonly passphrase?: string;
  /** What others know an engine in this process by as the issuer of tokens. */
  readonly issuer?: string;
  /**
   * What the command needs where no engine is running: `work` carries runs on for as long as the command lasts,
   * `look` reads and records but starts nothing, so that a short command does not begin what it cannot finish.
   */
  readonly need: "look" | "work";
  /** How long a lock may be held by an engine that does not answer, because it starts or hands back; default 15 s. */
  readonly patienceMs?: number;
  /** An engine in this process is served there as well, to whoever has the token of the data directory. */
  readonly listen?: ListenAddress;
  /** A folder of manifests that an engine in this process keeps up with. */
  readonly manifests?: NonNullable<ControlPlaneOptions["manifests"]>;
  /** Told when the ledger of an engine in this process is not the one that was signed. */
  readonly broken?: NonNullable<ControlPlaneOptions["broken"]>;
  /** What an engine in this process has to tell its operator. */
  readonly log?: EngineLog;
  readonly logLevel?: NonNullable<ControlPlaneOptions["logLevel"]>;
  /** Where an engine in this process sends its spans. */
  readonly otlp?: string;
}

/** A way to the control plane of a data directory: another process's, or `plane` of our own. */
export interface Link {
  readonly handle: Transport;
  readonly plane: ControlPlane | undefined;
  /** Where this process serves the plane on the network. */
  readonly network: NetworkServer | undefined;
  close(): Promise<void>;
}

const PATIENCE_MS = 15_000;
const LOOK_EVERY_MS = 25;

/**
 * The engine that another process holds, through its socket, or one in this process, which then answers others on the
 * socket too. Errors: `data_locked`, `server_unreachable`, `storage_failed`, and those of opening a control plane.
 */
export async function openLink(options: ConnectOptions): Promise<Link> {
  const path = socketPath(options.dataDir);
  const handle = socketTransport(path);
  const patienceMs = options.patienceMs ?? PATIENCE_MS;
  const deadline = Date.now() + patienceMs;
  for (;;) {
    const who = await ask(handle, patienceMs, options.dataDir);
    // An engine that starts nothing belongs to a short command; whoever has work waits until it is gone.
    const useful = who === "working" || (who === "passive" && (options.need === "look" || Date.now() > deadline));
    if (useful) return { handle, plane: undefined, network: undefined, close: () => Promise.resolve() };
    if (who === "nobody") {
      const opened = await tryOpen(options, path);
      if ("plane" in opened) return opened;
      // Somebody else was faster and will answer in a moment, or is on its way out.
      if (Date.now() > deadline) throw stillLocked(options.dataDir, path, opened.locked);
    }
    await sleep(LOOK_EVERY_MS);
  }
}

/** On every answer of an engine that starts nothing. */
const PASSIVE_HEADER = "maestro-passive";

async function ask(handle: Transport, patienceMs: number, dataDir: string): Promise<"working" | "passive" | "nobody"> {
  try {
    const response = await handle(
      new SentRequest(`${SOCKET_ORIGIN}/v1/health`, { signal: AbortSignal.timeout(patienceMs) }),
    );
    await response.arrayBuffer();
    if (!response.ok) return "nobody";
    return response.headers.has(PASSIVE_HEADER) ? "passive" : "working";
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "EACCES" || code === "EPERM") {
      await seeInto(dataDir);
      throw new MaestroError("server_unreachable", `This user may not open the control socket: ${messageOf(error)}`, {
        cause: error,
      });
    }
    // Nobody listens (ENOENT, ECONNREFUSED), or not any more (ECONNRESET), or a process that hangs (a timeout): the lock decides.
    return "nobody";
  }
}

/** Of a folder that is closed it is not known whether there is a socket. Errors: `storage_failed`. */
async function seeInto(path: string): Promise<void> {
  try {
    // As whom this process acts; `access` would ask for whom it was started.
    await stat(`${path}/.`);
  } catch (error) {
    throw new MaestroError("storage_failed", `This user may not open the data directory ${path}: ${messageOf(error)}`, {
      fix: "Name one of your own with `--data DIR` or MAESTRO_DATA, or call it as the user whose it is.",
      facts: { path },
      cause: error,
    });
  }
}

async function tryOpen(options: ConnectOptions, path: string): Promise<Link | { readonly locked: MaestroError }> {
  try {
    return await openHere(options, path);
  } catch (error) {
    if (error instanceof MaestroError && error.code === "data_locked") return { locked: error };
    throw error;
  }
}

/** What still runs when a command ends gets this long; the rest is handed back and tried again by the next engine. */
const GRACE_MS = 2000;

async function openHere(options: ConnectOptions, path: string): Promise<Link> {
  const { dataDir, passphrase, issuer, need, log, logLevel, otlp, listen, manifests, broken } = options;
  const { openControlPlane } = await import("../serve.ts");
  const passive = need === "look";
  const plane = await openControlPlane({
    dataDir,
    passive,
    ...(passphrase === undefined ? {} : { passphrase }),
    ...(issuer === undefined ? {} : { issuer }),
    ...(log === undefined ? {} : { log }),
    ...(logLevel === undefined ? {} : { logLevel }),
    ...(otlp === undefined ? {} : { otlp }),
    ...(manifests === undefined ? {} : { manifests }),
    ...(broken === undefined ? {} : { broken }),
  });
  const app: App = async (request, caller) => {
    const response = await plane.handle(request, caller);
    if (passive) response.headers.set(PASSIVE_HEADER, "true");
    return response;
  };
  // Whoever can open the socket is the user of the data directory.
  const owner = ownerCaller(plane.owner.id, "socket");
  const handle: Handler = async (request) => app(request, owner);
  const servers: (ControlSocket | NetworkServer)[] = [];
  let network: NetworkServer | undefined;
  try {
    servers.push(await serveSocket(path, handle));
    if (listen !== undefined) {
      servers.push((network = await openNetwork(plane, dataDir, listen, app)));
      plane.listens(network.url);
    }
  } catch (error) {
    for (const server of servers) await server.close(0);
    await plane.close();
    throw error;
  }
  return {
    handle,
    plane,
    network,
    async close() {
      // These first: closing the socket removes its file, which must not be a successor's. Who watches looks for the next engine.
      await Promise.all(servers.map((server) => server.close(GRACE_MS)));
      await plane.close(GRACE_MS);
    },
  };
}

async function openNetwork(
  plane: ControlPlane,
  dataDir: string,
  address: ListenAddress,
  handle: App,
): Promise<NetworkServer> {
  // Most commands open no port; what it takes is loaded by the one that does.
  const { serveNetwork } = await import("../api/listen.ts");
  const { loadNetworkSettings } = await import("../api/network-settings.ts");
  const settings = await loadNetworkSettings(dataDir);
  return serveNetwork({ address, authenticate: await plane.authenticate(), handle, settings });
}

function stillLocked(dataDir: string, path: string, cause: MaestroError): MaestroError {
  return new MaestroError("data_locked", `Another process holds ${dataDir}, but nobody answers on ${path}.`, {
    cause,
    facts: { ...cause.facts, dataDir, socket: path },
    fix: "Wait until that process has ended, or end it, or choose another directory with --data.",
  });
}
