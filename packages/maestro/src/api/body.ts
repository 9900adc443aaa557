import type { JsonValue } from "../core/json.ts";
import { MaestroError, messageOf } from "../core/problem.ts";
import { parseStrict } from "../core/strict-json.ts";
import type { ApiRequest } from "./api-request.ts";

/** No value of the API is nested deeper; canonical JSON would refuse it later and less politely. */
const MAX_DEPTH = 100;

/** The body as JSON, `{}` when there is none. Errors: `payload_too_large`, `invalid_request`. */
export async function readJsonBody(request: ApiRequest, maxBytes: number): Promise<JsonValue> {
  const bytes = await readBytes(request, maxBytes);
  if (bytes.length === 0) return {};
  const type = request.headers.get("content-type") ?? "";
  // Also a defence: a web page cannot send this type to another origin without asking first.
  if (!/^application\/([a-z0-9.-]+\+)?json\b/i.test(type)) {
    throw new MaestroError(
      "unsupported_media_type",
      `The body's content type is ${type === "" ? "missing" : JSON.stringify(type)}; this operation takes application/json.`,
    );
  }
  return parse(bytes);
}

async function readBytes(request: ApiRequest, maxBytes: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const part of request.body ?? []) {
      size += part.byteLength;
      if (size > maxBytes)
        throw new MaestroError("payload_too_large", `The body is larger than ${maxBytes} bytes.`, {
          facts: { limit: maxBytes },
        });
      parts.push(part);
    }
  } catch (error) {
    if (error instanceof MaestroError) throw error;
    // Its sender has gone: no fault of ours, and nobody is left to read this.
    throw new MaestroError("invalid_request", "The body ended before it was complete.", { cause: error });
  }
  return Buffer.concat(parts);
}

function parse(bytes: Uint8Array): JsonValue {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    const value = parseStrict(text, { depth: MAX_DEPTH });
    if (/__proto__|\\u/.test(text)) refuseProto(value);
    return value;
  } catch (error) {
    if (error instanceof MaestroError) throw error;
    throw new MaestroError("invalid_request", `The body is not sound JSON in UTF-8: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** A member of that name becomes an object's prototype in careless hands; no request of ours has one. */
function refuseProto(root: JsonValue): void {
  const stack: JsonValue[] = [root];
  for (let value = stack.pop(); value !== undefined; value = stack.pop()) {
    if (typeof value !== "object" || value === null) continue;
    if (Object.hasOwn(value, "__proto__"))
      throw new MaestroError("invalid_request", "The body has a member named __proto__, which is refused.");
    for (const member of Object.values(value)) stack.push(member);
  }
}
