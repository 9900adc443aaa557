import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { sampleKey, sampleRun } from "../../test/support/receipt-sample.ts";
import { statement } from "../core/receipt.ts";
import { sealReceipt } from "./receipts.ts";
import { checkReceipt } from "./verify.ts";

const key = sampleKey();
const trust = { trustRoot: key.trustRoot };

describe("a receipt with any byte changed", () => {
  // The smaller of the two kinds has every kind of byte; the other differs in its payload only, which is one signed whole.
  const receipt = Buffer.from(sealReceipt(statement(sampleRun({ tasks: 1 }).facts), key.signer).bundle);

  function refusedAt(changed: Uint8Array, where: number): void {
    assert.equal(checkReceipt(changed, trust, []).verified, false, `a change at byte ${where} went unnoticed`);
  }

  it("does not verify: every position, several bit patterns", () => {
    assert.ok(checkReceipt(receipt, trust, []).verified);
    for (let at = 0; at < receipt.length; at++) {
      for (const pattern of [0x01, 0x20, 0x80]) {
        const changed = Buffer.from(receipt);
        changed[at]! ^= pattern;
        refusedAt(changed, at);
      }
    }
  });

  it("does not verify with a byte more or less at any position", () => {
    for (let at = 0; at < receipt.length; at++) {
      refusedAt(Buffer.concat([receipt.subarray(0, at), receipt.subarray(at + 1)]), at);
      refusedAt(Buffer.concat([receipt.subarray(0, at), Buffer.from(" "), receipt.subarray(at)]), at);
    }
  });

  it("does not verify, and never throws, for anything else that may come", () => {
    fc.assert(
      fc.property(fc.nat(receipt.length), fc.nat(64), fc.uint8Array({ maxLength: 64 }), (at, removed, put) => {
        const changed = Buffer.concat([receipt.subarray(0, at), put, receipt.subarray(at + removed)]);
        assert.equal(
          checkReceipt(changed, trust, []).verified,
          changed.equals(receipt) || changed.equals(Buffer.concat([receipt, Buffer.from("\n")])),
        );
      }),
      { numRuns: 500 },
    );
    fc.assert(fc.property(fc.json(), (text) => !checkReceipt(Buffer.from(text), trust, []).verified));
  });
});
