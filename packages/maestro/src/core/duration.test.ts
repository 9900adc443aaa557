import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { DURATION_PATTERN, formatDuration, parseDuration } from "./duration.ts";

describe("parseDuration()", () => {
  const table: readonly (readonly [string, number | undefined])[] = [
    ["30s", 30_000],
    ["1h30m", 5_400_000],
    ["250ms", 250],
    ["1m1ms", 60_001],
    ["2d", 172_800_000],
    ["1w", 604_800_000],
    ["0s", 0],
    ["90m", 5_400_000],
    ["", undefined],
    ["30", undefined],
    ["s", undefined],
    ["1.5h", undefined],
    ["-1s", undefined],
    ["1s1h", undefined],
    ["1s1s", undefined],
    [" 1s", undefined],
    ["1s\n", undefined],
    ["1S", undefined],
    ["1 h", undefined],
    ["999999999w", undefined],
    ["٣s", undefined],
  ];
  for (const [text, ms] of table)
    it(`reads ${JSON.stringify(text)} as ${ms}`, () => assert.equal(parseDuration(text), ms));

  it("reads back what formatDuration() writes", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 3_000_000_000_000 }), (ms) => parseDuration(formatDuration(ms)) === ms),
    );
  });

  it("accepts only what the published pattern accepts", () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^[0-9wdhms]{0,8}$/),
        (text) => parseDuration(text) === undefined || new RegExp(DURATION_PATTERN).test(text),
      ),
    );
  });
});

describe("formatDuration()", () => {
  const table: readonly (readonly [number, string])[] = [
    [0, "0s"],
    [999, "999ms"],
    [1000, "1s"],
    [5_400_000, "1h30m"],
    [86_400_000, "1d"],
    [61_001, "1m1s1ms"],
    [-5, "0s"],
  ];
  for (const [ms, text] of table) it(`writes ${ms} as ${text}`, () => assert.equal(formatDuration(ms), text));
});
