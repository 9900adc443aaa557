import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EngineBench } from "../../test/support/engine.ts";
import { planOf } from "../../test/support/world.ts";
import { taskTypes } from "../task/catalogue.ts";
import type { TaskType } from "../task/task.ts";

const ITEMS = { items: "[1, 2, 3, 4, 5, 6]", as: "n", max: 100, onItemFailure: "stop" } as const;

/** A type that programs carry out, which have room for so many attempts unless each gets a process of its own. */
function program(name: string, room: number): readonly [string, TaskType] {
  const exec = taskTypes().get("exec@1");
  assert.ok(exec !== undefined);
  const places: TaskType["places"] = (runner) => (runner?.sandbox === "strict" ? 0 : room);
  return [`${name}@1`, { ...exec, description: { ...exec.description, name }, places }];
}

describe("slots", () => {
  it("are of three kinds: what computes, what starts a command, and what a program that stays has room for", async () => {
    const types = new Map([...taskTypes(), program("wide", 4), program("narrow", 3)]);
    const bench = await EngineBench.open({ types, limits: { process: 2, resident: 4 } });
    try {
      const inSlots = (): readonly number[] =>
        (["inline", "process", "resident"] as const).map((slot) => bench.engine.attempts.inSlot(slot));
      await bench.run(planOf([{ id: "a", uses: "wide", forEach: ITEMS }]));
      assert.deepEqual(inSlots(), [0, 0, 4]);
      // One with less room than there are slots would let attempts wait behind their slot, where their time runs.
      await bench.run(planOf([{ id: "b", uses: "narrow", forEach: ITEMS }]));
      await bench.run(planOf([{ id: "c", uses: "exec", forEach: ITEMS }]));
      assert.deepEqual(inSlots(), [0, 2, 4]);
      assert.equal(bench.engine.attempts.working, 6);
      await bench.finish("a", undefined, 0);
      assert.deepEqual(inSlots(), [0, 2, 4], "the next one takes its slot");
    } finally {
      await bench.close();
    }
  });

  it("are those of commands where a plan wants walls around each attempt", async () => {
    const bench = await EngineBench.open({ types: new Map([program("wide", 4)]), limits: { process: 1, resident: 4 } });
    try {
      const runner = { kind: "process", sandbox: "strict" } as const;
      await bench.run(planOf([{ id: "a", uses: "wide", forEach: ITEMS, runner }]));
      assert.deepEqual([bench.engine.attempts.inSlot("process"), bench.engine.attempts.inSlot("resident")], [1, 0]);
    } finally {
      await bench.close();
    }
  });
});
