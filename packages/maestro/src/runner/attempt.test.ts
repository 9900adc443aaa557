import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { mkdtemp, readdir, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { AttemptResult } from "../core/event.ts";
import { sha256 } from "../core/digest.ts";
import type { JsonValue } from "../core/json.ts";
import { openBlobs } from "../store/blob-files.ts";
import { TaskFailure, type TaskContext, type TaskDescription, type TaskType } from "../task/task.ts";
import { executeAttempt, type AttemptDeps, type AttemptRequest } from "./attempt.ts";
import { openLogs } from "./log-files.ts";
import { openProcessRunner } from "./process.ts";

const description: TaskDescription = {
  name: "sample",
  version: 1,
  title: "A task for tests",
  docs: "",
  input: {
    type: "object",
    properties: { name: { type: "string", pattern: "^[a-z]+$" }, id: { type: "string", pattern: "^[0-9]+$" } },
    required: ["name"],
    additionalProperties: false,
  },
  output: {},
  effects: [],
  runs: "process",
  example: { name: "a" },
};

function type(
  execute: (context: TaskContext) => Promise<unknown>,
  changes: Partial<TaskDescription> = {},
  validate: () => readonly string[] = () => [],
): TaskType {
  return {
    description: { ...description, ...changes },
    init: (context) => ({ validate, execute: async () => (await execute(context)) as JsonValue }),
  };
}

describe("executeAttempt()", () => {
  let root = "";
  let deps: AttemptDeps & { readonly logs: ReturnType<typeof openLogs> };
  let count = 0;
  before(async () => {
    root = await realpath(await mkdtemp(join(tmpdir(), "maestro-attempt-")));
    const runner = await openProcessRunner({ workDir: join(root, "work"), hostname: "test" });
    deps = {
      runner,
      logs: openLogs(join(root, "logs")),
      blobs: await openBlobs(join(root, "blobs")),
      now: () => 1000,
      environment: () => undefined,
    };
  });
  after(() => rm(root, { recursive: true, force: true }));

  const request = (uses: TaskType, changes: Partial<AttemptRequest> = {}): AttemptRequest => {
    count += 1;
    return {
      run: "r_1",
      namespace: "test",
      task: "t",
      item: -1,
      attempt: count,
      type: uses,
      input: { name: "x" },
      sandbox: "none",
      limits: {},
      artifacts: [],
      dir: join(root, "work", "r_1", `t.${count}`),
      base: root,
      signal: new AbortController().signal,
      graceMs: 100,
      ...changes,
    };
  };
  const execute = (uses: TaskType, changes: Partial<AttemptRequest> = {}): Promise<AttemptResult> =>
    executeAttempt(request(uses, changes), deps);
  const error = (
    result: AttemptResult,
  ): { readonly code: string; readonly message: string; readonly final?: boolean } => {
    assert.equal(result.ok, false);
    return result.ok ? { code: "", message: "" } : result.error;
  };

  it("tells its commands which trace they belong to, and lets the task say otherwise", async () => {
    const trace = { traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", tracestate: "a=1" };
    const printed = async (env: Record<string, string>, given?: typeof trace): Promise<JsonValue> => {
      const uses = type(async (context) => {
        const { stdout } = await context.command({ argv: ["/bin/sh", "-c", "echo $TRACEPARENT,$TRACESTATE"], env });
        return Buffer.from(stdout).toString().trim();
      });
      const result = await execute(uses, { trace: given });
      return result.ok ? result.output : result.error.message;
    };
    assert.equal(await printed({}, trace), `${trace.traceparent},a=1`);
    assert.equal(await printed({ TRACEPARENT: "theirs" }, trace), "theirs,");
    assert.equal(await printed({}), ",");
  });

  it("gives the output and nothing else for a task that only computes, without touching disk or signal", async () => {
    const one = request(type(async () => ({ sum: 3 }), { runs: "inline" }));
    const lazy = Object.defineProperty({ ...one }, "signal", { get: () => assert.fail("nobody asked for the signal") });
    assert.deepEqual(await executeAttempt(lazy, deps), { ok: true, output: { sum: 3 } });
    await assert.rejects(readdir(one.dir), { code: "ENOENT" });
  });

  it("refuses an input that does not fit, for good, with every problem, before the task is made", async () => {
    const uses: TaskType = { description, init: () => assert.fail("must not be made") };
    const failed = error(await execute(uses, { input: { id: "abc", name: "123", other: 1 } }));
    assert.deepEqual([failed.code, failed.final], ["INPUT_INVALID", true]);
    for (const part of [/input\/name must match pattern/, /input\/id must match pattern/, /unknown property "other"/])
      assert.match(failed.message, part);
    const refused = error(
      await execute(
        type(
          async () => null,
          {},
          () => ["name: is taken", "name: is short"],
        ),
      ),
    );
    assert.deepEqual(
      [refused.code, refused.message],
      ["INPUT_INVALID", "The input of sample is not valid: name: is taken; name: is short."],
    );
  });

  const malformed: readonly (readonly [string, unknown, RegExp])[] = [
    ["undefined", undefined, /the value is undefined/],
    ["a member that is undefined", { a: { b: undefined } }, /\/a\/b is undefined/],
    ["NaN", { a: NaN }, /\/a is NaN/],
    ["a class instance", { when: new Date(0) }, /\/when is an instance of a class/],
    ["a lone surrogate", ["\ud800"], /lone surrogate/],
    ["bigint", 1n, /bigint/],
  ];
  for (const [name, value, message] of malformed) {
    it(`refuses an output that is ${name}`, async () => {
      const failed = error(await execute(type(async () => value)));
      assert.equal(failed.code, "OUTPUT_INVALID");
      assert.match(failed.message, message);
    });
  }

  it("refuses an output that breaks its schema or the size limit", async () => {
    const output = { type: "object", properties: { exit: { type: "integer" } }, required: ["exit"] };
    assert.match(
      error(await execute(type(async () => ({ exit: "no" }), { output }))).message,
      /output\/exit must be integer/,
    );
    const big = error(await execute(type(async () => "x".repeat(17 << 20))));
    assert.equal(big.code, "LIMIT");
    assert.match(big.message, /at most 16777216/);
  });

  it("maps failures: the task's own, the reason of the abort before all else, and the unforeseen", async () => {
    const own = await execute(
      type(async () =>
        Promise.reject(new TaskFailure({ code: "HTTP_STATUS", message: "it said 500" }, { output: { status: 500 } })),
      ),
    );
    assert.deepEqual(own, {
      ok: false,
      error: { code: "HTTP_STATUS", message: "it said 500" },
      output: { status: 500 },
    });
    const controller = new AbortController();
    const waiting = execute(
      type(
        (context) =>
          new Promise((_, reject) =>
            context.signal.addEventListener("abort", () => reject(new Error("connection reset"))),
          ),
      ),
      { signal: controller.signal },
    );
    controller.abort(new TaskFailure({ code: "TIMEOUT", message: "longer than 20s" }));
    assert.deepEqual(error(await waiting), { code: "TIMEOUT", message: "longer than 20s" });
    const odd = error(
      await execute(
        type(async () => {
          throw new RangeError("oops");
        }),
      ),
    );
    assert.equal(odd.code, "INTERNAL");
    assert.match(odd.message, /oops/);
    const half = await execute(
      type(async (context) => (context.signal.aborted ? "half" : "whole")),
      { signal: AbortSignal.abort(new TaskFailure({ code: "CANCELLED", message: "no" })) },
    );
    assert.equal(error(half).code, "CANCELLED");
  });

  it("keeps what a task logs, counts what it uses and passes signs of life on", async () => {
    let beats = 0;
    const one = request(
      type(async (context) => {
        context.emit({ kind: "log", stream: "info", bytes: "hello\n" });
        context.emit({ kind: "usage", usdMicros: 5, tokens: 1 });
        context.emit({ kind: "usage", usdMicros: 7 });
        context.emit({ kind: "heartbeat" });
        return null;
      }),
      {
        beat: () => {
          beats += 1;
        },
      },
    );
    assert.deepEqual(await executeAttempt(one, deps), { ok: true, output: null, usage: { usdMicros: 12, tokens: 1 } });
    assert.equal(beats, 2);
    assert.equal(Buffer.from((await deps.logs.read(one, { offset: 0, limit: 100 })).bytes).toString(), "hello\n");
  });

  it("runs commands, with exit code, isolation and runner as facts", async () => {
    const result = await execute(
      type(async (context) => (await context.command({ argv: ["sh", "-c", "exit 4"] })).exit),
    );
    assert.ok(result.ok);
    assert.deepEqual(
      [result.output, result.exit, result.runner, result.isolation?.measured],
      [4, 4, "process@test", "none"],
    );
    const refused = error(
      await execute(type(async (context) => (await context.command({ argv: ["true"] })).exit, { runs: "inline" })),
    );
    assert.match(refused.message, /does not declare runs/);
  });

  it("keeps a line of 100 MB and lets nothing of it pile up in memory", async () => {
    const before = process.memoryUsage().rss;
    let peak = 0;
    const one = request(
      type(
        async (context) =>
          (
            await context.command({
              argv: ["sh", "-c", "head -c 100000000 /dev/zero | tr '\\0' x; echo; echo last"],
              captureBytes: 100,
            })
          ).stdoutTruncated,
      ),
      {
        beat: () => {
          peak = Math.max(peak, process.memoryUsage.rss() - before);
        },
      },
    );
    const result = await executeAttempt(one, deps);
    assert.ok(result.ok && result.output === true);
    const { bytes, size } = await deps.logs.tail(one, { lines: 1, limit: 100 });
    assert.deepEqual([Buffer.from(bytes).toString(), size], ["last\n", 100_000_006]);
    assert.ok(peak < 80e6, `memory grew by ${peak} bytes`);
  });

  describe("artifacts", () => {
    const files = (make: (dir: string) => void, emit: (context: TaskContext) => void = () => undefined): TaskType =>
      type(async (context) => {
        make(context.dir());
        emit(context);
        return null;
      });

    it("are what the globs match, sorted, without folders and hidden files, in the blob store", async () => {
      const uses = files((dir) => {
        mkdirSync(join(dir, "sub", "x.tgz"), { recursive: true });
        mkdirSync(join(dir, ".npm"));
        for (const name of ["b.tgz", "a.tgz", "other", "sub/c.tgz", ".npm/log.tgz"])
          writeFileSync(join(dir, name), name);
      });
      const one = request(uses, { artifacts: ["*.tgz", "**/*.tgz"] });
      const result = await executeAttempt(one, deps);
      assert.ok(result.ok);
      assert.deepEqual(
        result.artifacts,
        ["a.tgz", "b.tgz", "sub/c.tgz"].map((name) => ({
          name,
          path: join(one.dir, name),
          digest: sha256(name),
          size: name.length,
        })),
      );
      assert.equal(Buffer.from((await deps.blobs.get(sha256("a.tgz"))) ?? []).toString(), "a.tgz");
      const hidden = await execute(uses, { artifacts: [".npm/*"] });
      assert.deepEqual(
        hidden.artifacts?.map((artifact) => artifact.name),
        [".npm/log.tgz"],
      );
    });

    it("may be links to files inside the folder, never to what lies outside of it", async () => {
      writeFileSync(join(root, "secret"), "secret");
      const inside = await execute(
        files((dir) => {
          writeFileSync(join(dir, "real"), "real");
          symlinkSync("real", join(dir, "link.txt"));
        }),
        { artifacts: ["*.txt"] },
      );
      assert.deepEqual(
        inside.artifacts?.map((artifact) => artifact.digest),
        [sha256("real")],
      );
      const escapes: readonly ((dir: string) => void)[] = [
        (dir) => symlinkSync(join(root, "secret"), join(dir, "a.txt")),
        (dir) => symlinkSync("../../../secret", join(dir, "a.txt")),
        (dir) => symlinkSync("/dev/zero", join(dir, "a.txt")),
        (dir) => symlinkSync("nowhere", join(dir, "a.txt")),
      ];
      for (const escape of escapes) {
        const failed = error(await execute(files(escape), { artifacts: ["*.txt"] }));
        assert.equal(failed.code, "OUTPUT_INVALID");
        assert.match(failed.message, /a\.txt (leaves the attempt's folder|cannot be read)/);
      }
      for (const pattern of ["../../../secret", join(root, "secret")]) {
        assert.equal(
          error(
            await execute(
              files(() => undefined),
              { artifacts: [pattern] },
            ),
          ).code,
          "OUTPUT_INVALID",
        );
      }
      const named = error(
        await execute(
          files(
            (dir) => symlinkSync(join(root, "secret"), join(dir, "x")),
            (context) => context.emit({ kind: "artifact", name: "x", path: "x" }),
          ),
        ),
      );
      assert.equal(named.code, "OUTPUT_INVALID");
    });

    it("are kept of a failed attempt too, for they may say why", async () => {
      const result = await execute(
        type(async (context) => {
          writeFileSync(join(context.dir(), "report.txt"), "why");
          throw new TaskFailure({ code: "EXIT", message: "exit 1" });
        }),
        { artifacts: ["*.txt"] },
      );
      assert.equal(error(result).code, "EXIT");
      assert.deepEqual(
        result.artifacts?.map((artifact) => artifact.name),
        ["report.txt"],
      );
    });
  });
});
