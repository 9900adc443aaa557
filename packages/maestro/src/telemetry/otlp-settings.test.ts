import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { otlpSettings } from "./otlp-settings.ts";

describe("what the environment asks for", () => {
  const read = (flag: string | undefined, environment: Readonly<Record<string, string>>) =>
    otlpSettings(flag, (name) => environment[name]);

  it("is nothing, unless somebody names a receiver", () => {
    const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318" };
    assert.equal(read(undefined, {}), undefined);
    assert.equal(read(undefined, { OTEL_EXPORTER_OTLP_ENDPOINT: " " }), undefined);
    assert.equal(read(undefined, { ...endpoint, OTEL_SDK_DISABLED: "TRUE" }), undefined);
    assert.equal(read(undefined, { ...endpoint, OTEL_TRACES_EXPORTER: "none" }), undefined);
    assert.equal(read(undefined, endpoint)?.url, undefined, "the exporter reads it itself");
    assert.ok(read(undefined, { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://collector:4318/v1/traces" }));
    assert.equal(read("http://other:4318", endpoint)?.url, "http://other:4318/v1/traces");
    assert.equal(read("https://other/otlp/", {})?.url, "https://other/otlp/v1/traces");
    for (const wrong of ["collector:4318", "ftp://x", "nonsense"])
      assert.throws(() => read(wrong, {}), { code: "invalid_request" }, wrong);
  });

  it("is understood where it makes sense, and said where not", () => {
    const settings = read("http://x:4318", {
      OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
      OTEL_TRACES_SAMPLER_ARG: "0.25",
      OTEL_BSP_MAX_QUEUE_SIZE: "100",
      OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "1000",
      OTEL_BSP_SCHEDULE_DELAY: "-1",
      OTEL_EXPORTER_OTLP_PROTOCOL: "grpc",
    })!;
    assert.deepEqual(settings.sampler, { root: "ratio", ratio: 0.25, byParent: true });
    assert.equal(settings.sendMs, 3000);
    assert.equal(read("http://x", { OTEL_EXPORTER_OTLP_TIMEOUT: "10000" })!.sendMs, undefined, "the exporter reads it");
    assert.deepEqual([settings.maxQueue, settings.maxBatch, settings.delayMs], [100, 100, 1000]);
    assert.deepEqual(settings.warnings, ["OTEL_EXPORTER_OTLP_PROTOCOL=grpc is not spoken here; http/json is"]);
    assert.match(read("http://x", { OTEL_TRACES_SAMPLER: "jaeger_remote" })!.warnings.join(), /jaeger_remote/);
  });
});
