import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { steadyClock } from "./clock.ts";

/** A wall clock that a test sets, beside a monotonic one that only goes on. */
function clocks(): {
  wall: number;
  monotonic: number;
  pass(ms: number): void;
  readonly clock: ReturnType<typeof steadyClock>;
} {
  const time = {
    wall: 1_000_000,
    monotonic: 0,
    pass(ms: number) {
      time.wall += ms;
      time.monotonic += ms;
    },
  };
  return Object.assign(time, {
    clock: steadyClock(
      () => time.wall,
      () => time.monotonic,
    ),
  });
}

describe("steadyClock()", () => {
  it("is the wall clock while that goes on as it should", () => {
    const time = clocks();
    for (const ms of [0, 1, 250, 60_000]) {
      time.pass(ms);
      assert.equal(time.clock.now(), time.wall);
    }
  });

  it("follows a step forward at once", () => {
    const time = clocks();
    time.wall += 3_600_000;
    assert.equal(time.clock.now(), 4_600_000);
  });

  it("walks at half speed after a step back, and meets the wall when twice the step has passed", () => {
    const time = clocks();
    time.wall -= 10_000;
    assert.equal(time.clock.now(), 1_000_000);
    for (const [ms, expected] of [
      [1000, 1_000_500],
      [9000, 1_005_000],
      [9998, 1_009_999],
      [2, 1_010_000],
      [500, 1_010_500],
    ] as const) {
      time.pass(ms);
      assert.equal(time.clock.now(), expected);
    }
  });

  const step = fc.record({
    jump: fc.integer({ min: -1_000_000, max: 1_000_000 }),
    pass: fc.integer({ min: 0, max: 100_000 }),
  });

  it("never goes back, whatever the wall clock does", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
        const time = clocks();
        let last = time.clock.now();
        for (const { jump, pass } of steps) {
          time.wall += jump;
          time.pass(pass);
          const now = time.clock.now();
          assert.ok(now >= last && now >= time.wall);
          last = now;
        }
      }),
    );
  });

  it("never freezes: of any time that passes at least half is seen", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
        const time = clocks();
        const first = time.clock.now();
        let passed = 0;
        for (const { jump, pass } of steps) {
          time.wall += jump;
          time.pass(pass);
          passed += pass;
          assert.ok(time.clock.now() >= Math.floor(first + passed / 2));
        }
      }),
    );
  });

  it("is the wall clock again once twice the way it was set back has passed", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const time = clocks();
        for (const { jump, pass } of steps) {
          time.wall += jump;
          time.pass(pass);
          time.clock.now();
        }
        time.pass(2 * (time.clock.now() - time.wall + 1));
        assert.equal(time.clock.now(), time.wall);
      }),
    );
  });
});
