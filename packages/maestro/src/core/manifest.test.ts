import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { JsonValue } from "./json.ts";
import { parseManifest } from "./manifest.ts";
import { parseSize } from "./size.ts";

const minimal = {
  apiVersion: "maestro/v1",
  kind: "Runbook",
  metadata: { name: "a" },
  spec: { purposes: ["p"], tasks: { t: { uses: "x@1" } } },
} as const;

describe("parseManifest()", () => {
  it("fills in what a manifest leaves out", () => {
    assert.deepEqual(parseManifest(minimal), {
      workflow: {
        metadata: { namespace: "default", name: "a", version: "0.0.0", labels: {} },
        type: "ops",
        purposes: ["p"],
        authority: { required: false },
        license: "internal",
        inputs: { type: "object", properties: {}, required: [], additionalProperties: false },
        onFailure: "stop",
        tasks: [
          {
            id: "t",
            phase: "main",
            uses: { kind: "type", name: "x", version: 1 },
            needs: [],
            with: {},
            continueOnError: false,
            secrets: {},
            sensitive: false,
            artifacts: [],
          },
        ],
        outputs: {},
        triggers: [],
      },
    });
  });

  it("turns units into numbers and inputs into a schema", () => {
    const parsed = parseManifest({
      ...minimal,
      spec: {
        ...minimal.spec,
        inputs: { a: { type: "string" }, b: { type: "string", default: "x" }, c: { type: "string", optional: true } },
        tasks: {
          t: {
            uses: "a/b@12",
            forEach: { items: "[1]" },
            retry: {},
            until: { condition: "true" },
            timeout: { queue: "1m", heartbeat: "1500ms" },
            cache: { ttl: "1d" },
            runner: { limits: { file: "100MB", cpu: "10ms", processes: 4 } },
            approvals: {},
          },
        },
        triggers: [{ schedule: { cron: "0 3 * * *" } }],
      },
    });
    assert.ok("workflow" in parsed);
    const [task] = parsed.workflow.tasks;
    assert.deepEqual(parsed.workflow.inputs["required"], ["a"]);
    assert.deepEqual(parsed.workflow.inputs["properties"], {
      a: { type: "string" },
      b: { type: "string", default: "x" },
      c: { type: "string" },
    });
    assert.deepEqual(task?.uses, { kind: "type", name: "a/b", version: 12 });
    assert.deepEqual(task?.forEach, { items: "[1]", as: "value", max: 10, onItemFailure: "stop" });
    assert.deepEqual(task?.retry, {
      attempts: 1,
      initialMs: 1000,
      factor: 2,
      maxMs: 60_000,
      jitter: "full",
      onLost: "retry",
    });
    assert.deepEqual(task?.until, { condition: "true", everyMs: 30_000, max: 60 });
    assert.deepEqual(task?.timeout, { queueMs: 60_000, heartbeatMs: 1500 });
    assert.deepEqual(task?.cache, { ttlMs: 86_400_000 });
    assert.deepEqual(task?.runner, {
      kind: "process",
      sandbox: "preferred",
      limits: { fileBytes: 100_000_000, cpuSeconds: 1, processes: 4 },
    });
    assert.deepEqual(task?.approvals, { count: 1, roles: [], notRequester: true, expiresMs: 86_400_000 });
    assert.deepEqual(parsed.workflow.triggers, [
      { schedule: { cron: "0 3 * * *", timezone: "UTC", catchUp: "latest", overlap: "skip", jitterMs: 0 }, inputs: {} },
    ]);
  });

  it("gives all problems, each with its path", () => {
    const parsed = parseManifest({
      ...minimal,
      metadata: {},
      spec: { purposes: "p", tasks: { t: { uses: "x@1", neds: [] } }, other: 1 },
    });
    assert.ok("problems" in parsed);
    assert.deepEqual(
      parsed.problems.map((problem) => [problem.rule, problem.path.join(".")]),
      [
        ["WF013", "metadata"],
        ["WF011", "spec.purposes"],
        ["WF010", "spec.tasks.t.neds"],
        ["WF010", "spec.other"],
      ],
    );
  });

  it("is total over JSON", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const parsed = parseManifest(JSON.parse(JSON.stringify(value)) as JsonValue);
        assert.ok("problems" in parsed && parsed.problems.length > 0);
      }),
    );
  });
});

describe("parseSize()", () => {
  const table: readonly (readonly [string, number | undefined])[] = [
    ["0B", 0],
    ["2KB", 2000],
    ["2KiB", 2048],
    ["1GiB", 2 ** 30],
    ["9000TiB", undefined],
    ["1.5MB", undefined],
    ["1 MB", undefined],
    ["1mb", undefined],
    ["MB", undefined],
    ["", undefined],
  ];
  for (const [text, bytes] of table)
    it(`reads ${JSON.stringify(text)} as ${bytes}`, () => assert.equal(parseSize(text), bytes));
});
