import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { chmod, mkdtemp, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { Sandbox } from "../core/plan.ts";
import { TaskFailure } from "../task/task.ts";
import type { Command, CommandContext, CommandResult, Runner } from "./runner.ts";

export interface RunnerFixture {
  readonly runner: Runner;
  /** Where attempts' folders may lie. */
  readonly workDir: string;
  close(): Promise<void>;
}

/** What every runner does, whatever it runs commands with. Called once per runner and sandbox. */
export function testRunner(name: string, sandbox: Sandbox, open: () => Promise<RunnerFixture>): void {
  describe(`runner contract: ${name}, sandbox ${sandbox}`, () => {
    let fixture: RunnerFixture;
    before(async () => {
      fixture = await open();
    });
    after(() => fixture.close());

    const run = (command: Command, options: Partial<CommandContext> = {}): Promise<CommandResult> =>
      fixture.runner.run(command, contextFor(join(fixture.workDir, "r_contract", randomUUID()), sandbox, options));
    const sh = (
      script: string,
      options: Partial<CommandContext> = {},
      command: Partial<Command> = {},
    ): Promise<CommandResult> => run({ argv: ["sh", "-c", script], ...command }, options);

    it("tells exit code, output and what it measured", async () => {
      const result = await sh("echo out; echo err >&2; exit 7");
      assert.equal(text(result), "out\n");
      assert.deepEqual(
        [result.exit, result.signal, result.limit, result.stderrTail, result.stdoutTruncated],
        [7, null, null, "err\n", false],
      );
      assert.equal(result.isolation.declared, sandbox);
    });

    for (const signal of ["SIGKILL", "SIGSEGV", "SIGTERM"]) {
      it(`tells an end by ${signal}`, async () => {
        const result = await sh(`kill -${signal.slice(3)} $$`);
        assert.deepEqual([result.exit, result.signal, result.limit], [null, signal, null]);
      });
    }

    it("gives stdin, and does not mind a command that never reads it", async () => {
      assert.equal(text(await run({ argv: ["cat"], stdin: "Grüße\u0000\n" })), "Grüße\u0000\n");
      assert.equal((await run({ argv: ["true"], stdin: Buffer.alloc(4_000_000) })).exit, 0);
      assert.equal(text(await sh("cat; echo end")), "end\n", "without stdin a command reads nothing");
    });

    it("gives a minimal environment, nothing of the engine's own", async () => {
      process.env["MAESTRO_TEST_SECRET"] = "leaked";
      try {
        const names = text(await run({ argv: ["env"], env: { GIVEN: "a b" } }))
          .trim()
          .split("\n");
        const found = names
          .map((line) => line.slice(0, line.indexOf("=")))
          .filter((each) => each !== "PWD")
          .sort();
        assert.deepEqual(found, ["GIVEN", "HOME", "LANG", "MAESTRO_MARK", "PATH", "TMPDIR"]);
        assert.ok(names.includes("GIVEN=a b"));
      } finally {
        delete process.env["MAESTRO_TEST_SECRET"];
      }
    });

    it("gives the attempt's folder to write, and a place for temporary files", async () => {
      const dir = join(fixture.workDir, "r_contract", "folder");
      const result = await sh("pwd; echo kept > file; mktemp > /dev/null && echo temporary", { dir });
      assert.equal(text(result), `${dir}\ntemporary\n`);
      assert.equal(await readFile(join(dir, "file"), "utf8"), "kept\n");
    });

    it("keeps arguments and bytes exactly as they are", async () => {
      assert.equal(
        text(await run({ argv: ["printf", "%s|", "a b", "$HOME", "", "'\"\\", "ü\n"] })),
        "a b|$HOME||'\"\\|ü\n|",
      );
      const result = await sh("printf '\\033[31m\\000\\377\\376'");
      assert.deepEqual([...result.stdout], [0x1b, 0x5b, 0x33, 0x31, 0x6d, 0x00, 0xff, 0xfe]);
    });

    it("passes 100 MB on completely, holds the writer while the log cannot follow, and hands back the beginning", async () => {
      let size = 0;
      let paused = 0;
      let afterPause = 0;
      const result = await sh(
        "head -c 100000000 /dev/zero | tr '\\0' x",
        {
          log: (_stream, bytes) => {
            size += bytes.byteLength;
            if (paused > 0) afterPause = Math.max(afterPause, (paused += bytes.byteLength));
            else paused = 1;
            return false;
          },
          drained: () =>
            new Promise((resolve) =>
              setImmediate(() => {
                paused = 0;
                resolve();
              }),
            ),
        },
        { captureBytes: 1000 },
      );
      assert.equal(size, 100_000_000);
      assert.equal(text(result), "x".repeat(1000));
      assert.equal(result.stdoutTruncated, true);
      assert.ok(afterPause <= 1 << 20, `${afterPause} bytes came although the log had said stop`);
    });

    it("says which command there is none of, and which folder", async () => {
      await assert.rejects(
        run({ argv: ["no-such-command-here"] }),
        failure("COMMAND_NOT_FOUND", /no command "no-such-command-here".*Looked in/),
      );
      await assert.rejects(
        run({ argv: ["./not-there"] }),
        failure("COMMAND_NOT_FOUND", /no executable file .*not-there/),
      );
      await assert.rejects(
        run({ argv: ["true"], cwd: "/no/such/folder" }),
        failure("INPUT_INVALID", /\/no\/such\/folder does not exist/),
      );
      await assert.rejects(run({ argv: ["true"], env: { "A=B": "x" } }), failure("INPUT_INVALID", /"A=B"/));
    });

    it("does not start what was called off before", async () => {
      const reason = new TaskFailure({ code: "CANCELLED", message: "no longer wanted" });
      await assert.rejects(run({ argv: ["true"] }, { signal: AbortSignal.abort(reason) }), reason);
    });

    it("ends with SIGTERM first, so that a command can clean up", async () => {
      const result = await whenReady(
        (options) => sh("trap 'echo cleaned; exit 3' TERM; echo ready; while :; do sleep 0.05; done", options),
        { graceMs: 20_000 },
      );
      assert.equal(text(result), "ready\ncleaned\n");
      assert.equal(result.exit, 3);
    });

    it("ends what ignores SIGTERM when the grace is over", async () => {
      const result = await whenReady(
        (options) => sh("trap '' TERM; echo ready; while :; do sleep 0.05; done", options),
        { graceMs: 50 },
      );
      assert.deepEqual([result.exit, result.signal], [null, "SIGKILL"]);
    });

    it("ends at once when it is forced", async () => {
      const force = new AbortController();
      const result = await whenReady(
        (options) => sh("trap '' TERM; echo ready; while :; do sleep 0.05; done", options),
        { graceMs: 600_000, force: force.signal },
        () => force.abort(),
      );
      assert.equal(result.signal, "SIGKILL");
    });

    it("leaves nothing behind: not what forked twice, made its own session or ignores SIGTERM", async () => {
      const id = randomUUID();
      const escape =
        "trap '' TERM; (setsid sh -c 'trap \"\" TERM; (sleep 600 & sleep 600) & sleep 600' &) ; sleep 0.2; echo ready;";
      await whenReady((options) => sh(`${escape} sleep 600`, options, { env: { TEST_ID: id } }), { graceMs: 50 });
      assert.deepEqual(survivors(id), []);
      const result = await sh(`${escape} exit 0`, {}, { env: { TEST_ID: id } });
      assert.equal(result.exit, 0);
      assert.deepEqual(survivors(id), []);
    });

    it("names the memory limit that ended a tree", async () => {
      const result = await run(
        { argv: [process.execPath, "-e", "const kept = []; setInterval(() => kept.push(Buffer.alloc(2e7, 1)), 10)"] },
        { limits: { memoryBytes: 200e6 }, readable: [process.execPath] },
      );
      assert.equal(result.limit, "memory");
      assert.notEqual(result.exit, 0);
    });

    it("names the CPU limit, of all processes together", async () => {
      const result = await sh("(while :; do :; done) & while :; do :; done", { limits: { cpuSeconds: 0.6 } });
      assert.equal(result.limit, "cpu");
    });

    it("names the limit on processes, and ends what multiplies", async () => {
      const id = randomUUID();
      const result = await sh(
        "i=0; while [ $i -lt 300 ]; do sleep 600 & i=$((i+1)); done; wait",
        { limits: { processes: 40 } },
        { env: { TEST_ID: id } },
      );
      assert.equal(result.limit, "processes");
      assert.deepEqual(survivors(id), []);
    });

    it("names the limit on file sizes", async () => {
      const result = await sh("head -c 3000000 /dev/zero > big", { limits: { fileBytes: 1_000_000 } });
      assert.equal(result.limit, "file");
      assert.notEqual(result.exit, 0);
    });

    it("runs many at once without mixing them up", async () => {
      const results = await Promise.all(Array.from({ length: 12 }, (_, i) => sh(`echo ${i}; exit ${i}`)));
      assert.deepEqual(
        results.map((result) => [result.exit, text(result)]),
        Array.from({ length: 12 }, (_, i) => [i, `${i}\n`]),
      );
    });

    it("reads the run's base", async () => {
      const base = await mkdtemp(join(await realpath(tmpdir()), "maestro-base-"));
      try {
        await chmod(base, 0o755);
        await writeFile(join(base, "input"), "from the base\n", { mode: 0o644 });
        assert.equal(text(await sh(`cat '${base}/input'`, { readable: [base] })), "from the base\n");
        assert.equal(text(await sh("cat input", { readable: [base] }, { cwd: base })), "from the base\n");
      } finally {
        await rm(base, { recursive: true });
      }
    });
  });
}

export function contextFor(dir: string, sandbox: Sandbox, options: Partial<CommandContext> = {}): CommandContext {
  return {
    dir,
    sandbox,
    limits: {},
    signal: new AbortController().signal,
    graceMs: 1000,
    log: () => true,
    drained: async () => undefined,
    ...options,
  };
}

export function text(result: CommandResult): string {
  return Buffer.from(result.stdout).toString("utf8");
}

export function failure(code: string, message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof TaskFailure, String(error));
    assert.equal(error.error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  };
}

/** Calls a command off as soon as it has printed "ready". */
async function whenReady(
  run: (options: Partial<CommandContext>) => Promise<CommandResult>,
  options: Partial<CommandContext>,
  then?: () => void,
): Promise<CommandResult> {
  const controller = new AbortController();
  let seen = "";
  return run({
    ...options,
    signal: controller.signal,
    log: (_stream, bytes) => {
      seen += Buffer.from(bytes).toString("utf8");
      if (seen.includes("ready")) {
        controller.abort(new TaskFailure({ code: "CANCELLED", message: "called off" }));
        then?.();
      }
      return true;
    },
  });
}

/** Processes of this machine that carry `TEST_ID=id` in their environment and still live. */
export function survivors(id: string): readonly string[] {
  return readdirSync("/proc").filter(
    (pid) =>
      /^\d+$/.test(pid) &&
      contentOf(`/proc/${pid}/environ`).includes(`TEST_ID=${id}`) &&
      !/^\d+ \(.*\) Z/.test(contentOf(`/proc/${pid}/stat`)),
  );
}

function contentOf(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return ""; // It ended in the meantime, or is another user's.
  }
}
