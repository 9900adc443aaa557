import type { AddressInfo } from "node:net";
import { isIP } from "node:net";
import { createServer } from "../node-http.ts";
import type { App } from "./app.ts";
import { guarded } from "./guard.ts";
import type { Authenticate } from "./guard.ts";
import { answerFaults } from "./http-fault.ts";
import { addressUnusable } from "./listen-address.ts";
import type { ListenAddress } from "./listen-address.ts";
import { closeGently, nodeListener } from "./http.ts";
import { DEFAULT_NETWORK } from "./network-settings.ts";
import type { NetworkSettings } from "./network-settings.ts";
import { Rates } from "./rates.ts";
import { matchesTemplate } from "./route.ts";
import { ROUTES } from "./routes.ts";
import { Slots } from "./slots.ts";

/** What a server on a network takes; docs/reference/limits.md explains each. */
export interface NetworkLimits {
  readonly connections: number;
  readonly requests: number;
  readonly streams: number;
  readonly headerBytes: number;
  readonly headersMs: number;
  readonly requestMs: number;
  readonly idleMs: number;
  readonly stallMs: number;
  readonly proveMs: number;
}

export const NETWORK_LIMITS: NetworkLimits = {
  connections: 4_096,
  requests: 512,
  streams: 1_000,
  headerBytes: 16 * 1024,
  headersMs: 10_000,
  requestMs: 60_000,
  idleMs: 30_000,
  stallMs: 30_000,
  proveMs: 30_000,
};

export interface NetworkServer {
  /** As clients write it, with the port that was found. */
  readonly url: string;
  close(graceMs: number): Promise<void>;
}

/** Serves the handler over TCP to whoever is known. Errors: `address_unusable`. */
export async function serveNetwork(options: {
  readonly address: ListenAddress;
  readonly authenticate: Authenticate;
  readonly handle: App;
  readonly settings?: NetworkSettings;
  readonly limits?: Partial<NetworkLimits>;
}): Promise<NetworkServer> {
  const limits = { ...NETWORK_LIMITS, ...options.limits };
  const { host, port } = options.address;
  const closing = new AbortController();
  const server = createServer({
    maxHeaderSize: limits.headerBytes,
    headersTimeout: limits.headersMs,
    requestTimeout: limits.requestMs,
    keepAliveTimeout: limits.idleMs,
    connectionsCheckingInterval: Math.min(1000, limits.headersMs, limits.requestMs),
    // A client whose machine has gone answers no probe; nothing else would ever tell.
    keepAlive: true,
    keepAliveInitialDelay: 30_000,
    // The guard refuses it with a problem, where Node has no words.
    requireHostHeader: false,
  });
  answerFaults(server, limits.connections);
  await new Promise<void>((listening, failed) => {
    server.once("error", (error) => failed(addressUnusable(options.address, error)));
    server.listen(port, host, listening);
  });
  const origin = `http://${isIP(host) === 6 ? `[${host}]` : host}:${(server.address() as AddressInfo).port}`;
  const { rates, answerMs } = options.settings ?? DEFAULT_NETWORK;
  const handle = guarded(options.handle, {
    authenticate: options.authenticate,
    host,
    isOpen,
    rates: new Rates(rates),
    answerMs,
    proveMs: limits.proveMs,
  });
  server.on(
    "request",
    nodeListener(handle, {
      origin,
      closing: closing.signal,
      requests: new Slots(limits.requests),
      streams: new Slots(limits.streams),
      stallMs: limits.stallMs,
    }),
  );
  // It serves others while its owner works; it is no reason to stay.
  server.unref();
  return { url: origin, close: (graceMs) => closeGently(server, closing, graceMs) };
}

const OPEN = ROUTES.filter(({ access }) => access === null).map(({ path }) => path);
const OPEN_PATHS: ReadonlySet<string> = new Set(OPEN);
const OPEN_TEMPLATES = OPEN.filter((path) => path.includes("{"));

function isOpen(pathname: string): boolean {
  return OPEN_PATHS.has(pathname) || OPEN_TEMPLATES.some((template) => matchesTemplate(template, pathname));
}
