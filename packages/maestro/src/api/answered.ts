import { partsOf } from "./stream.ts";
import { LIVE_HEADER } from "./http.ts";

/** How many answers are open that go on until somebody leaves. */
export interface OpenStreams {
  streams: number;
}

/** The same answer, counted for as long as it goes on; any other is over already. */
export function countStream(response: Response, open: OpenStreams): Response {
  if (!response.headers.has(LIVE_HEADER) || response.body === null) return response;
  open.streams += 1;
  return new Response(counted(response.body, open), { status: response.status, headers: response.headers });
}

function counted(body: ReadableStream<Uint8Array>, open: OpenStreams): ReadableStream<Uint8Array> {
  const gone = new AbortController();
  const parts = partsOf(body, gone.signal);
  let left = false;
  let isRead = false;
  const leave = (): void => {
    if (!left) open.streams -= 1;
    left = true;
  };
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        isRead = true;
        try {
          const part = await parts.next();
          if (part.done !== true) return controller.enqueue(part.value);
          leave();
          controller.close();
        } catch (error) {
          leave();
          controller.error(error);
        }
      },
      async cancel() {
        leave();
        gone.abort();
        await parts.return(undefined);
        // A generator that was never asked for anything has nothing to tidy up, and its stream would go on.
        if (!isRead) await body.cancel();
      },
    },
    { highWaterMark: 0 },
  );
}
