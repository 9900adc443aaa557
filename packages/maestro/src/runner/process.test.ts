import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { crash, openRunner } from "../../test/support/runner.ts";
import { contextFor, failure, survivors, testRunner, text } from "./contract.ts";
import { openLogs } from "./log-files.ts";
import { openProcessRunner } from "./process.ts";

testRunner("process", "none", openRunner);

describe("openProcessRunner()", () => {
  let fixture: Awaited<ReturnType<typeof openRunner>>;
  before(async () => {
    fixture = await openRunner();
  });
  after(() => fixture.close());

  it("refuses strict where there is no bubblewrap, before anything starts, and says what to install", async () => {
    const runner = await openProcessRunner({ workDir: fixture.workDir, hostname: "test", tools: {} });
    await assert.rejects(
      runner.run({ argv: ["touch", "ran"] }, contextFor(join(fixture.workDir, "r_1", "a"), "strict")),
      failure("ISOLATION", /bwrap.*not installed.*apt-get install bubblewrap/),
    );
  });

  it("runs preferred with what there is, and says so", async () => {
    const runner = await openProcessRunner({ workDir: fixture.workDir, hostname: "test", tools: {} });
    const result = await runner.run(
      { argv: ["sh", "-c", 'echo "$HOME"'] },
      contextFor(join(fixture.workDir, "r_1", "b"), "preferred"),
    );
    assert.deepEqual(
      [result.isolation.declared, result.isolation.measured, result.isolation.backend, result.isolation.ownProcesses],
      ["preferred", "none", "none", false],
    );
    assert.equal(text(result), `${join(fixture.workDir, "r_1", "b")}\n`);
  });

  it("refuses strict where bubblewrap is there but cannot work", async () => {
    const runner = await openProcessRunner({
      workDir: fixture.workDir,
      hostname: "test",
      tools: { bwrap: "/bin/false", setpriv: "/bin/false", env: "/bin/false" },
    });
    await assert.rejects(
      runner.run({ argv: ["true"] }, contextFor(join(fixture.workDir, "r_1", "c"), "strict")),
      failure("ISOLATION", /cannot isolate it/),
    );
  });

  it("keeps what is captured and what a task takes, while it lets go of what the log has", async () => {
    const logs = openLogs(join(fixture.dataDir, "logs"));
    const ref = { run: "r_1", task: "d", item: -1, attempt: 1 };
    const lines = Array.from({ length: 300_000 }, (_, i) => `line ${i} of many`).join("\n");
    const context = {
      log: (stream: "stdout" | "stderr", bytes: Uint8Array) => logs.append(ref, stream, bytes, 1),
      drained: () => logs.drained(ref),
    };
    const place = (name: string) => contextFor(join(fixture.workDir, "r_1", name), "none", context);
    const logged = (): Promise<string> => readFile(join(fixture.dataDir, "logs", "r_1", "d.1.log"), "utf8");
    const argv = ["cat"] as const;
    const { stdout } = await fixture.runner.run({ argv, stdin: lines, captureBytes: 2_500_000 }, place("d"));
    assert.ok(Buffer.from(stdout).toString() === lines.slice(0, 2_500_000));
    await logs.close(ref);
    assert.ok((await logged()) === lines);
    // The same once more on stderr while a task takes stdout.
    const taken: Uint8Array[] = [];
    const both = ["sh", "-c", "cat >copy; cat copy; cat copy >&2"] as const;
    const onStdout = (bytes: Uint8Array): boolean => taken.push(bytes) > 0;
    await fixture.runner.run(
      { argv: both, stdin: lines, captureBytes: 0, onStdout },
      {
        ...place("e"),
        log: (stream, bytes) => (stream === "stdout" ? onStdout(bytes) : context.log(stream, bytes)),
      },
    );
    await logs.close(ref);
    assert.ok(Buffer.concat(taken).toString() === lines);
    assert.ok((await logged()) === lines + lines);
  });

  it("reaps what a crashed engine left, and nothing of a living one", async () => {
    const id = randomUUID();
    await crash(fixture.workDir, "none", id);
    assert.notDeepEqual(survivors(id), []);
    assert.ok((await fixture.runner.reap()) > 0);
    assert.deepEqual(survivors(id), []);
    assert.equal(await fixture.runner.reap(), 0);
  });
});
