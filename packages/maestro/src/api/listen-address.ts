import { isIP } from "node:net";
import { MaestroError, messageOf } from "../core/problem.ts";

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

/** Why nobody listens there, as `address_unusable`. `fix`: of a server that cannot do without. */
export function addressUnusable(
  { host, port }: ListenAddress,
  error: NodeJS.ErrnoException,
  fix?: string,
): MaestroError {
  const place = `${host}:${port}`;
  const options = { cause: error, facts: { address: place }, ...(fix === undefined ? {} : { fix }) };
  switch (error.code) {
    case "EADDRINUSE":
      return new MaestroError("address_unusable", `Another process listens on ${place} already.`, options);
    case "EACCES":
      return new MaestroError("address_unusable", `This user may not listen on ${place}.`, {
        ...options,
        fix: "Choose a port above 1023 with `--listen HOST:PORT`.",
      });
    default:
      return new MaestroError(
        "address_unusable",
        `Listening on ${place} is not possible: ${messageOf(error)}`,
        options,
      );
  }
}
