import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { problemOf } from "./refused-problem.ts";
import { Refused, REFUSALS } from "./refused.ts";
import type { RefusalReason } from "./refused.ts";

const guide = readFileSync(new URL("../../../../docs/guides/identity.md", import.meta.url), "utf8");
const reasons = Object.keys(REFUSALS) as readonly RefusalReason[];

describe("refusals", () => {
  it("are all in the guide, which has no others", () => {
    const told = Array.from(guide.matchAll(/^\| `(\w+)` \|/gm), ([, name]) => name);
    assert.deepEqual(new Set(told), new Set(reasons));
    assert.equal(told.length, reasons.length);
  });

  for (const reason of reasons) {
    it(`say what ${reason} means, and what to do`, () => {
      const { code, message, fix, facts } = problemOf(new Refused(reason));
      assert.equal(code, reason === "no_role" ? "denied" : "unauthorized");
      assert.match(message, /^[A-Z].*\.$/);
      assert.ok(fix.length > 20);
      assert.deepEqual(facts, { reason });
    });
  }
});
