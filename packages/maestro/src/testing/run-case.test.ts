import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { after, before, describe, it } from "node:test";
import type { Expect, TestCase } from "./case.ts";
import { DEPLOY, folderWith } from "./example.ts";
import type { Folder } from "./example.ts";
import { differences } from "./expect.ts";
import type { Finished } from "./run-case.ts";
import { runCase } from "./run-case.ts";
import type { Runbook } from "./runbook.ts";

const FAKES = { "exec@1": { output: { exit: 0 } }, "http@1": { output: { status: 200 } } } as const;
const YES = { gate: "approve" } as const;

/** Without the folder it was started in, which is another each time. */
function historyOf({ histories }: Finished): readonly object[] {
  return histories.flatMap(({ events }) => events.map((event) => ({ ...event, base: "" })));
}

describe("a case", () => {
  let folder: Folder;
  let runbook: Runbook;
  before(async () => {
    folder = await folderWith({ "deploy.maestro.yaml": DEPLOY });
    runbook = await folder.load("deploy.maestro.yaml");
  });
  after(() => folder[Symbol.asyncDispose]());

  const run = (test: TestCase): Promise<Finished> => runCase(runbook, test, folder.dir);
  const expects = async (test: TestCase, expect: Expect): Promise<Finished> => {
    const finished = await run(test);
    assert.deepEqual(differences(expect, finished.record), []);
    return finished;
  };

  it("runs on fakes, takes no time, and has the events of production", async () => {
    const { record } = await expects(
      { fakes: FAKES, approvals: YES },
      {
        status: "succeeded",
        error: null,
        outputs: { told: "succeeded" },
        took: "0s",
        cost: { attempts: 5 },
        tasks: { gate: { waited: ["approval"] }, deploy: { attempts: 2, items: { succeeded: 2, failed: 0 } } },
        decisions: [
          { action: "run.start", allow: true },
          { task: "deploy", allow: true },
        ],
        plan: { effects: ["network", "process"], approvals: ["gate"] },
        that: ["tasks.deploy.output.all(one, one.exit == 0)", "events.size() > 10"],
      },
    );
    assert.deepEqual(record.events.slice(0, 6), [
      "run_created",
      "policy_decided allow run.start",
      "run_started",
      "policy_decided build allow",
      "attempt_started build",
      "attempt_finished build succeeded",
    ]);
  });

  it("is the same every time: ids, jitter, digests", async () => {
    const test: TestCase = { fakes: { ...FAKES, build: [{ fail: "DOWN" }, {}] }, approvals: YES };
    const [first, second] = [await run(test), await run(test)];
    assert.deepEqual(historyOf(first), historyOf(second));
    assert.notDeepEqual(historyOf(first), historyOf(await run({ ...test, seed: 2 })));
  });

  it("fails attempts as often as it says, and waits for retries in no time", async () => {
    await expects(
      { fakes: { ...FAKES, build: [{ fail: "DOWN", times: 2 }, { takes: "5s" }] }, approvals: YES },
      { status: "succeeded", took: "35s", tasks: { build: { attempts: 3, waited: ["retry"] } } },
    );
    await expects(
      { fakes: { ...FAKES, build: { fail: { code: "DOWN", message: "no network" } } } },
      {
        status: "failed",
        error: { code: "DOWN", message: "no network" },
        tasks: { build: { attempts: 3 }, gate: "skipped" },
      },
    );
    await expects(
      { fakes: { ...FAKES, build: { fail: { code: "DOWN", final: true } } } },
      { tasks: { build: { attempts: 1, error: "DOWN" } } },
    );
  });

  it("injects what goes wrong with runners: time-outs, silence, lost workers, a dead engine, results that come twice", async () => {
    const once = (fault: "timeout" | "silent" | "lost" | "duplicate" | "crash"): TestCase => ({
      fakes: { ...FAKES, build: [{ fault }, {}] },
      approvals: YES,
    });
    await expects(once("timeout"), {
      took: "70s",
      events: ["attempt_finished build failed TIMEOUT", "retry_scheduled build"],
    });
    await expects(once("silent"), { took: "30s", events: ["attempt_finished build failed HEARTBEAT"] });
    await expects(once("lost"), {
      took: "0s",
      events: ["attempt_finished build failed LOST", "attempt_started build"],
    });
    await expects(once("crash"), {
      status: "succeeded",
      events: ["attempt_finished build failed LOST", "attempt_started build"],
    });
    const { record } = await expects(once("duplicate"), { status: "succeeded", tasks: { build: { attempts: 1 } } });
    assert.equal(record.events.filter((line) => line === "attempt_finished build succeeded").length, 1);
  });

  it("does not let a fault go on for ever that nothing would end in production either", async () => {
    await assert.rejects(run({ fakes: { ...FAKES, deploy: { fault: "timeout" } }, approvals: YES }), {
      code: "invalid_test",
      message:
        "the fake of deploy[0] never answers (fault: timeout), and the task has no `timeout.run` that would end it",
    });
  });

  it("undoes in order", async () => {
    await expects(
      { fakes: { ...FAKES, check: { fail: "DOWN" } }, approvals: YES },
      {
        status: "failed",
        undone: ["deploy[1]", "deploy[0]", "build"],
        tasks: { build: { undo: "succeeded" }, tell: { output: "failed" } },
        events: ["rollback_started", "finally_started"],
        never: ["approval_expired"],
      },
    );
    await expects(
      { fakes: { ...FAKES, check: { fail: "DOWN" }, "deploy.undo": { fail: "STUCK" } }, approvals: YES },
      { status: "failed", undone: ["build"], tasks: { deploy: { undo: "failed" } } },
    );
  });

  it("knows who approves, who denies, who may not, and what expires", async () => {
    await expects(
      { fakes: FAKES, approvals: { gate: "deny" } },
      { status: "denied", error: "APPROVAL_DENIED", undone: ["build"] },
    );
    await expects(
      { fakes: FAKES, approvals: { gate: "expire" } },
      { status: "denied", error: "APPROVAL_EXPIRED", took: "1d", events: ["approval_expired gate"] },
    );
    await expects(
      {
        by: { id: "rita", roles: ["ops"] },
        fakes: FAKES,
        approvals: {
          gate: [
            { by: { id: "rita", roles: ["ops"] }, refused: "denied" },
            { by: "nobody", refused: "denied" },
            { by: { id: "otto", roles: ["ops"] }, after: "1h" },
            { by: { id: "otto", roles: ["ops"] }, after: "1h", refused: "conflict" },
            { by: { id: "anna", roles: ["ops"] }, after: "2h", reason: "green" },
          ],
        },
      },
      {
        status: "succeeded",
        took: "2h",
        events: ["approval_given gate approve otto", "approval_given gate approve anna"],
      },
    );
    await assert.rejects(run({ fakes: FAKES, approvals: { gate: { by: "nobody" } } }), {
      code: "invalid_test",
      message: /^the vote of nobody on gate was refused \(denied: nobody has none of the roles ops\)$/,
    });
    await assert.rejects(run({ fakes: FAKES, approvals: { gate: { refused: "denied" } } }), {
      message: "the vote of approver-1 on gate was to be refused (denied), and it was taken",
    });
    await assert.rejects(run({ fakes: FAKES }), {
      code: "invalid_test",
      message: "gate asks 2 people for approval, and the case does not say who answers",
    });
  });

  it("cancels at a point: during an attempt, an item, a wait, or after a time", async () => {
    for (const cancel of [{ during: "build" }, { during: "deploy[1]" }, { during: "gate" }, { during: "check" }])
      await expects({ fakes: FAKES, approvals: YES, cancel }, { status: "cancelled", error: "CANCELLED" });
    await expects(
      { fakes: { ...FAKES, build: { takes: "50s" } }, cancel: { after: "40s", reason: "wrong version" } },
      { status: "cancelled", took: "40s", error: { message: "wrong version" } },
    );
    await assert.rejects(run({ inputs: { hosts: [] }, fakes: FAKES, approvals: YES, cancel: { during: "check" } }), {
      message: "cancel.during: check was never at work; the run succeeded",
    });
  });

  it("lets a signal come too late, and shows what ended the run instead", async () => {
    await using waits = await folderWith({
      "wait.maestro.yaml": DEPLOY.replace(
        "message: ship it }",
        "message: ship it }\n    go: { uses: wait@1, with: { signal: go } }",
      ),
    });
    const other = await waits.load("wait.maestro.yaml");
    const { record } = await runCase(
      other,
      { fakes: { ...FAKES, build: { fail: { code: "DOWN", final: true } } }, signals: [{ name: "go", after: "1h" }] },
      waits.dir,
    );
    assert.deepEqual([record.status, record.error?.code], ["failed", "DOWN"]);
  });

  it("names events of items by their task too", async () => {
    const { record } = await run({ fakes: FAKES, approvals: YES });
    assert.deepEqual(differences({ events: ["attempt_started deploy", "attempt_started deploy[1]"] }, record), []);
    const [found] = differences({ never: ["attempt_finished deploy succeeded"] }, record);
    assert.equal(found?.note, "it happened: attempt_finished deploy[0] succeeded");
    assert.deepEqual(differences({ never: ["attempt_finished deploy failed", "attempt_started"] }, record).length, 1);
  });

  it("is denied where the case says that policy denies", async () => {
    await expects(
      { fakes: FAKES, approvals: YES, deny: ["deploy"] },
      { status: "denied", decisions: [{ task: "deploy", allow: false }], never: ["attempt_started deploy"] },
    );
    await expects({ fakes: FAKES, deny: ["run.start"] }, { status: "denied", never: ["run_started"] });
    await expects(
      { fakes: FAKES, purpose: "fun" },
      { status: "denied", error: { message: "purpose fun is not one of operations" } },
    );
  });

  it("sees a start that is refused", async () => {
    await expects(
      { inputs: { hosts: 5 } },
      { status: "refused", error: { code: "invalid_input", message: "hosts must be array" } },
    );
  });

  it("never does to the world what the case did not ask for", async () => {
    await assert.rejects(run({}), {
      code: "invalid_test",
      message: "build uses exec@1 (effects: process), and the case has no fake for it; nothing of it was run",
    });
    await assert.rejects(
      run({
        fakes: { ...FAKES, "exec@1": { output: { exit: 0 } }, check: { real: true } },
        approvals: YES,
        limits: { real: "1ms" },
      }),
      {
        code: "timed_out",
      },
    );
  });

  it("gives fakes the input, by template or function, and checks what they give", async () => {
    const said: string[] = [];
    await expects(
      {
        inputs: { hosts: ["x", "y"] },
        fakes: {
          ...FAKES,
          "deploy[1]": ({ input, item }) => {
            said.push(JSON.stringify([input, item]));
            return { exit: 0, value: "own" };
          },
          deploy: { output: { exit: 0, value: "${{ input.argv[1] + string(attempt) }}" } },
        },
        approvals: YES,
      },
      {
        tasks: {
          deploy: {
            output: [
              { exit: 0, value: "x1" },
              { exit: 0, value: "own" },
            ],
            input: [{ argv: ["deploy", "x"] }, { argv: ["deploy", "y"] }],
          },
        },
      },
    );
    assert.deepEqual(said, ['[{"argv":["deploy","y"]},1]']);
    await assert.rejects(run({ fakes: { ...FAKES, build: () => ({ exit: "zero" }) } }), {
      code: "invalid_test",
      message: "the fake of build gives what exec@1 cannot give: output/exit must be integer, is string",
    });
    await assert.rejects(run({ fakes: { ...FAKES, build: { output: { exit: "${{ input.nothing }}" } } } }), {
      code: "invalid_test",
      message: /^the output of the fake of build: /,
    });
    const broken = (): never => {
      throw new TypeError("no such thing");
    };
    await assert.rejects(run({ fakes: { ...FAKES, build: broken } }), {
      code: "invalid_test",
      message: "the fake of build threw no such thing",
    });
    await assert.rejects(run({ fakes: { ...FAKES, build: { fail: "DOWN", times: 2 } } }), {
      message: "the fake of build says what its 2 attempts do, and this is attempt 3",
    });
  });

  it("keeps artifacts and costs of fakes", async () => {
    await expects(
      {
        fakes: {
          ...FAKES,
          build: { artifacts: { "a.txt": "1", "b/c.txt": "2" }, usage: { usd: 0.4, tokens: 7 }, log: "hi\n" },
        },
        approvals: YES,
      },
      { tasks: { build: { artifacts: ["a.txt", "b/c.txt"] } }, cost: { usd: 0.4, tokens: 7 } },
    );
    await assert.rejects(run({ fakes: { ...FAKES, build: { artifacts: { "../x": "1" } } } }), { code: "invalid_test" });
  });

  it("says that a case does not end, and why", async () => {
    await assert.rejects(run({ fakes: { ...FAKES, check: { output: { status: 503 } } }, approvals: YES }), {
      code: "limit_exceeded",
      message:
        "check has been tried 1000 times and the run does not end: its `until` or `retry` never gets what it waits for",
    });
    await assert.rejects(
      run({ fakes: { ...FAKES, check: { output: { status: 503 } } }, approvals: YES, limits: { events: 50 } }),
      { code: "limit_exceeded", message: /^the run has not ended after 50 events; its last events are .*check/ },
    );
    await assert.rejects(
      run({ fakes: { ...FAKES, check: { output: { status: 503 } } }, approvals: YES, limits: { time: "5m" } }),
      { code: "limit_exceeded", message: /^the run has not ended after 5m of the world's time/ },
    );
  });

  it("carries a wide fan-out", async () => {
    const hosts = Array.from({ length: 5000 }, (_, i) => `host-${i}`);
    await expects(
      { inputs: { hosts }, fakes: FAKES, approvals: YES },
      { status: "succeeded", tasks: { deploy: { items: { succeeded: 5000 } } } },
    );
  });

  it("leaves nothing behind, and runs beside others without seeing them", async () => {
    const left = (): number => readdirSync(tmpdir()).filter((name) => name.startsWith("maestro-test-")).length;
    const earlier = left();
    const results = await Promise.all(
      [1, 2, 3, 4].map((n) =>
        run({ inputs: { hosts: Array.from({ length: n }, () => "h") }, fakes: FAKES, approvals: YES }),
      ),
    );
    assert.deepEqual(
      results.map(({ record }) => record.tasks["deploy"]?.attempts),
      [1, 2, 3, 4],
    );
    assert.ok(left() <= earlier);
  });
});
