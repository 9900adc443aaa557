import type { Presented } from "./presented.ts";
import { Refused } from "./refused.ts";

/** Ports of one host share their cookies, so that each server has a name of its own. */
function cookieName(url: URL): string {
  return `maestro_session_${url.port === "" ? "80" : url.port}`;
}

/** For a browser on this machine: no script reads it, and no other site sends it. */
export function sessionCookie(url: URL, token: string, lastsMs: number): string {
  return `${cookieName(url)}=${token}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${Math.floor(lastsMs / 1000)}`;
}

export function forgottenCookie(url: URL): string {
  return `${cookieName(url)}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0`;
}

/**
 * The session's token in a request of a page of ours, or of the browser's own address line. A page on another port is the
 * same site, and SameSite lets its requests have the cookie; so a request must say where it comes from. Throws Refused.
 */
export function sessionOfCookie(request: Presented): string | undefined {
  const name = cookieName(new URL(request.url));
  const cookies = (request.headers.get("cookie") ?? "").split(";").map((part) => part.trim().split("="));
  const found = cookies.filter(([key]) => key === name);
  const token = found[0]?.[1];
  if (token === undefined || token === "") return undefined;
  // Somebody else has put one beside it.
  if (found.length > 1 || !isOwnPage(request)) throw new Refused("foreign_page");
  return token;
}

function isOwnPage(request: Presented): boolean {
  const site = request.headers.get("sec-fetch-site");
  if (site === "same-origin") return true;
  if (site === "none") return request.method === "GET";
  const origin = URL.parse(request.headers.get("origin") ?? "");
  return site === null && origin !== null && origin.host === request.headers.get("host");
}
