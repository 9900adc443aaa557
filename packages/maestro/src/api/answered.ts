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
  const leave = (): void => void (open.streams -= 1);
  return new Response(ending(response.body, new AbortController(), leave), {
    status: response.status,
    headers: response.headers,
  });
}

/** The same answer, which ends when whoever it goes to is nobody any more, or has become another: looked at every so often. */
export function whileAdmitted(response: Response, isStill: () => Promise<boolean>, everyMs: number): Response {
  if (!response.headers.has(LIVE_HEADER) || response.body === null) return response;
  const over = new AbortController();
  const look = (): void => {
    isStill().then(
      (still) => still || over.abort(),
      () => over.abort(),
    );
  };
  const timer = setInterval(look, everyMs).unref();
  return new Response(
    ending(response.body, over, () => clearInterval(timer)),
    { status: response.status, headers: response.headers },
  );
}

/** The stream until it ends, its reader leaves or `over` is aborted; `leave` is told once, whichever it was. */
function ending(
  body: ReadableStream<Uint8Array>,
  over: AbortController,
  leave: () => void,
): ReadableStream<Uint8Array> {
  const parts = partsOf(body, over.signal);
  let left = false;
  let isRead = false;
  const end = (): void => {
    if (!left) leave();
    left = true;
  };
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        isRead = true;
        try {
          const part = await parts.next();
          if (part.done !== true) return controller.enqueue(part.value);
          end();
          controller.close();
        } catch (error) {
          end();
          controller.error(error);
        }
      },
      async cancel() {
        end();
        over.abort();
        await parts.return(undefined);
        // A generator that was never asked for anything has nothing to tidy up, and its stream would go on.
        if (!isRead) await body.cancel();
      },
    },
    { highWaterMark: 0 },
  );
}
