import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { messageOf } from "../core/problem.ts";
import { addressKind, contains, parseRange, unmapped } from "./address.ts";
import type { AddressKind } from "./address.ts";
import { TaskFailure } from "./task.ts";

export interface Address {
  readonly address: string;
  readonly family: 4 | 6;
}

/** Names to addresses. May reject; answers at most a few dozen. */
export type Resolve = (host: string) => Promise<readonly Address[]>;

/** As the rest of this machine resolves names, `/etc/hosts` included. */
export const systemResolve: Resolve = async (host) => {
  const found = await lookup(host, { all: true, verbatim: true });
  return found.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 }));
};

/**
 * The addresses that a request to `url` may connect to: each of them was checked, and no name is resolved again afterwards, so a
 * name that changes its mind (DNS rebinding) gains nothing. Fails with BLOCKED_ADDRESS (final) or UNAVAILABLE (no such name).
 */
export async function admit(
  url: URL,
  rules: { readonly resolve: Resolve; readonly allowPrivate: readonly string[] },
): Promise<readonly [Address, ...Address[]]> {
  const problem = urlProblem(url);
  if (problem !== undefined) throw new TaskFailure({ code: "BLOCKED_ADDRESS", message: problem, final: true });
  return admitHost(url.hostname.replace(/^\[|\]$/g, ""), rules);
}

/** The same for a host by name or address, whatever is spoken there. */
export async function admitHost(
  host: string,
  rules: { readonly resolve: Resolve; readonly allowPrivate: readonly string[] },
): Promise<readonly [Address, ...Address[]]> {
  const addresses =
    isIP(host) === 0
      ? await resolveName(host, rules.resolve)
      : [{ address: host, family: isIP(host) === 6 ? 6 : 4 } as const];
  const [first, ...rest] = addresses.filter(({ address }) => isAllowed(host, address, rules.allowPrivate));
  if (first !== undefined) return [first, ...rest];
  const blocked = addresses[0]?.address ?? host;
  const kind = addressKind(blocked);
  const what = blocked === host ? blocked : `${host} is ${blocked}, and that`;
  throw new TaskFailure({
    code: "BLOCKED_ADDRESS",
    message: `${what} is ${article(kind)} address, which no task calls unless it is told to. If it is meant, list ${needsAddress(kind) || blocked === host ? `"${blocked}"` : `"${host}"`} under \`allowPrivate\`.`,
    final: true,
    details: { host, address: blocked, kind },
  });
}

/** What is wrong with a URL itself, whatever it resolves to. */
export function urlProblem(url: URL): string | undefined {
  if (url.protocol !== "http:" && url.protocol !== "https:")
    return `${url.protocol}// is not called: use http:// or https://.`;
  if (url.username !== "" || url.password !== "")
    return `the URL of ${url.host} holds a user name or password, which would end in the history of the run. Use a header.`;
  return undefined;
}

/** What is wrong with an entry of `allowPrivate`. */
export function allowanceProblem(entry: string): string | undefined {
  if (parseRange(entry) !== undefined) return undefined;
  if (entry.includes("/") || entry.includes(":") || !/^[A-Za-z0-9_.-]{1,253}$/.test(entry) || /^[0-9.]+$/.test(entry)) {
    return `${JSON.stringify(entry)} is neither a host name nor an address nor a range such as 10.0.0.0/8`;
  }
  return undefined;
}

function isAllowed(host: string, address: string, allowPrivate: readonly string[]): boolean {
  const kind = addressKind(address);
  if (kind === null) return true;
  return allowPrivate.some((entry) => {
    const range = parseRange(entry);
    if (range !== undefined) return contains(range, unmapped(address));
    // A name is trusted with a place in somebody's network, but not with what only this machine's cloud should see.
    return !needsAddress(kind) && plainName(entry) === plainName(host);
  });
}

/** Kinds that a host name cannot open: they must be allowed by address. */
function needsAddress(kind: AddressKind): boolean {
  return (
    kind === "link-local" ||
    kind === "cloud metadata" ||
    kind === "multicast" ||
    kind === "unspecified" ||
    kind === "reserved"
  );
}

function plainName(host: string): string {
  return host.toLowerCase().replace(/\.$/, "");
}

async function resolveName(host: string, resolve: Resolve): Promise<readonly Address[]> {
  let addresses: readonly Address[];
  try {
    addresses = await resolve(host);
  } catch (cause) {
    throw new TaskFailure(
      {
        code: "UNAVAILABLE",
        message: `${host} could not be resolved to an address: ${messageOf(cause)}. Check the name and this machine's DNS.`,
      },
      { cause },
    );
  }
  if (addresses.length === 0)
    throw new TaskFailure({
      code: "UNAVAILABLE",
      message: `${host} has no address. Check the name and this machine's DNS.`,
    });
  return addresses;
}

function article(kind: AddressKind): string {
  return `${kind === "unspecified" ? "an" : "a"} ${kind ?? "blocked"}`;
}
