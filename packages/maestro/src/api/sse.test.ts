import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { eventStream, readMessages, writeMessage } from "./sse.ts";
import type { SseMessage } from "./sse.ts";
import { partsOf } from "./stream.ts";

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

function inParts(text: string, cuts: readonly number[]): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  const edges = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  return new ReadableStream({
    start(controller) {
      for (let i = 0; i + 1 < edges.length; i++) controller.enqueue(bytes.slice(edges[i], edges[i + 1]));
      controller.close();
    },
  });
}

describe("server-sent events", () => {
  it("are read as they were written, wherever the bytes are cut", async () => {
    const message = fc.record(
      {
        id: fc.nat().map(String),
        event: fc.constantFrom("event", "end"),
        data: fc.string({ unit: "grapheme" }).filter((text) => !/[\r\n]/.test(text)),
      },
      { noNullPrototype: true },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(message, { maxLength: 5 }),
        fc.array(fc.nat(), { maxLength: 8 }),
        async (messages, cuts) => {
          assert.deepEqual(
            await collect(readMessages(inParts(messages.map(writeMessage).join(": ping\n\n"), cuts))),
            messages,
          );
        },
      ),
    );
  });

  it("keep several lines and skip comments and unknown fields", async () => {
    assert.deepEqual(
      await collect(readMessages(inParts(": hello\r\nretry: 5\r\nid: 1\r\ndata: a\r\ndata: b\r\n\r\ndata: c\n\n", []))),
      [
        { id: "1", event: "message", data: "a\nb" },
        { id: "1", event: "message", data: "c" },
      ],
    );
  });

  it("are interleaved with comments while nothing happens", async () => {
    const happened = Promise.withResolvers<void>();
    const stream = eventStream(
      async function* (): AsyncGenerator<SseMessage> {
        await happened.promise;
        yield { id: "1", event: "event", data: "x" };
      },
      "hello",
      5,
    );
    let text = "";
    for await (const part of partsOf(stream, new AbortController().signal)) {
      text += new TextDecoder().decode(part);
      if (text.match(/: ping/g)?.length === 3) happened.resolve();
    }
    assert.match(text, /^: hello\nretry: \d+\n\n(: ping\n\n){3,}id: 1\nevent: event\ndata: x\n\n$/);
  });

  it("are pulled, and their source learns that the reader has gone", async () => {
    let made = 0;
    let gone = false;
    const stream = eventStream(async function* (signal): AsyncGenerator<SseMessage> {
      signal.addEventListener("abort", () => (gone = true));
      for (;;) yield { id: String(++made), event: "event", data: "x" };
    }, "hello");
    const first = await readMessages(stream).next();
    assert.deepEqual(first.value, { id: "1", event: "event", data: "x" });
    assert.ok(made < 10, `${made} messages were made for one that was read`);
    await collect(
      (async function* () {
        for await (const message of readMessages(
          eventStream(async function* (signal): AsyncGenerator<SseMessage> {
            signal.addEventListener("abort", () => (gone = true));
            for (;;) yield { id: "1", event: "event", data: "x" };
          }, "hello"),
        )) {
          yield message;
          break;
        }
      })(),
    );
    assert.ok(gone);
  });
});

describe("partsOf()", () => {
  it("leaves when told to, also while it waits, and cancels the stream", async () => {
    const cancelled = Promise.withResolvers<void>();
    const leave = new AbortController();
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new Uint8Array(1)),
      cancel: () => cancelled.resolve(),
    });
    const parts = partsOf(stream, leave.signal);
    assert.equal((await parts.next()).value?.length, 1);
    const next = parts.next();
    leave.abort();
    assert.equal((await next).done, true);
    await cancelled.promise;
  });

  it("reads nothing when it was told before it began", async () => {
    const stream = new ReadableStream<Uint8Array>({ start: (controller) => controller.enqueue(new Uint8Array(1)) });
    assert.deepEqual(await collect(partsOf(stream, AbortSignal.abort())), []);
  });
});
