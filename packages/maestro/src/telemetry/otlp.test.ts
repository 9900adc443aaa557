import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { otlpReceiver } from "../../test/support/otlp.ts";
import { openOtlp } from "./otlp.ts";
import { otlpSettings } from "./otlp-settings.ts";
import type { OtlpSettings } from "./otlp-settings.ts";
import type { Span } from "./spans.ts";

const settingsFor = (environment: Readonly<Record<string, string>>, url = "http://127.0.0.1:1"): OtlpSettings =>
  otlpSettings(url, (name) => environment[name])!;

describe("a receiver that does not work", () => {
  const spanOf = (i: number): Span => ({
    traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
    spanId: i.toString(16).padStart(16, "f"),
    parentSpanId: undefined,
    name: "a",
    kind: "internal",
    startAt: 1_800_000_000_001,
    endAt: 1_800_000_000_002,
    attributes: {},
    failure: undefined,
    links: [],
  });
  /** `sendMs`: the time of one request. What is not about that time has more of it than any machine needs. */
  const small = (url: string, sendMs = 30_000): ReturnType<typeof openOtlp> & { readonly warned: string[] } => {
    const warned: string[] = [];
    const environment = {
      OTEL_BSP_MAX_QUEUE_SIZE: "100",
      OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "10",
      OTEL_BSP_SCHEDULE_DELAY: "1",
    };
    const speaker = { version: "0.0.0", installation: "test" };
    const settings = { ...settingsFor(environment, url), sendMs };
    return { ...openOtlp(settings, speaker, (message) => void warned.push(message)), warned };
  };

  it("costs spans, and neither memory nor the end of the process", async () => {
    await using receiver = await otlpReceiver("hang");
    const { sink } = small(receiver.url, 100);
    for (let i = 0; i < 10_000; i++) sink.offer(spanOf(i));
    const { dropped, exported, failed } = sink.counts;
    assert.deepEqual([exported, failed], [0, 0]);
    // The queue, and what was handed over before it was full.
    assert.ok(dropped >= 10_000 - 100 - 10, `${dropped} dropped`);
    // Whoever reads histories meanwhile waits, but not for ever.
    await sink.room();
    await sink.close(10);
  });

  it("that never answers is given up, and so is one that is not there", async () => {
    for (const manner of ["hang", "gone"] as const) {
      await using receiver = await otlpReceiver("hang");
      const { sink, warned } = small(manner === "gone" ? "http://127.0.0.1:1" : receiver.url, 100);
      for (let i = 0; i < 100; i++) sink.offer(spanOf(i));
      await sink.close(60_000);
      assert.deepEqual(sink.counts, { exported: 0, failed: 100, dropped: 0 });
      assert.equal(warned.length, 1);
    }
  });

  it("is complained about once, and every span it refused is counted", async () => {
    await using receiver = await otlpReceiver("refuse");
    const { sink, warned } = small(receiver.url);
    for (let i = 0; i < 100; i++) sink.offer(spanOf(i));
    await sink.close(5000);
    assert.deepEqual(sink.counts, { exported: 0, failed: 100, dropped: 0 });
    assert.deepEqual(warned, ["spans could not be exported; runs are not affected"]);
  });

  it("that takes all has all, also what was offered last", async () => {
    await using receiver = await otlpReceiver();
    const { sink } = small(receiver.url);
    for (let i = 0; i < 100; i++) sink.offer(spanOf(i));
    await sink.close(5000);
    assert.deepEqual(sink.counts, { exported: 100, failed: 0, dropped: 0 });
    assert.equal(receiver.trace(spanOf(0).traceId).length, 100);
    assert.deepEqual(receiver.wrong, []);
  });
});

describe("sampling", () => {
  it("samples by the trace, so that child runs and other engines come to the same answer", () => {
    const decide = (sampler: string, argument = "1"): ReturnType<typeof openOtlp>["sampled"] =>
      openOtlp(
        settingsFor({ OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: argument }),
        { version: "0", installation: "test" },
        () => undefined,
      ).sampled;
    const runs = Array.from({ length: 1000 }, (_, i) => ({ run: `r_${i}` }));
    assert.ok(runs.every(decide("always_on")) && !runs.some(decide("always_off")));
    const kept = runs.filter(decide("traceidratio", "0.3"));
    assert.ok(kept.length > 200 && kept.length < 400, `${kept.length} of 1000`);
    assert.deepEqual(runs.filter(decide("parentbased_traceidratio", "0.3")), kept);
    const called = (flags: string) => ({
      run: "r_1",
      origin: { traceparent: `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-${flags}` },
    });
    assert.deepEqual(
      [decide("parentbased_always_off")(called("01")), decide("parentbased_always_on")(called("00"))],
      [true, false],
    );
  });
});
