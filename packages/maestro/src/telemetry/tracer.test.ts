import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EngineBench } from "../../test/support/engine.ts";
import { treeOf } from "../../test/support/span-tree.ts";
import { OWNER, planOf } from "../../test/support/world.ts";
import type { RunEvent } from "../core/event.ts";
import type { LiveRun } from "../engine/live.ts";
import type { Span } from "./spans.ts";
import { Tracer } from "./tracer.ts";
import type { SpanSink, TracerParts } from "./tracer.ts";

const RETRY = { attempts: 3, initialMs: 1000, maxMs: 1000, factor: 1, jitter: "none", onLost: "retry" } as const;

/** Keeps what it is given, as a receiver would: one span per id. */
class Kept implements SpanSink {
  readonly counts = { exported: 0, failed: 0, dropped: 0 };
  readonly byId = new Map<string, Span>();
  told = 0;

  offer(span: Span): void {
    this.told += 1;
    const known = this.byId.get(span.spanId);
    if (known !== undefined) assert.deepEqual(span, known, "told again, a span is the same");
    this.byId.set(span.spanId, span);
  }

  room(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  get tree(): string[] {
    return treeOf([...this.byId.values()]);
  }
}

interface Traced {
  readonly bench: EngineBench;
  readonly kept: Kept;
  readonly logged: string[];
  readonly crash: () => Promise<void>;
  readonly settled: () => Promise<void>;
}

/** An engine whose runs are traced; each crash brings a new tracer, as it brings a new process. */
async function traced(
  options: Parameters<typeof EngineBench.open>[0] = {},
  more: Partial<TracerParts> = {},
): Promise<Traced> {
  const kept = new Kept();
  const logged: string[] = [];
  let tracer: Tracer | undefined;
  const seen: [LiveRun, readonly RunEvent[]][] = [];
  const bench = await EngineBench.open({
    ...options,
    traces: () => true,
    observe: (live, events) => (tracer === undefined ? void seen.push([live, events]) : tracer.observe(live, events)),
  });
  const trace = (): void => {
    const { store, blobs } = bench.engine.parts;
    const log = (message: string, fields: object): void => void logged.push(`${message} ${JSON.stringify(fields)}`);
    tracer = new Tracer({ sink: kept, store, blobs, sampled: () => true, log, ...more });
    // What the engine did while it opened.
    for (const [live, events] of seen.splice(0)) tracer.observe(live, events);
  };
  trace();
  return {
    bench,
    kept,
    logged,
    async crash() {
      tracer = undefined;
      await bench.crash();
      trace();
    },
    async settled() {
      await tracer!.settled();
    },
  };
}

describe("a tracer", () => {
  it("tells each span of a run that it follows from the beginning once", async () => {
    const { bench, kept } = await traced();
    try {
      await bench.run(
        planOf([
          { id: "a", uses: "exec" },
          { id: "rest", uses: "wait", with: { duration: "60s" }, needs: ["a"] },
        ]),
      );
      await bench.finish("a");
      // It leaves memory meanwhile and comes back.
      await bench.pass(60_000);
      assert.deepEqual(kept.tree, [
        "RUN sketch: success",
        "  a: success",
        "    a attempt 1: success",
        "  rest: success",
        "    rest wait: success",
      ]);
      assert.equal(kept.told, kept.byId.size);
    } finally {
      await bench.close();
    }
  });

  it("goes on with the same tree after the engine was killed, and tells what the other may not have got rid of", async () => {
    // Inputs and lists of items as blobs, as large ones are.
    const { bench, kept, crash, settled } = await traced({ limits: { inlineBytes: 100 } });
    try {
      const items = JSON.stringify(Array.from({ length: 40 }, (_, i) => i));
      const { id } = await bench.run(
        planOf([
          { id: "a", uses: "exec", retry: RETRY },
          { id: "each", needs: ["a"], forEach: { items, as: "n", max: 40, onItemFailure: "stop" } },
          { id: "b", uses: "exec", needs: ["each"], retry: RETRY },
        ]),
      );
      await crash();
      await bench.pass(1000);
      await bench.finish("a");
      await settled();
      const told = kept.told;
      await crash();
      await bench.pass(1000);
      await settled();
      assert.ok(kept.told >= 2 * told, "what lies in the history was told again");
      await bench.finish("b");
      const tree = kept.tree;
      assert.deepEqual(tree.slice(0, 4), [
        "RUN sketch: success",
        "  a: success",
        "    a attempt 1: error (LOST)",
        "    a attempt 2: success",
      ]);
      const b = tree.indexOf("  b: success");
      assert.deepEqual(tree.slice(b + 1, b + 3), ["    b attempt 1: error (LOST)", "    b attempt 2: success"]);
      assert.equal(tree.length, 4 + 1 + 80 + 3);
      assert.equal((await bench.row(id)).status, "succeeded");
    } finally {
      await bench.close();
    }
  });

  it("tells a retry of a run that others had carried to its end, and not what they told", async () => {
    const { bench, kept, crash, settled } = await traced();
    try {
      const { id } = await bench.run(planOf([{ id: "a" }, { id: "b", uses: "exec", needs: ["a"] }]));
      await bench.finish("b", { ok: false, error: { code: "EXIT", message: "1" } });
      const before = new Set(kept.byId.keys());
      const told = kept.told;
      await crash();
      const [retried] = await Promise.all([bench.engine.send(id, { kind: "retry", by: OWNER }), bench.settle()]);
      assert.equal(retried.status, "running");
      await bench.finish("b");
      await settled();
      assert.equal(kept.told - told, 3);
      const again = [...kept.byId.values()].filter(({ spanId }) => !before.has(spanId));
      assert.deepEqual(treeOf(again), ["RUN sketch: success", "  b: success", "    b attempt 2: success"]);
      assert.equal(again.find(({ kind }) => kind === "server")?.links[0]?.relation, "retry_of");
    } finally {
      await bench.close();
    }
  });

  it("misses nothing that is committed while it reads", async () => {
    const gate = Promise.withResolvers<void>();
    let reads = 0;
    const { bench, kept, crash, settled } = await traced({
      store: (store) =>
        new Proxy(store, {
          get(target, name) {
            const value: unknown = Reflect.get(target, name);
            if (typeof value !== "function") return value;
            if (name !== "runEvents") return value.bind(target) as unknown;
            return async (...args: Parameters<typeof target.runEvents>) => {
              const page = await target.runEvents(...args);
              // The tracer asks for small pages and the engine for all at once; the second is empty, and old when it comes.
              if (args[1].limit < 1000 && ++reads === 2) await gate.promise;
              return page;
            };
          },
        }),
    });
    try {
      await bench.run(planOf([{ id: "a", uses: "exec", retry: RETRY }]));
      await crash();
      // Its first page is read: the attempt is lost, and a second one begins and ends.
      await bench.pass(1000);
      await bench.finish("a");
      gate.resolve();
      await settled();
      assert.deepEqual(kept.tree, [
        "RUN sketch: success",
        "  a: success",
        "    a attempt 1: error (LOST)",
        "    a attempt 2: success",
      ]);
    } finally {
      await bench.close();
    }
  });

  it("keeps its troubles from the run", async () => {
    const failing: SpanSink = {
      counts: { exported: 0, failed: 0, dropped: 0 },
      offer: () => {
        throw new Error("the sink is broken");
      },
      room: () => Promise.resolve(),
      close: () => Promise.resolve(),
    };
    const { bench, logged } = await traced({}, { sink: failing });
    try {
      const { id } = await bench.run(planOf([{ id: "a" }]));
      assert.equal((await bench.row(id)).status, "succeeded");
      assert.match(logged.join("\n"), /a run's spans could not be made .*the sink is broken/);
    } finally {
      await bench.close();
    }
  });

  it("leaves alone what is not sampled", async () => {
    const { bench, kept } = await traced({}, { sampled: () => false });
    try {
      await bench.run(planOf([{ id: "a" }]));
      assert.equal(kept.told, 0);
    } finally {
      await bench.close();
    }
  });
});
