import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parseDateTime, writeDateTime } from "./time.ts";

describe("writeDateTime()", () => {
  it("writes what Date does, however often and in whatever order it is asked", () => {
    const instants = fc.array(fc.integer({ min: 0, max: 253_402_300_799_999 }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(instants, (all) => {
        for (const ms of [...all, ...all.toReversed()]) {
          assert.equal(writeDateTime(ms), new Date(ms).toISOString());
          assert.equal(parseDateTime(writeDateTime(ms)), ms);
        }
      }),
    );
  });
});
