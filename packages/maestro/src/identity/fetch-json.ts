import { isJsonObject } from "../core/json.ts";
import type { JsonObject } from "../core/json.ts";
import { messageOf } from "../core/problem.ts";
import { parseStrict } from "../core/strict-json.ts";

export const FETCH_LIMITS = { bytes: 512 * 1024, ms: 5_000 } as const;

/** A JSON object from a provider, without redirects, within limits. Rejects with an Error whose message says what was wrong. */
export async function fetchJson(
  url: string,
  limits: Readonly<Record<keyof typeof FETCH_LIMITS, number>>,
): Promise<JsonObject> {
  const signal = AbortSignal.timeout(limits.ms);
  try {
    const response = await fetch(url, { redirect: "error", signal, headers: { accept: "application/json" } });
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new Error(`HTTP status ${response.status}`);
    }
    const value = parseStrict(await textOf(response, limits.bytes));
    if (!isJsonObject(value)) throw new Error("the answer is no object of JSON");
    return value;
  } catch (error) {
    throw new Error(`${url}: ${signal.aborted ? `no whole answer in ${limits.ms / 1000} s` : whyOf(error)}`, {
      cause: error,
    });
  }
}

async function textOf(response: Response, max: number): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of response.body ?? []) {
    size += part.byteLength;
    if (size > max) throw new Error(`the answer is larger than ${max} bytes`);
    parts.push(part);
  }
  return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(parts));
}

/** `fetch failed` says nothing; what it was is in the cause. */
function whyOf(error: unknown): string {
  return error instanceof TypeError && error.cause instanceof Error ? messageOf(error.cause) : messageOf(error);
}
