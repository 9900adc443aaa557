import { messageOf } from "../../core/problem.ts";

export interface PostAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: Buffer;
}

/** Nobody answered, or not in time, or too much. The message says which. */
export class NoAnswer extends Error {}

/** What a witness or an authority answers has less. */
const MAX_ANSWER_BYTES = 64 * 1024;
const ANSWER_MS = 5_000;

/** POST within limits, without following anybody anywhere else. Throws NoAnswer. */
export async function post(
  url: string,
  type: string,
  body: string | Uint8Array,
  signal: AbortSignal,
): Promise<PostAnswer> {
  const late = AbortSignal.timeout(ANSWER_MS);
  try {
    const response = await fetch(url, {
      method: "POST",
      body: Buffer.from(body),
      headers: { "content-type": type },
      redirect: "error",
      signal: AbortSignal.any([signal, late]),
    });
    const parts: Uint8Array[] = [];
    let size = 0;
    for await (const part of response.body ?? []) {
      size += part.byteLength;
      if (size > MAX_ANSWER_BYTES) throw new Error(`it answers more than ${MAX_ANSWER_BYTES} bytes`);
      parts.push(part);
    }
    return { status: response.status, type: response.headers.get("content-type") ?? "", body: Buffer.concat(parts) };
  } catch (error) {
    const why = late.aborted ? `no whole answer in ${ANSWER_MS / 1000} s` : whyOf(error);
    throw new NoAnswer(`${url}: ${why}`, { cause: error });
  }
}

/** `fetch failed` says nothing; what it was is in the cause. */
function whyOf(error: unknown): string {
  return error instanceof TypeError && error.cause instanceof Error ? messageOf(error.cause) : messageOf(error);
}
