import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Place } from "../support/maestro.ts";
import { otlpReceiver } from "../support/otlp.ts";
import { treeOf } from "../support/span-tree.ts";

// Traces of the command itself, as a receiver of OTLP gets them.

const runbook = (name: string, tasks: string): string => `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: t, name: ${name}, version: 1.0.0 }
spec:
  type: demo
  purposes: [test]
  license: internal
  tasks:
${tasks}
`;

const LONG = `    first: { uses: noop@1 }
    second:
      needs: [first]
      uses: exec@1
      with: { argv: [sh, -c, "[ \${{ task.attempt }} -gt 1 ] || exec sleep 600"] }
      retry: { attempts: 2, backoff: { initial: 10ms } }
    go: { needs: [first], uses: wait@1, with: { signal: go } }`;

const GIVEN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

describe("a trace", () => {
  it("is one tree although its engine was killed in the middle", async () => {
    await using receiver = await otlpReceiver();
    const place = await Place.make({ "run.yaml": runbook("long", LONG) });
    try {
      const up = place.start(["up", "--no-listen", "--otlp", receiver.url]);
      await up.shows(/is up/);
      const env = { TRACEPARENT: GIVEN };
      const started = await place.run(["run", "run.yaml", "--detach", "-o", "name"], { env });
      assert.equal(started.code, 0, started.err);
      const traceId = GIVEN.slice(3, 35);
      // The first task has its span; the second is at work.
      await receiver.has(traceId, "first");
      up.child.kill("SIGKILL");
      await up.ended;
      const next = place.start(["up", "--no-listen"], { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url });
      await next.shows(/is up/);
      const signalled = await place.run(["signal", "@last", "go"]);
      assert.equal(signalled.code, 0, signalled.err);
      await receiver.has(traceId, "RUN long");
      assert.deepEqual(treeOf(receiver.trace(traceId)), [
        "RUN long: success",
        "  first: success",
        "    first attempt 1: success",
        "  go: success",
        "    go wait: success",
        "  second: success",
        "    second attempt 1: error (LOST)",
        "    second attempt 2: success",
      ]);
      const root = receiver.trace(traceId).find(({ name }) => name === "RUN long");
      assert.equal(root?.parentSpanId, GIVEN.slice(36, 52));
      assert.deepEqual(receiver.wrong, []);
      next.child.kill("SIGTERM");
      assert.equal((await next.ended).code, 0);
    } finally {
      await place.remove();
    }
  });

  it("of a command that ends at once is sent before it does, by what the environment says", async () => {
    await using receiver = await otlpReceiver();
    const place = await Place.make({ "run.yaml": runbook("quick", "    a: { uses: noop@1 }") });
    try {
      const env = {
        OTEL_EXPORTER_OTLP_ENDPOINT: `${receiver.url}/`,
        OTEL_EXPORTER_OTLP_HEADERS: "x-tenant=blue",
        OTEL_SERVICE_NAME: "ours",
        OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=test",
      };
      const ran = await place.run(["run", "run.yaml"], { env });
      assert.equal(ran.code, 0, ran.err);
      const [traceId = ""] = receiver.traceIds;
      assert.deepEqual(treeOf(receiver.trace(traceId)), [
        "RUN quick: success",
        "  a: success",
        "    a attempt 1: success",
      ]);
      const { resource } = receiver.trace(traceId)[0]!;
      assert.deepEqual([resource["service.name"], resource["deployment.environment.name"]], ["ours", "test"]);
      assert.equal(receiver.headers[0]?.["x-tenant"], "blue");
      assert.deepEqual(receiver.wrong, []);
      const off = await place.run(["run", "run.yaml"], { env: { ...env, OTEL_TRACES_SAMPLER: "always_off" } });
      assert.equal(off.code, 0, off.err);
      assert.equal(receiver.traceIds.length, 1);
    } finally {
      await place.remove();
    }
  });
});
