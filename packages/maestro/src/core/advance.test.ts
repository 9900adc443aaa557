import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { OWNER, planOf, World } from "../../test/support/world.ts";
import { MaestroError } from "./problem.ts";

const FAN = { items: "[1, 2, 3]", as: "n", max: 100, onItemFailure: "stop" } as const;
const RETRY = { attempts: 3, initialMs: 1000, factor: 2, maxMs: 30_000, jitter: "full", onLost: "retry" } as const;

describe("dependencies", () => {
  it("starts what needs nothing, then what became ready, and ends", () => {
    const world = new World(planOf([{ id: "a" }, { id: "b" }, { id: "c", needs: ["a", "b"] }]));
    assert.deepEqual(world.working(), ["a", "b"]);
    world.end("a");
    assert.deepEqual(world.working(), ["b"]);
    world.end("b").end("c");
    assert.equal(world.run.status, "succeeded");
    assert.deepEqual(world.kinds().slice(-2), ["attempt_finished", "run_ended"]);
  });

  it("lets siblings settle after a failure, skips what depended on it, and fails", () => {
    const world = new World(planOf([{ id: "a" }, { id: "b" }, { id: "c", needs: ["a"] }, { id: "d", needs: ["c"] }]));
    world.end("a", { error: "EXIT" });
    assert.equal(world.run.status, "running");
    world.end("b");
    assert.equal(world.run.status, "failed");
    assert.deepEqual(world.statuses(), { a: "failed", b: "succeeded", c: "skipped", d: "skipped" });
    assert.match(world.run.error?.message ?? "", /^a: /);
  });

  it("takes continueOnError for a warning", () => {
    const world = new World(
      planOf([
        { id: "a", continueOnError: true },
        { id: "b", needs: ["a"] },
      ]),
    );
    world.end("a", { error: "EXIT" }).end("b");
    assert.equal(world.run.status, "succeeded");
    assert.equal(world.statuses()["a"], "failed");
  });

  it("skips on a false condition, and what needs the skipped", () => {
    const world = new World(planOf([{ id: "a", when: "inputs.go" }, { id: "b", needs: ["a"] }, { id: "c" }]), {
      inputs: { go: false },
    });
    world.end("c");
    assert.deepEqual(world.statuses(), { a: "skipped", b: "skipped", c: "succeeded" });
    assert.equal(world.run.status, "succeeded");
  });

  it("asks a condition that reads statuses even when a need failed", () => {
    const world = new World(
      planOf([{ id: "a" }, { id: "b", needs: ["a"], when: 'tasks.a.status == "failed"', whenReadsStatus: true }]),
    );
    world.end("a", { error: "EXIT" });
    assert.deepEqual(world.working(), ["b"]);
  });

  it("fails a task whose condition is no condition, saying what it gave", () => {
    const world = new World(planOf([{ id: "a", when: "inputs.n" }]), { inputs: { n: 3 } });
    assert.equal(world.run.status, "failed");
    assert.match(world.run.error?.message ?? "", /it gave 3 and must be true or false/);
  });

  it("ends a run without tasks at once", () => {
    assert.equal(new World(planOf([])).run.status, "succeeded");
  });

  it("gives outputs, and fails the run whose outputs cannot be evaluated", () => {
    const good = new World(planOf([{ id: "a" }], { outputs: { sum: "${{ tasks.a.output.x }}" } }));
    good.end("a", { output: { x: 7 } });
    assert.deepEqual(good.run.outputs, { sum: 7 });
    const bad = new World(planOf([{ id: "a" }], { outputs: { sum: "${{ tasks.a.output.y }}" } }));
    bad.end("a", { output: { x: 7 } });
    assert.equal(bad.run.status, "failed");
    assert.match(bad.run.error?.message ?? "", /outputs/);
  });
});

