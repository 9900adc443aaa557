import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { OWNER, planOf, World } from "../../test/support/world.ts";
import { explainRun, explainTask } from "./explain.ts";

const FAN = { items: "[1, 2, 3]", as: "n", max: 100, onItemFailure: "continue" } as const;
const RETRY = { attempts: 3, initialMs: 1000, factor: 2, maxMs: 30_000, jitter: "none", onLost: "retry" } as const;

function kindOf(world: World, task = 0): string | undefined {
  return explainTask(world.program, world.run, world.run.tasks[task]!, world.now)?.kind;
}

describe("why a task waits", () => {
  it("is told of a fan-out that has done some of its items", () => {
    const world = new World(planOf([{ id: "f", forEach: FAN, retry: RETRY }]));
    world.end("f", {}, 0).end("f", { error: "UNAVAILABLE" }, 1).end("f", {}, 2);
    assert.equal(kindOf(world), "retry");
    assert.equal(explainRun(world.program, world.run, world.now), "retry");
  });

  it("is nothing while one of its items works", () => {
    const world = new World(planOf([{ id: "f", forEach: FAN, retry: RETRY }]));
    world.end("f", { error: "UNAVAILABLE" }, 0);
    assert.equal(kindOf(world), undefined);
    assert.equal(explainRun(world.program, world.run, world.now), null);
  });

  it("is the stop while what works is being stopped", () => {
    const world = new World(planOf([{ id: "f", forEach: FAN }]));
    world.end("f", {}, 0).send({ kind: "cancel", by: OWNER, reason: "", force: false });
    assert.equal(kindOf(world), "cancel");
  });
});
