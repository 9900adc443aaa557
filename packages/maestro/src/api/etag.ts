import { sha256 } from "../core/digest.ts";
import { wholeResponse } from "./whole.ts";

/** The answer with a strong entity tag of its bytes; 304 without them where the client has them already (RFC 9110, 13.1.2). */
export async function tagged(request: Request, response: Response): Promise<Response> {
  const text = await response.text();
  const tag = `"${sha256(text).slice("sha256:".length, "sha256:".length + 32)}"`;
  const headers = new Headers(response.headers);
  headers.set("etag", tag);
  const known = request.headers.get("if-none-match")?.split(",") ?? [];
  // The comparison for a GET is the weak one: a proxy may have put `W/` before ours.
  if (known.some((one) => one.trim() === "*" || one.trim().replace(/^W\//, "") === tag)) {
    headers.delete("content-type");
    return new Response(null, { status: 304, headers });
  }
  return wholeResponse(text, { status: response.status, headers });
}