describe("fan-out", () => {
  it("starts at most max items and keeps results in item order", () => {
    const world = new World(
      planOf([
        {
          id: "f",
          forEach: { ...FAN, items: "[10, 20, 30]", max: 2 },
          with: { n: "${{ n }}", at: "${{ item.index }}" },
        },
        { id: "j", needs: ["f"], with: { all: "${{ tasks.f.output }}" } },
      ]),
    );
    assert.deepEqual(world.working(), ["f[0]", "f[1]"]);
    world.end("f", { output: "second" }, 1).end("f", { output: "third" }, 2).end("f", { output: "first" }, 0);
    const join = world.atWork[0];
    assert.deepEqual(join?.input, { all: ["first", "second", "third"] });
  });

  it("passes each item and its index", () => {
    const world = new World(planOf([{ id: "f", forEach: FAN, with: { n: "${{ n }}", at: "${{ item.index }}" } }]));
    assert.deepEqual(
      world.atWork.map((command) => command.input),
      [
        { n: 1, at: 0 },
        { n: 2, at: 1 },
        { n: 3, at: 2 },
      ],
    );
  });

  it("stops at the first failure by default and closes what it never started", () => {
    const world = new World(planOf([{ id: "f", forEach: { ...FAN, max: 1 } }]));
    world.end("f", { error: "EXIT" }, 0);
    assert.equal(world.run.status, "failed");
    const task = world.run.tasks[0]!;
    assert.deepEqual([task.succeeded, task.failed, task.cancelled, task.open], [0, 1, 2, 0]);
  });

  it("goes on after a failure when told to, and is failed at the end with counts", () => {
    const world = new World(
      planOf([
        { id: "f", forEach: { ...FAN, max: 1, onItemFailure: "continue" } },
        { id: "j", needs: ["f"], when: "tasks.f.failed == 1 && tasks.f.succeeded == 2", whenReadsStatus: true },
      ]),
    );
    world.end("f", { error: "EXIT" }, 0).end("f", {}, 1).end("f", {}, 2);
    assert.deepEqual(world.working(), ["j"]);
    world.end("j");
    assert.equal(world.run.status, "failed");
  });

  it("is done at once with no items, and refuses what is no list or too long", () => {
    const empty = new World(planOf([{ id: "f", forEach: { ...FAN, items: "[]" } }]));
    assert.equal(empty.run.status, "succeeded");
    const none = new World(planOf([{ id: "f", forEach: { ...FAN, items: "inputs.n" } }]), { inputs: { n: 3 } });
    assert.match(none.run.error?.message ?? "", /must be a list/);
    const long = new World(planOf([{ id: "f", forEach: { ...FAN, items: "inputs.n" } }]), {
      inputs: { n: new Array<number>(100_001).fill(1) },
    });
    assert.match(long.run.error?.message ?? "", /more than 100000/);
  });
});

describe("retry", () => {
  it("tries again after the recorded, jittered delay, and counts", () => {
    const world = new World(planOf([{ id: "a", retry: RETRY }]));
    world.end("a", { error: "UNAVAILABLE" });
    const scheduled = world.events.at(-1);
    assert.ok(scheduled?.kind === "retry_scheduled");
    assert.equal(scheduled.dueAt - scheduled.at, 500);
    assert.deepEqual(world.working(), []);
    world.pass(499);
    assert.deepEqual(world.working(), []);
    world.pass(1).end("a", { error: "UNAVAILABLE" }).pass(1000).end("a", { error: "UNAVAILABLE" });
    assert.equal(world.run.status, "failed");
    assert.equal(world.run.tasks[0]!.steps[0]!.attempt, 3);
  });

  it("reads `on`, and never retries what is final", () => {
    const on = new World(planOf([{ id: "a", retry: { ...RETRY, on: 'error.code in ["TIMEOUT"]' } }]));
    on.end("a", { error: "EXIT" });
    assert.equal(on.run.status, "failed");
    const final = new World(planOf([{ id: "a", retry: RETRY }]));
    final.end("a", { error: "EXIT", final: true });
    assert.equal(final.run.status, "failed");
  });

  it("starts a lost attempt again at once without counting it, but not for ever", () => {
    const world = new World(planOf([{ id: "a" }]));
    for (let i = 0; i < 5; i++) world.end("a", { error: "LOST" }).pass(0);
    assert.deepEqual(world.working(), ["a"]);
    world.end("a", { error: "LOST" });
    assert.equal(world.run.status, "failed");
    const once = new World(planOf([{ id: "a", retry: { ...RETRY, onLost: "fail" } }]));
    once.end("a", { error: "LOST" });
    assert.equal(once.run.status, "failed");
  });
});

