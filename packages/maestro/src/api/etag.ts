import { sha256 } from "../core/digest.ts";
import type { ApiRequest } from "./api-request.ts";
import { HeaderList } from "./header-list.ts";
import { WholeResponse } from "./whole.ts";

/** The answer with a strong entity tag of its bytes. Whether the client has them is looked at when nothing more is hidden in it: `notModified`. */
export async function tagged(response: Response): Promise<Response> {
  const text = await response.text();
  const headers = new HeaderList(response.headers);
  headers.set("etag", `"${sha256(text).slice("sha256:".length, "sha256:".length + 32)}"`);
  return new WholeResponse(text, { status: response.status, headers });
}

/** 304 without the bytes where the client has them already (RFC 9110, 13.1.2), else the answer. */
export function notModified(request: ApiRequest, response: Response): Response {
  const tag = response.headers.get("etag");
  if (request.method !== "GET" || response.status !== 200 || tag === null || !isKnown(request, tag)) return response;
  const headers = new HeaderList(response.headers);
  headers.delete("content-type");
  return new WholeResponse(null, { status: 304, headers });
}

/** Of what never changes under its digest: 304 without the bytes where the client has them, else nothing. */
export function unchanged(request: ApiRequest, digest: string): Response | undefined {
  return isKnown(request, tagOf(digest))
    ? new WholeResponse(null, { status: 304, headers: { etag: tagOf(digest) } })
    : undefined;
}

export function tagOf(digest: string): string {
  return `"${digest}"`;
}

/** For a route's table of headers. */
export const IF_NONE_MATCH = {
  name: "if-none-match",
  description: "The `ETag` of an earlier answer: 304 where nothing changed.",
} as const;

function isKnown(request: ApiRequest, tag: string): boolean {
  const known = request.headers.get("if-none-match")?.split(",") ?? [];
  // The comparison for a GET is the weak one: a proxy may have put `W/` before ours.
  return known.some((one) => one.trim() === "*" || one.trim().replace(/^W\//, "") === tag);
}
