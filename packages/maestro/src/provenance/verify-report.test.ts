import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { sampleKey, sampleRun } from "../../test/support/receipt-sample.ts";
import { statement } from "../core/receipt.ts";
import { RUNGS } from "./ladder.ts";
import { sealReceipt } from "./receipts.ts";
import { exitCodeOf, reportJson, reportLines } from "./verify-report.ts";
import { checkReceipt } from "./verify.ts";

const key = sampleKey();
const run = sampleRun();
const receipt = Buffer.from(sealReceipt(statement(run.facts), key.signer).bundle);
const good = checkReceipt(receipt, { trustRoot: key.trustRoot, plan: run.planText }, []);
const bad = checkReceipt(receipt, { trustRoot: sampleKey().trustRoot }, []);

describe("reportLines()", () => {
  it("has one line per rung, the facts, what they are worth, and a verdict that names what was not checked", () => {
    const lines = reportLines(good);
    assert.deepEqual(
      lines.slice(0, RUNGS.length).map((line) => line.kind),
      RUNGS.map(() => "check"),
    );
    assert.match(lines[0]!.text, /^passed  is one well-formed document: \d+ bytes/);
    assert.ok(
      lines.some((line) => line.kind === "fact" && line.name === "plan" && line.value === run.facts.planDigest),
    );
    assert.ok(
      lines.some(
        (line) => line.kind === "note" && line.text.startsWith("It does not prove that what the holder wrote is true"),
      ),
    );
    assert.deepEqual(lines.at(-1), {
      kind: "verdict",
      verified: true,
      text: "Verified: 9 checks passed; not checked: digest, expected, subjects, events, history, previous, ledger, witnesses, timestamp.",
    });
  });

  it("says nothing about the run when the receipt cannot be believed", () => {
    const lines = reportLines(bad);
    assert.deepEqual(new Set(lines.map((line) => line.kind)), new Set(["check", "verdict"]));
    const failed = lines.find((line) => line.kind === "check" && line.status === "failed");
    assert.match(
      failed?.text ?? "",
      /^FAILED  names a key of the trust root: it names the key .*, which is not among the 1 of the trust root$/,
    );
    assert.match(lines.at(-1)?.text ?? "", /^Failed: key: it names the key /);
  });
});

describe("reportJson()", () => {
  it("is the same as data", () => {
    const report = JSON.parse(JSON.stringify(reportJson(good))) as Record<string, unknown>;
    assert.deepEqual(
      [report["apiVersion"], report["kind"], report["verified"], report["keyid"]],
      ["maestro/v1", "Verification", true, key.signer.keyid],
    );
    assert.deepEqual(report["checks"], good.checks);
    assert.deepEqual(report["claims"], good.claims);
    const failure = reportJson(bad);
    assert.deepEqual([failure["verified"], failure["claims"], failure["notes"]], [false, null, []]);
  });
});

describe("exitCodeOf()", () => {
  it("is 0 for verified and 7 for failed", () => {
    assert.deepEqual([exitCodeOf(good), exitCodeOf(bad)], [0, 7]);
  });
});
