/** One message of a `text/event-stream` (HTML standard, 9.2). */
export interface SseMessage {
  readonly id: string;
  readonly event: string;
  /** One or more lines. */
  readonly data: string;
}

/** Comments while nothing happens: they keep proxies from closing the stream and tell a reader that we live. */
const PING_MS = 15_000;

/**
 * The messages as bytes, pulled as fast as the reader reads, with a comment in front and one for every quiet 15 s.
 * `open` makes the messages; its signal is aborted when the reader has gone.
 */
export function eventStream(
  open: (signal: AbortSignal) => AsyncGenerator<SseMessage>,
  hello: string,
  pingMs = PING_MS,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const gone = new AbortController();
  const messages = open(gone.signal);
  let next: Promise<IteratorResult<SseMessage>> | undefined;
  return new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(encoder.encode(`: ${hello}\nretry: 500\n\n`));
    },
    async pull(controller) {
      next ??= messages.next();
      const result = await beforeQuiet(next, pingMs);
      if (gone.signal.aborted) return;
      if (result === "quiet") return controller.enqueue(encoder.encode(": ping\n\n"));
      next = undefined;
      if (result.done === true) return controller.close();
      controller.enqueue(encoder.encode(writeMessage(result.value)));
    },
    cancel() {
      gone.abort();
    },
  });
}

async function beforeQuiet<T>(next: Promise<T>, ms: number): Promise<T | "quiet"> {
  let timer: NodeJS.Timeout | undefined;
  const quiet = new Promise<"quiet">((resolve) => {
    timer = setTimeout(() => resolve("quiet"), ms);
    // A stream must not keep a process alive that has nothing else to do.
    timer.unref();
  });
  try {
    return await Promise.race([next, quiet]);
  } finally {
    clearTimeout(timer);
  }
}

export function writeMessage({ id, event, data }: SseMessage): string {
  const lines = data.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`);
  return `id: ${id}\nevent: ${event}\n${lines.join("")}\n`;
}

/** The messages of a stream as they come; comments are skipped. Ends when the stream ends, rejects when it breaks. */
export async function* readMessages(stream: AsyncIterable<Uint8Array>): AsyncGenerator<SseMessage> {
  let rest = "";
  let id = "";
  let event = "message";
  let data: string[] = [];
  const decoder = new TextDecoder();
  for await (const part of stream) {
    rest += decoder.decode(part, { stream: true });
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > MAX_LINE) throw new Error(`a line of the event stream is longer than ${MAX_LINE} characters`);
    for (const raw of lines) {
      const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
      if (line === "") {
        if (data.length > 0) yield { id, event, data: data.join("\n") };
        event = "message";
        data = [];
        continue;
      }
      const colon = line.indexOf(":");
      const name = colon === -1 ? line : line.slice(0, colon);
      const value = colon === -1 ? "" : line.slice(colon + 1).replace(/^ /, "");
      if (name === "data") data.push(value);
      else if (name === "event") event = value;
      else if (name === "id") id = value;
    }
  }
}

/** Events carry payloads up to 32 KiB and fan-out lists up to 100,000 items; a line beyond this is no event of ours. */
const MAX_LINE = 64 * 1024 * 1024;