describe("time", () => {
  it("fails a step that found no slot in time", () => {
    const world = new World(planOf([{ id: "a" }, { id: "b", timeout: { queueMs: 5000 } }]), { queued: true });
    world.slots = 1;
    world.send({ kind: "admitted" });
    world.pass(5000);
    assert.equal(world.statuses()["b"], "failed");
    assert.equal(world.run.tasks[1]!.error?.code, "QUEUE_TIMEOUT");
  });

  it("polls until the condition holds, or gives up", () => {
    const until = { condition: "task.output.ready", everyMs: 1000, max: 3 };
    const world = new World(planOf([{ id: "a", until }]));
    world
      .end("a", { output: { ready: false } })
      .pass(1000)
      .end("a", { output: { ready: true } });
    assert.equal(world.run.status, "succeeded");
    const never = new World(planOf([{ id: "a", until }]));
    never
      .end("a", { output: { ready: false } })
      .pass(1000)
      .end("a", { output: { ready: false } })
      .pass(1000)
      .end("a", { output: { ready: false } });
    assert.equal(never.run.error?.code, "UNTIL");
  });

  it("waits for a duration, a signal, or a signal at most so long", () => {
    const timer = new World(planOf([{ id: "w", uses: "wait", with: { duration: "10s" } }]));
    timer.pass(9999);
    assert.equal(timer.run.status, "running");
    timer.pass(1);
    assert.equal(timer.run.status, "succeeded");
    const signal = new World(
      planOf([{ id: "w", uses: "wait", with: { signal: "go" } }], {
        outputs: { got: "${{ tasks.w.output.payload }}" },
      }),
    );
    signal.send({ kind: "signal", name: "other", payload: 1, by: OWNER });
    assert.equal(signal.run.status, "running");
    signal.send({ kind: "signal", name: "go", payload: { x: 1 }, by: OWNER });
    assert.deepEqual(signal.run.outputs, { got: { x: 1 } });
    const late = new World(planOf([{ id: "w", uses: "wait", with: { signal: "go", timeout: "1m" } }]));
    late.pass(60_000);
    assert.equal(late.run.error?.code, "TIMEOUT");
  });

  it("keeps a signal that comes before its wait", () => {
    const world = new World(planOf([{ id: "a" }, { id: "w", needs: ["a"], uses: "wait", with: { signal: "go" } }]));
    world.send({ kind: "signal", name: "go", payload: 1, by: OWNER }).end("a");
    assert.equal(world.run.status, "succeeded");
  });
});

describe("budgets", () => {
  it("stops at the wall, at the number of attempts and at the money, and says which", () => {
    const wall = new World(planOf([{ id: "a" }, { id: "b", needs: ["a"] }], { budget: { wallMs: 1000 } }));
    wall.pass(1000);
    assert.ok(wall.commands.some((command) => command.kind === "stop" && command.task === "a"));
    wall.end("a", { error: "BUDGET" });
    assert.match(wall.run.error?.message ?? "", /1000 ms of wall time/);
    const tasks = new World(planOf([{ id: "a" }, { id: "b", needs: ["a"] }], { budget: { tasks: 1 } }));
    tasks.end("a");
    assert.equal(tasks.run.error?.code, "BUDGET");
    const usd = new World(planOf([{ id: "a" }, { id: "b", needs: ["a"] }], { budget: { usdMicros: 100 } }));
    usd.end("a", { usd: 101 });
    assert.equal(usd.run.status, "failed");
    assert.equal(usd.statuses()["b"], "cancelled");
  });
});

