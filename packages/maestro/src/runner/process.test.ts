import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { crash, openRunner } from "../../test/support/runner.ts";
import { contextFor, failure, survivors, testRunner, text } from "./contract.ts";
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

  it("reaps what a crashed engine left, and nothing of a living one", async () => {
    const id = randomUUID();
    await crash(fixture.workDir, "none", id);
    assert.notDeepEqual(survivors(id), []);
    assert.ok((await fixture.runner.reap()) > 0);
    assert.deepEqual(survivors(id), []);
    assert.equal(await fixture.runner.reap(), 0);
  });
});
