import { isIP } from "node:net";
import { MaestroError } from "../core/problem.ts";

const DEFAULT_PORT = 7717;

export interface ListenAddress {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
}

/** `HOST:PORT`, `[IPV6]:PORT`, `HOST` or `:PORT`. Errors: `invalid_request`. */
export function parseListen(text: string): ListenAddress {
  const match = /^(?:\[([0-9A-Fa-f:.%]+)\]|([^:[\]\s/]*))(?::(\d{1,5})?)?$/.exec(text);
  const host = match?.[1] ?? match?.[2] ?? "";
  const port = match?.[3] === undefined ? DEFAULT_PORT : Number(match[3]);
  if (match === null || port > 65_535 || (match[1] !== undefined && isIP(host) !== 6)) {
    throw new MaestroError("invalid_request", `${JSON.stringify(text)} is not an address to listen on.`, {
      fix: "Write HOST:PORT, such as 127.0.0.1:7717 or [::1]:7717; port 0 takes any that is free.",
    });
  }
  return { host: host === "" ? "127.0.0.1" : host.toLowerCase(), port };
}

/** Whether only this machine can connect to it. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}
