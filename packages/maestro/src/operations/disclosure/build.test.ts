import assert from "node:assert/strict";
import { it } from "node:test";
import { sha256 } from "../../core/digest.ts";
import type { Decision } from "../../core/event.ts";
import { disclose } from "./build.ts";
import type { DisclosureDeps, PermittedRun } from "./build.ts";

it("is refused for an obligation that nobody knows, before anything is read, whatever the gate said", async () => {
  const untouched = new Proxy({} as DisclosureDeps, {
    get(_, name) {
      throw new TypeError(`${String(name)} was asked for`);
    },
  });
  const decision: Decision = {
    id: "d_1",
    allow: true,
    reasons: [],
    rules: ["r"],
    policyDigest: sha256("policy"),
    requestDigest: sha256("request"),
    engine: "test",
    obligations: [{ id: "r", type: "watermark", properties: {} }],
  };
  const run = { row: { id: "r_1" }, action: "receipt.disclose", decision } as PermittedRun;
  const request = { recipient: "a", purpose: "b", authority: "c", redact: [], artifacts: false, logs: false };
  await assert.rejects(disclose(untouched, request, [run]), {
    code: "denied",
    message: "It may be disclosed only with watermark (rule r), which nobody can do here.",
  });
  const odd = {
    ...run,
    decision: { ...decision, obligations: [{ id: "r", type: "redact", properties: { paths: [7] } }] },
  };
  await assert.rejects(disclose(untouched, request, [odd]), {
    code: "denied",
    message: /rule r wants redacted, and that cannot be done/,
  });
});
