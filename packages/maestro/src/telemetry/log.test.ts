import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EngineBench } from "../../test/support/engine.ts";
import { planOf } from "../../test/support/world.ts";
import { traceIdOf } from "../core/trace-context.ts";
import { Log, logLines } from "./log.ts";
import type { LogFormat, LogLevel } from "./log.ts";
import { RunLog } from "./run-log.ts";

function openLog(
  level: LogLevel = "info",
  format: LogFormat = "json",
): { readonly log: Log; readonly lines: string[] } {
  const lines: string[] = [];
  const now = (): number => Date.UTC(2026, 0, 2, 3, 4, 5, 6);
  return {
    log: new Log(
      level,
      logLines(format, (line) => void lines.push(line), now),
    ),
    lines,
  };
}

describe("a log", () => {
  it("writes an object per line, whose own members no field can take", () => {
    const { log, lines } = openLog();
    log.write("warn", "the disk is\nslow", { run: "r_1", ms: 12, level: "none", time: "never" });
    assert.deepEqual(lines, [
      '{"time":"2026-01-02T03:04:05.006Z","level":"warn","message":"the disk is\\nslow","run":"r_1","ms":12}',
    ]);
  });

  it("writes lines for people", () => {
    const { log, lines } = openLog("info", "text");
    log.write("info", "a run ended", { run: "r_1", status: "failed", error: 'exit "1"\n' });
    assert.deepEqual(lines, ['03:04:05.006 info  a run ended  run=r_1  status=failed  error="exit \\"1\\"\\n"']);
  });

  it("shows what its level asks for and counts all", () => {
    const { log, lines } = openLog("warn");
    for (const level of ["debug", "info", "warn", "error"] as const) log.write(level, level);
    assert.equal(lines.length, 2);
    assert.deepEqual(log.counts, { debug: 1, info: 1, warn: 1, error: 1 });
    assert.deepEqual([log.shows("info"), log.shows("warn")], [false, true]);
  });

  it("keeps secrets and endless texts to itself", () => {
    const { log, lines } = openLog();
    log.write("error", `refused Bearer ${"a".repeat(30)}`, {
      url: "postgres://ada:hunter2@db/x",
      authToken: "hunter2",
      stack: "x".repeat(1_000_000),
    });
    assert.doesNotMatch(lines.join(""), /hunter2|aaaaaa/);
    assert.ok(lines.join("").length < 20_000);
  });
});

describe("the log of runs", () => {
  it("ties every line to its request and its trace", async () => {
    const { log, lines } = openLog("debug");
    const runs = new RunLog(log, () => true);
    const bench = await EngineBench.open({ observe: (live, events) => runs.observe(live, events) });
    try {
      const plan = planOf([
        { id: "a", uses: "exec" },
        { id: "secret", uses: "exec", sensitive: true, needs: ["a"] },
      ]);
      const { id } = await bench.run(plan, { origin: { request: "req-1" } });
      await bench.finish("a");
      await bench.finish("secret", { ok: false, error: { code: "EXIT", message: "hunter2" } });
      const ids = { requestId: "req-1", traceId: traceIdOf({ run: id }) };
      const seen = lines.map((line) => {
        const { time: _, ...rest } = JSON.parse(line) as Record<string, unknown>;
        return rest;
      });
      const step = (task: string) => ({ run: id, task, attempt: 1, ...ids });
      assert.deepEqual(seen, [
        { level: "info", message: "a run was recorded", run: id, workflow: "test/sketch@1.0.0", ...ids },
        { level: "debug", message: "an attempt was started", ...step("a") },
        { level: "debug", message: "an attempt succeeded", ...step("a") },
        { level: "debug", message: "an attempt was started", ...step("secret") },
        { level: "info", message: "an attempt failed", code: "EXIT", ...step("secret") },
        { level: "warn", message: "a run ended", run: id, status: "failed", durationMs: 0, code: "EXIT", ...ids },
      ]);
      assert.deepEqual(runs.complete({ run: id, error: "x" }), { run: id, error: "x", ...ids });
      assert.deepEqual(runs.complete({ run: "r_other" }), { run: "r_other" });
    } finally {
      await bench.close();
    }
  });
});
