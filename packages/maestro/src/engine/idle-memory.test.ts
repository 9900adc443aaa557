import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { TestContext } from "node:test";
import { IdleMemory } from "./idle-memory.ts";

describe("the memory of an engine at rest", () => {
  function make(t: TestContext) {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const seen = { at: 0, heap: 200 << 20, collected: 0 };
    const memory = new IdleMemory({
      heap: () => seen.heap,
      collect: () => void (seen.collected += 1),
      now: () => seen.at,
    });
    const pass = (ms: number): void => {
      seen.at += ms;
      t.mock.timers.tick(ms);
    };
    return { seen, memory, pass };
  }

  it("is given back when nothing was done for two seconds, once", (t) => {
    const { seen, memory, pass } = make(t);
    memory.rests();
    pass(1_999);
    assert.equal(seen.collected, 0);
    pass(1);
    assert.equal(seen.collected, 1);
    pass(120_000);
    assert.equal(seen.collected, 1);
  });

  it("is left alone between one turn and the next, however often the engine rests", (t) => {
    const { seen, memory, pass } = make(t);
    for (let turn = 0; turn < 1_000; turn++) {
      memory.rests();
      pass(1_900);
      memory.works();
    }
    assert.equal(seen.collected, 0);
  });

  it("is given back every half minute at most, and where there is much of it", (t) => {
    const { seen, memory, pass } = make(t);
    for (let turn = 0; turn < 20; turn++) {
      memory.rests();
      pass(3_000);
      memory.works();
    }
    assert.equal(seen.collected, 2);
    seen.heap = 40 << 20;
    memory.rests();
    pass(60_000);
    assert.equal(seen.collected, 2);
  });
});
