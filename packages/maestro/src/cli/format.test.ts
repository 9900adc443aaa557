import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ago, count, duration, grouped, shortId, size, usd } from "./format.ts";

describe("format", () => {
  for (const [ms, text] of [
    [0, "0.0s"],
    [-5, "0.0s"],
    [449, "0.4s"],
    [9940, "9.9s"],
    [9960, "10s"],
    [59_499, "59s"],
    [59_600, "1m00s"],
    [161_000, "2m41s"],
    [3_599_600, "1h00m"],
    [11_100_000, "3h05m"],
    [187_200_000, "2d4h"],
  ] as const) {
    it(`${ms} ms is ${text}`, () => assert.equal(duration(ms), text));
  }
  it("small values", () => {
    assert.equal(ago(61_000), "1m ago");
    assert.equal(grouped(1_234_567), "1,234,567");
    assert.equal(count(1, "task"), "1 task");
    assert.equal(count(1204, "task"), "1,204 tasks");
    assert.equal(size(3500), "3.4 KiB");
    assert.equal(size(12), "12 B");
    assert.equal(usd(400_000), "$0.40");
    assert.equal(shortId("r_01kskvgq08k2f3abcdef"), "abcdef");
  });
});
