import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Decision } from "../core/event.ts";
import { adviceOf, nextOf } from "./advice.ts";
import { NO_ANSWER } from "./gate.ts";
import type { GateRequest } from "./gate.ts";

const DENIED: Decision = {
  id: "d_1",
  allow: false,
  reasons: ["no"],
  rules: [],
  policyDigest: `sha256:${"0".repeat(64)}`,
  requestDigest: `sha256:${"0".repeat(64)}`,
  engine: "builtin@1",
};
const request = (type: string, id: string, namespace: string): GateRequest => ({
  subject: { type: "user", id: "anna", properties: { roles: [] } },
  action: { name: "ledger.read" },
  resource: { type, id, properties: { namespace } },
  context: { purpose: "", authority: "" },
});

describe("whoever is denied is told", () => {
  it("whom to ask for a role, by a command that every shell leaves as it is", () => {
    assert.match(
      nextOf(DENIED, request("run", "shop/x@1.0.0", "shop")),
      /in shop: `maestro policy who-can ledger\.read run:shop\/x@1\.0\.0` /,
    );
    assert.match(
      nextOf(DENIED, request("installation", "*", "*")),
      /ledger\.read: `maestro policy who-can ledger\.read 'installation:\*'` /,
    );
    assert.match(nextOf(DENIED, request("subject", "a b;'c", "*")), / 'subject:a b;'\\''c'` /);
  });

  it("what the rules say that helps, and whose they are", () => {
    const ruled = { ...DENIED, rules: ["freeze"] };
    assert.equal(nextOf(ruled, request("run", "x", "shop")), "Ask whoever owns the rule freeze.");
    assert.equal(
      nextOf(ruled, request("run", "x", "shop"), ["Wait."]),
      "Wait. Ask whoever owns the rule freeze where that does not help.",
    );
    assert.match(adviceOf(ruled, request("run", "x", "shop")), /`maestro policy explain d_1` says why\.$/);
  });

  it("to look at the policy, and not to ask for a role, where that gave no answer", () => {
    const silent = { ...DENIED, reasons: [`${NO_ANSWER}: connect ECONNREFUSED`] };
    assert.match(
      nextOf(silent, request("run", "x", "shop")),
      /^Nothing is allowed until the policy answers: see `maestro doctor`/,
    );
  });
});