describe("cancel", () => {
  it("cancels what waits, stops what works, runs finally, and ends", () => {
    const world = new World(
      planOf([
        { id: "a" },
        { id: "b", needs: ["a"] },
        { id: "z", phase: "finally", with: { was: "${{ run.status }}" } },
      ]),
    );
    world.send({ kind: "cancel", by: OWNER, reason: "changed my mind", force: false });
    assert.equal(world.run.status, "cancelling");
    assert.ok(world.commands.some((command) => command.kind === "stop" && command.task === "a"));
    world.end("a", { error: "CANCELLED" });
    assert.deepEqual(world.atWork[0]?.input, { was: "cancelled" });
    world.end("z");
    assert.equal(world.run.status, "cancelled");
    assert.deepEqual(world.statuses(), { a: "cancelled", b: "cancelled", z: "succeeded" });
  });

  it("waits for nothing when forced, and a late result counts for nothing", () => {
    const world = new World(planOf([{ id: "a" }, { id: "z", phase: "finally" }]));
    world
      .send({ kind: "cancel", by: OWNER, reason: "now", force: false })
      .send({ kind: "cancel", by: OWNER, reason: "now!", force: true });
    assert.equal(world.run.status, "cancelled");
    const before = world.events.length;
    world.end("a");
    assert.equal(world.events.length, before);
  });

  for (const [state, sketch] of [
    ["queued", null],
    ["waiting for a timer", { id: "w", uses: "wait", with: { duration: "1h" } }],
    ["waiting for a signal", { id: "w", uses: "wait", with: { signal: "go" } }],
    ["waiting for approval", { id: "w", approvals: { count: 1, roles: [], notRequester: false, expiresMs: 1000 } }],
    ["retrying", { id: "w", retry: RETRY }],
  ] as const) {
    it(`ends a run that is ${state} at once`, () => {
      const world = new World(planOf(sketch === null ? [{ id: "w" }] : [sketch]), { queued: sketch === null });
      if (state === "retrying") world.end("w", { error: "UNAVAILABLE" });
      world.send({ kind: "cancel", by: OWNER, reason: "enough", force: false });
      assert.equal(world.run.status, "cancelled");
      assert.throws(
        () => world.send({ kind: "cancel", by: OWNER, reason: "again", force: false }),
        (error: unknown) => error instanceof MaestroError && error.code === "conflict",
      );
    });
  }
});

