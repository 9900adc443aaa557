import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { canonical } from "./canonical.ts";
import { sha256 } from "./digest.ts";
import type { JsonObject } from "./json.ts";
import { auditEntry, decisionEntry, receiptEntry } from "./ledger-entry.ts";

const PLACE = { source: "https://example.com/installations/one", run: "r_1", at: 1_763_700_000_000 };
const DECISION = {
  id: "d_1",
  allow: false,
  reasons: ["nobody may"],
  rules: ["local.owner-only"],
  policyDigest: sha256("policy"),
  requestDigest: sha256("request"),
  engine: "local@1",
};

describe("an entry of the ledger", () => {
  const entries = {
    receipt: receiptEntry({ ordinal: 2, digest: sha256("receipt") }, PLACE),
    start: decisionEntry({ action: "run.start", decision: DECISION }, PLACE),
    task: decisionEntry(
      { action: "task.execute", task: "häufig/\u2028", decision: { ...DECISION, allow: true } },
      PLACE,
    ),
    audit: auditEntry(
      {
        id: "e_1",
        kind: "refused",
        action: "run.read",
        allow: false,
        count: 3,
        digest: sha256("row"),
        decision: "d_1",
      },
      PLACE,
    ),
  };

  for (const [name, text] of Object.entries(entries)) {
    it(`is canonical JSON on one line: ${name}`, () => {
      assert.equal(text, canonical(JSON.parse(text) as JsonObject));
      assert.ok(!text.includes("\n") && Buffer.byteLength(text) < 1_000);
    });
  }

  it("says of the audit what happened and how often, and not who it was", () => {
    const { subject, data } = JSON.parse(entries.audit) as JsonObject;
    assert.equal(subject, "audit/e_1");
    assert.deepEqual(data, {
      action: "run.read",
      allow: false,
      count: 3,
      decision: "d_1",
      digest: sha256("row"),
      kind: "refused",
    });
  });

  it("is a CloudEvent 1.0 that says by digest what happened", () => {
    assert.deepEqual(JSON.parse(entries.receipt), {
      specversion: "1.0",
      type: "dev.summit-maestro.receipt",
      source: PLACE.source,
      id: "r_1/2",
      subject: "run/r_1",
      time: "2025-11-21T04:40:00.000Z",
      datacontenttype: "application/json",
      data: { ordinal: 2, digest: sha256("receipt") },
    });
    assert.deepEqual((JSON.parse(entries.task) as JsonObject)["data"], {
      action: "task.execute",
      task: "häufig/\u2028",
      allow: true,
      rules: ["local.owner-only"],
      engine: "local@1",
      policy: sha256("policy"),
      request: sha256("request"),
    });
    assert.deepEqual(Object.keys((JSON.parse(entries.start) as JsonObject)["data"] as object).includes("task"), false);
  });
});
