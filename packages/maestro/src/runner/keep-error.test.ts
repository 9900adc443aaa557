import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { canonical } from "../core/canonical.ts";
import type { JsonValue } from "../core/json.ts";
import { keepError, MAX_DETAILS_CHARACTERS, MAX_ERROR_CHARACTERS } from "./keep-error.ts";

function nested(depth: number): JsonValue {
  let value: JsonValue = [];
  for (let i = 0; i < depth; i++) value = [value];
  return value;
}

describe("an error that is kept", () => {
  it("is what it was", () => {
    const error = { code: "X", message: "m", final: true, details: { a: [1] } };
    assert.deepEqual(keepError(error), { error });
    assert.deepEqual(keepError({ code: "X", message: "m" }), { error: { code: "X", message: "m" } });
  });

  it("has a message of a size that is Unicode", () => {
    const { error } = keepError({ code: "X", message: `\ud800${"x".repeat(100_000)}` });
    assert.equal(error.message.length, MAX_ERROR_CHARACTERS);
    assert.ok(error.message.startsWith("\ufffdx") && error.message.endsWith("x…"));
    const controls = keepError({ code: "X", message: "\u0001".repeat(100_000) }).error.message;
    assert.ok(JSON.stringify(controls).length <= 2 * MAX_ERROR_CHARACTERS);
  });

  for (const [what, details, words] of [
    ["too deep", nested(600), /not JSON that can be kept .*nested deeper than 512/],
    ["no Unicode", ["\ud800"], /not JSON that can be kept .*lone surrogate/],
    ["no number", [Number.POSITIVE_INFINITY], /not JSON that can be kept .*Infinity/],
    ["too large", "x".repeat(MAX_DETAILS_CHARACTERS), /they have 12290 characters, and at most 12288 are kept/],
  ] as const) {
    it(`leaves out details that are ${what}, and says so`, () => {
      const { error, leftOut } = keepError({ code: "X", message: "m", details });
      assert.deepEqual(error, { code: "X", message: "m" });
      assert.match(leftOut ?? "", words);
      assert.ok((leftOut ?? "").length < 400);
      assert.doesNotThrow(() => canonical(error as unknown as JsonValue));
    });
  }
});
