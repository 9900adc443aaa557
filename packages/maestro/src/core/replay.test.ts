import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { diceOf, plans, play, worldOf } from "../../test/support/random-run.ts";
import { planOf, snapshot, World } from "../../test/support/world.ts";
import type { RunEvent } from "./event.ts";
import { MaestroError } from "./problem.ts";
import { redecide, replay } from "./replay.ts";

describe("any run of any plan", () => {
  it("ends, replays to the same bytes, and is decided the same way again", () => {
    fc.assert(
      fc.property(plans, fc.integer(), (plan, seed) => {
        const dice = diceOf(seed);
        assertSound(play(worldOf(plan, dice), dice));
      }),
      { numRuns: 400 },
    );
  });

  it("goes on after a crash at any event, to an end that is as sound", () => {
    fc.assert(
      fc.property(plans, fc.integer(), fc.nat(), (plan, seed, cut) => {
        const dice = diceOf(seed);
        const whole = play(worldOf(plan, dice), dice);
        const half = World.resume(whole, whole.durable[cut % whole.durable.length]);
        assertSound(play(half, dice));
      }),
      { numRuns: 400 },
    );
  });
});

function assertSound(world: World): void {
  const history = JSON.parse(JSON.stringify(world.events)) as RunEvent[];
  assert.equal(snapshot(replay(world.program, history)), snapshot(world.run));
  const again = redecide(world.program, history);
  assert.ok(again.agrees, JSON.stringify(again));
  assert.equal(snapshot(again.run), snapshot(world.run));
  assertSettled(world);
  assertCountedOnce(history);
}

/** No attempt is started twice under one name, and none has two results. */
function assertCountedOnce(history: readonly RunEvent[]): void {
  for (const kind of ["attempt_started", "attempt_finished"] as const) {
    const names = history.flatMap((event) =>
      event.kind === kind ? [`${event.task}/${event.item}/${event.attempt}`] : [],
    );
    assert.equal(new Set(names).size, names.length, `${kind}: ${names.join()}`);
  }
}

function assertSettled(world: World): void {
  const { run } = world;
  for (const task of run.tasks) {
    assert.ok(
      task.status !== "pending" && task.status !== "active" ? task.open === 0 && task.active === 0 : false,
      `${world.program.tasks[task.index]!.plan.id} is ${task.status}, open ${task.open}, active ${task.active}`,
    );
    if (task.items !== null && task.reusedFrom === null && task.status !== "skipped")
      assert.equal(task.succeeded + task.failed + task.cancelled >= task.items.length, true);
  }
  assert.equal(run.children, 0);
  assert.equal(run.running, run.tasks.flatMap((task) => task.steps).filter((step) => step.status === "undoing").length);
  for (const task of run.tasks) assert.equal(task.inFlight, 0);
  assert.equal(run.openMain, 0);
  assert.equal(run.openFinally, 0);
}

describe("replay()", () => {
  it("names the event that does not fit", () => {
    const world = new World(planOf([{ id: "a" }]));
    world.end("a");
    const events = world.events
      .filter((event) => event.kind !== "attempt_started")
      .map((event, i) => ({ ...event, seq: i + 1 }));
    assert.throws(
      () => replay(world.program, events),
      (error: unknown) =>
        error instanceof MaestroError &&
        error.code === "store_corrupt" &&
        /event 4 \(attempt_finished\)/.test(error.message),
    );
  });

  it("notices a decision that was changed", () => {
    const world = new World(planOf([{ id: "a" }, { id: "b", needs: ["a"], when: "inputs.x == 1" }]), {
      inputs: { x: 2 },
    });
    world.end("a");
    const forged = world.events.map((event) =>
      event.kind === "task_skipped" ? { ...event, reason: "upstream_failed" as const } : event,
    );
    const result = redecide(world.program, forged);
    assert.equal(result.agrees, false);
  });
});