describe("failure", () => {
  it("undoes what succeeded, the latest first, one at a time, then runs finally", () => {
    const undo = {
      uses: { kind: "type", name: "noop", version: 1, digest: "sha256:x" },
      with: { of: "${{ tasks.a.output.id }}" },
      effects: [],
    } as const;
    const world = new World(
      planOf(
        [
          { id: "a", undo },
          { id: "b", needs: ["a"], undo },
          { id: "c", needs: ["b"] },
          { id: "z", phase: "finally" },
        ],
        { onFailure: "rollback" },
      ),
    );
    world
      .end("a", { output: { id: 1 } })
      .end("b")
      .end("c", { error: "EXIT" });
    assert.deepEqual(
      world.atWork.map((command) => [command.task, command.undo, command.attempt]),
      [["b", true, 2]],
    );
    world.end("b");
    assert.deepEqual(
      world.atWork.map((command) => [command.task, command.input]),
      [["a", { of: 1 }]],
    );
    world.end("a", { error: "EXIT" });
    world.end("z");
    assert.equal(world.run.status, "failed");
    assert.deepEqual(
      world.run.tasks.slice(0, 2).map((task) => task.steps[0]!.status),
      ["undo_failed", "undone"],
    );
  });

  it("fails a run whose finally task failed", () => {
    const world = new World(planOf([{ id: "a" }, { id: "z", phase: "finally" }]));
    world.end("a").end("z", { error: "EXIT" });
    assert.equal(world.run.status, "failed");
  });

  it("runs failed tasks and what depended on them again, in the same run, keeping what succeeded", () => {
    const world = new World(
      planOf([
        { id: "a" },
        { id: "f", needs: ["a"], forEach: { ...FAN, onItemFailure: "continue" } },
        { id: "j", needs: ["f"] },
      ]),
    );
    world.end("a").end("f", {}, 0).end("f", { error: "EXIT" }, 1).end("f", {}, 2);
    assert.equal(world.run.status, "failed");
    world.send({ kind: "retry", by: OWNER });
    assert.deepEqual(world.working(), ["f[1]"]);
    assert.equal(world.atWork[0]?.attempt, 2);
    world.end("f", {}, 1).end("j");
    assert.equal(world.run.status, "succeeded");
  });

  it("refuses to retry what runs, what succeeded and what was rolled back", () => {
    const code = (wanted: string) => (error: unknown) => error instanceof MaestroError && error.code === wanted;
    const world = new World(planOf([{ id: "a" }]));
    assert.throws(() => world.send({ kind: "retry", by: OWNER }), code("conflict"));
    world.end("a");
    assert.throws(() => world.send({ kind: "retry", by: OWNER }), code("conflict"));
    assert.throws(() => world.send({ kind: "retry", by: OWNER, tasks: ["nope"] }), code("not_found"));
  });
});

describe("gate", () => {
  it("ends a denied run with the reasons, and nothing of it ever starts", () => {
    const world = new World(planOf([{ id: "a" }]), {
      decision: {
        id: "d",
        allow: false,
        reasons: ["no purpose"],
        rules: ["r"],
        policyDigest: "sha256:p",
        requestDigest: "sha256:q",
        engine: "test",
      },
    });
    assert.equal(world.run.status, "denied");
    assert.match(world.run.error?.message ?? "", /no purpose/);
    assert.deepEqual(world.kinds(), ["run_created", "policy_decided", "run_ended"]);
  });

  it("is asked for each step with effects before it starts", () => {
    const world = new World(planOf([{ id: "f", forEach: FAN, effects: ["network"] }]));
    assert.equal(
      world.events.filter((event) => event.kind === "policy_decided" && event.action === "task.execute").length,
      3,
    );
    assert.equal(world.working().length, 3);
  });
});

describe("children", () => {
  const uses = {
    kind: "runbook",
    namespace: "test",
    name: "cleanup",
    version: "2.0.0",
    planDigest: "sha256:child",
  } as const;

  it("starts a child run and takes its outputs for the task's", () => {
    const world = new World(planOf([{ id: "c", uses, with: { x: 1 } }], { outputs: { y: "${{ tasks.c.output.y }}" } }));
    const command = world.commands.find((candidate) => candidate.kind === "start_child");
    assert.ok(command?.kind === "start_child");
    world.send({
      kind: "child_finished",
      task: "c",
      item: -1,
      childRun: command.childRun,
      status: "succeeded",
      output: { y: 2 },
      receipt: "sha256:r",
    });
    assert.deepEqual(world.run.outputs, { y: 2 });
  });

  it("fails with its child, cancels it when cancelled, and ignores another's answer", () => {
    const world = new World(planOf([{ id: "c", uses }]));
    world.send({ kind: "child_finished", task: "c", item: -1, childRun: "r_other", status: "succeeded", output: {} });
    assert.equal(world.run.status, "running");
    world.send({ kind: "cancel", by: OWNER, reason: "stop", force: false });
    const cancel = world.commands.find((candidate) => candidate.kind === "cancel_child");
    assert.ok(cancel?.kind === "cancel_child");
    world.send({
      kind: "child_finished",
      task: "c",
      item: -1,
      childRun: cancel.childRun,
      status: "cancelled",
      output: {},
    });
    assert.equal(world.run.status, "cancelled");
  });
});
