import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { failedCheck, sampleKey, sampleRun, sealChanged } from "../../test/support/receipt-sample.ts";
import type { JsonObject } from "../core/json.ts";
import { statement } from "../core/receipt.ts";
import { sealReceipt } from "./receipts.ts";
import { checkReceipt } from "./verify.ts";
import type { VerifyRequest } from "./verify.ts";

const key = sampleKey();
const run = sampleRun({ request: "req-7" });
const known = { trustRoot: key.trustRoot, events: run.events, plan: run.planText };

describe("the request that a run began with", () => {
  it("is in its receipt, and is that of its history", () => {
    const { bundle } = sealReceipt(statement(run.facts), key.signer);
    const verified = checkReceipt(Buffer.from(bundle), known, []);
    assert.equal(failedCheck(verified), undefined);
    assert.equal(verified.claims?.request, "req-7");
  });

  it("is not missed in a receipt from before it was told", () => {
    const { request: _, ...older } = run.facts;
    const { bundle } = sealReceipt(statement(older), key.signer);
    const verified = checkReceipt(Buffer.from(bundle), known, []);
    assert.equal(failedCheck(verified), undefined);
    assert.equal(verified.claims?.request, null);
  });

  it("cannot be another than the history has", () => {
    const other = (request: unknown): Buffer =>
      sealChanged(key, run.facts, (document) => {
        const predicate = document["predicate"] as { run: JsonObject };
        predicate.run = { ...predicate.run, request: request as string };
      });
    const detail = (receipt: Buffer, request: VerifyRequest): string =>
      failedCheck(checkReceipt(receipt, request, []))?.detail ?? "";
    assert.match(detail(other("req-8"), known), /run\.request: "req-7" by the events, "req-8" in the receipt/);
    const withoutPlan = { trustRoot: key.trustRoot, events: run.events };
    assert.match(
      detail(other("req-8"), withoutPlan),
      /the request is "req-7" in the events and "req-8" in the receipt/,
    );
    assert.match(detail(other(8), known), /run\.request/);
  });
});
