/**
 * An answer that is complete when it is made. A server takes it as it is: reading it back from the stream that `Response`
 * makes of every body would cost 25 µs of the 150 that a small answer takes.
 */
export function wholeResponse(content: string | Uint8Array<ArrayBuffer>, init: ResponseInit): Response {
  const response = new Response(content, init);
  CONTENTS.set(response, content);
  return response;
}

/** Undefined where it comes piece by piece, or was not made here. */
export function contentOf(response: Response): string | Uint8Array<ArrayBuffer> | undefined {
  return CONTENTS.get(response);
}

const CONTENTS = new WeakMap<Response, string | Uint8Array<ArrayBuffer>>();
