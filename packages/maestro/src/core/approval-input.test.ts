import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseApproval } from "./approval-input.ts";
import type { JsonObject } from "./json.ts";
import { MaestroError } from "./problem.ts";

describe("parseApproval()", () => {
  it("fills in the careful defaults", () =>
    assert.deepEqual(parseApproval({}), { count: 1, roles: [], notRequester: true, expiresMs: 86_400_000 }));

  it("reads all it is given", () =>
    assert.deepEqual(
      parseApproval({ count: 2, roles: ["release-manager"], notRequester: false, expires: "2h", message: "Ship 1.4?" }),
      {
        count: 2,
        roles: ["release-manager"],
        notRequester: false,
        expiresMs: 7_200_000,
        message: "Ship 1.4?",
      },
    ));

  const bad: readonly (readonly [JsonObject, RegExp])[] = [
    [{ count: 0 }, /count must be a whole number from 1 to 20, is 0/],
    [{ count: 1.5 }, /count/],
    [{ count: "2" }, /count .* is "2"/],
    [{ roles: "admin" }, /roles must be a list/],
    [{ roles: [""] }, /roles/],
    [{ notRequester: "no" }, /notRequester/],
    [{ expires: "0s" }, /expires/],
    [{ expires: "tomorrow" }, /expires must be a duration such as "24h", is "tomorrow"/],
    [{ message: 1 }, /message/],
    [{ count: 0, expires: 1 }, /count.*; expires/],
  ];
  for (const [input, message] of bad) {
    it(`refuses ${JSON.stringify(input)}`, () =>
      assert.throws(
        () => parseApproval(input),
        (thrown) => thrown instanceof MaestroError && thrown.code === "invalid_input" && message.test(thrown.message),
      ));
  }
});
