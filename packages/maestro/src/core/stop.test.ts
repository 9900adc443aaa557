import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { OWNER, planOf, World } from "../../test/support/world.ts";
import { MaestroError } from "./problem.ts";
import { redecide } from "./replay.ts";

const child = {
  kind: "runbook",
  namespace: "test",
  name: "cleanup",
  version: "2.0.0",
  planDigest: "sha256:child",
} as const;
const cancel = { kind: "cancel", by: OWNER, reason: "enough", force: false } as const;

describe("a cancel", () => {
  it("ends a run that never started without its finally tasks", () => {
    const world = new World(planOf([{ id: "a" }, { id: "z", phase: "finally" }]), { queued: true });
    world.send(cancel);
    assert.equal(world.run.status, "cancelled");
    assert.deepEqual(world.statuses(), { a: "cancelled", z: "cancelled" });
    assert.ok(redecide(world.program, world.events).agrees);
  });

  it("told a second time stops the finally tasks", () => {
    const world = new World(planOf([{ id: "a" }, { id: "z", phase: "finally" }]));
    world.send(cancel).end("a", { error: "CANCELLED" });
    assert.deepEqual(world.working(), ["z"]);
    world.send(cancel);
    assert.ok(world.commands.some((command) => command.kind === "stop" && command.task === "z"));
    world.end("z", { error: "CANCELLED" });
    assert.equal(world.run.status, "cancelled");
  });

  it("tells only those to stop that are at work", () => {
    const world = new World(
      planOf([{ id: "f", uses: child, forEach: { items: "[1, 2]", as: "n", max: 2, onItemFailure: "continue" } }]),
    );
    const [first] = world.commands.flatMap((command) => (command.kind === "start_child" ? [command] : []));
    world.send(cancel);
    world.send({
      kind: "child_finished",
      task: "f",
      item: 0,
      childRun: first!.childRun,
      status: "cancelled",
      output: {},
    });
    world.commands.length = 0;
    world.send({ ...cancel, force: true });
    assert.equal(world.run.status, "cancelled");
    assert.deepEqual(
      world.commands.map((command) => command.kind === "cancel_child" && command.childRun !== first!.childRun),
      [true],
    );
  });
});

describe("the budget of attempts", () => {
  it("counts child runs too", () => {
    const world = new World(
      planOf([{ id: "f", uses: child, forEach: { items: "[1, 2, 3]", as: "n", max: 3, onItemFailure: "continue" } }], {
        budget: { tasks: 2 },
      }),
    );
    assert.equal(world.commands.filter((command) => command.kind === "start_child").length, 2);
    assert.equal(world.run.budgetError?.code, "BUDGET");
    assert.ok(redecide(world.program, world.events).agrees);
  });
});

describe("timeout.queue", () => {
  it("does not count the time people took to approve", () => {
    const world = new World(
      planOf([
        {
          id: "a",
          timeout: { queueMs: 5000 },
          approvals: { count: 1, roles: [], notRequester: false, expiresMs: 60_000 },
        },
      ]),
    );
    const request = world.events.find((event) => event.kind === "approval_requested");
    assert.ok(request?.kind === "approval_requested");
    world.pass(30_000);
    world.send({
      kind: "approve",
      approval: request.approval,
      verdict: "approve",
      by: OWNER,
      planDigest: world.program.digest,
      reason: "",
    });
    assert.deepEqual(world.working(), ["a"]);
  });

  it("does not count the time an item waited for its turn", () => {
    const world = new World(
      planOf([
        {
          id: "f",
          timeout: { queueMs: 5000 },
          forEach: { items: "[1, 2, 3]", as: "n", max: 1, onItemFailure: "stop" },
        },
      ]),
    );
    world.pass(4000).end("f", {}, 0).pass(4000).end("f", {}, 1).pass(4000).end("f", {}, 2);
    assert.equal(world.run.status, "succeeded");
    assert.ok(redecide(world.program, world.events).agrees);
  });

  it("counts on over a crash", () => {
    const world = new World(
      planOf([
        { id: "a" },
        { id: "f", timeout: { queueMs: 5000 }, forEach: { items: "[1, 2]", as: "n", max: 1, onItemFailure: "stop" } },
      ]),
      { queued: true },
    );
    world.slots = 1;
    world.send({ kind: "admitted" }).pass(3000);
    world.slots = 0;
    const again = World.resume(world);
    again.pass(1999);
    assert.equal(again.statuses()["f"], "active");
    again.pass(1);
    assert.equal(again.run.tasks[1]!.error?.code, "QUEUE_TIMEOUT");
  });
});

describe("an input that is no mapping", () => {
  it("fails the step that has it, and the run ends", () => {
    const world = new World(planOf([{ id: "a", with: "${{ inputs.x }}" }]), { inputs: { x: 3 } });
    assert.equal(world.run.status, "failed");
    assert.equal(world.run.error?.code, "INPUT_INVALID");
    assert.ok(redecide(world.program, world.events).agrees);
  });
});

describe("signals", () => {
  it("go to those who wait longest, one each", () => {
    const world = new World(
      planOf([
        {
          id: "f",
          uses: "wait",
          with: { signal: "go" },
          forEach: { items: "[1, 2]", as: "n", max: 1, onItemFailure: "stop" },
        },
        { id: "w", uses: "wait", with: { signal: "go" } },
      ]),
    );
    for (const payload of [1, 2, 3]) world.send({ kind: "signal", name: "go", payload, by: OWNER });
    assert.deepEqual(
      [
        world.run.tasks[1]!.steps[0]!.output,
        world.run.tasks[0]!.steps[0]!.output,
        world.run.tasks[0]!.steps[1]!.output,
      ],
      [
        { signal: "go", payload: 1 },
        { signal: "go", payload: 2 },
        { signal: "go", payload: 3 },
      ],
    );
    assert.ok(redecide(world.program, world.events).agrees);
  });

  it("are refused when a thousand lie unread", () => {
    const world = new World(planOf([{ id: "a" }]));
    for (let i = 0; i < 1000; i++) world.send({ kind: "signal", name: `s${i % 3}`, payload: i, by: OWNER });
    assert.throws(
      () => world.send({ kind: "signal", name: "s", payload: 0, by: OWNER }),
      (error: unknown) => error instanceof MaestroError && error.code === "limit_exceeded",
    );
  });
});
