import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import fc from "fast-check";
import { ARTIFACT, BUILDER, sampleKey, sampleRun, STARTED_AT } from "../../test/support/receipt-sample.ts";
import { canonical } from "../core/canonical.ts";
import { sha256, type Digest } from "../core/digest.ts";
import type { JsonObject } from "../core/json.ts";
import { MaestroError } from "../core/problem.ts";
import { statement } from "../core/receipt.ts";
import { IN_TOTO_PAYLOAD, preAuthEncoding, writeBundle } from "./envelope.ts";
import { RUNGS, type CheckId } from "./ladder.ts";
import { sealReceipt } from "./receipts.ts";
import { CLOCK_SKEW_MS, checkReceipt, verifyReceipt, type Verification, type VerifyRequest } from "./verify.ts";

const key = sampleKey();
const other = sampleKey();
const trust = { trustRoot: key.trustRoot };
const plain = sampleRun();
const built = sampleRun({ artifact: true });
const plainReceipt = sealReceipt(statement(plain.facts), key.signer);
const builtReceipt = sealReceipt(statement(built.facts), key.signer);

const folder = mkdtempSync(join(tmpdir(), "maestro-verify-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

function bytes(text: string): Buffer {
  return Buffer.from(text);
}

function failed(verification: Verification): { readonly id: CheckId; readonly detail: string } | undefined {
  return verification.checks.find((check) => check.status === "failed");
}

/** Seals a changed statement with the real key: a signer that lies or is broken. */
function sealChanged(change: (statement: Record<string, unknown>) => void, facts = plain.facts): Buffer {
  const changed = structuredClone(statement(facts)) as Record<string, unknown>;
  change(changed);
  return bytes(sealReceipt(changed as JsonObject, key.signer).bundle);
}

describe("verifyReceipt()", () => {
  it("passes every rung when everything is given and right", async () => {
    const first = sealReceipt(statement(built.facts), key.signer);
    const second = sealReceipt(statement({ ...built.facts, previousReceipt: first.digest }), key.signer);
    const verification = await verifyReceipt(bytes(second.bundle), {
      ...trust,
      files: [{ path: file("a.tgz", ARTIFACT) }, { path: file("b.tgz", ARTIFACT), name: "step-0:a.tgz" }],
      plan: JSON.stringify(built.plan, null, 2),
      events: [...built.events, '{"seq":99}'],
      previous: bytes(`${first.bundle}\n`),
      expected: { digest: second.digest, run: built.facts.run, workflow: "platform/release-evidence@1.4.0", plan: built.facts.planDigest, status: "succeeded", builder: BUILDER },
    });
    assert.deepEqual(verification.checks.filter((check) => check.status !== "passed"), []);
    assert.ok(verification.verified);
    assert.equal(verification.digest, second.digest);
    assert.equal(verification.keyid, key.signer.keyid);
    assert.equal(verification.claims?.isolation, "partial");
    assert.equal(verification.claims.previousReceipt, first.digest);
  });

  it("with nothing but a trust root it verifies, and says what it did not check and why", async () => {
    const verification = await verifyReceipt(bytes(plainReceipt.bundle), trust);
    assert.ok(verification.verified);
    assert.deepEqual(
      verification.checks.filter((check) => check.status === "skipped").map((check) => [check.id, check.detail]),
      [
        ["digest", "no digest was given to compare with"],
        ["expected", "nothing was said to be expected"],
        ["subjects", "no files were given, and the run left no artifacts"],
        ["plan", `no plan was given; the receipt names ${plain.facts.planDigest}`],
        ["events", `no events were given; the receipt covers 8 of them by ${plain.facts.events.head}`],
        ["history", "no events were given"],
        ["previous", "it is the first receipt of its run"],
      ],
    );
  });

  it("accepts receipts of denied runs, and one final newline", async () => {
    const denied = sampleRun({ status: "denied" });
    const { bundle } = sealReceipt(statement(denied.facts), key.signer);
    const verification = await verifyReceipt(bytes(`${bundle}\n`), { ...trust, plan: denied.planText, events: denied.events });
    assert.ok(verification.verified);
    assert.deepEqual([verification.claims?.status, verification.claims?.denied], ["denied", 1]);
    assert.equal((await verifyReceipt(bytes(`${bundle}\n\n`), trust)).verified, false);
  });

  it("compares an edited history member for member when it has the plan", async () => {
    const lie = sealChanged((said) => {
      const predicate = said["predicate"] as { tasks: { attempts?: number }[] };
      predicate.tasks[1]!.attempts = 3;
    });
    const withPlan = await verifyReceipt(lie, { ...trust, plan: plain.planText, events: plain.events });
    assert.deepEqual(failed(withPlan)?.id, "history");
    assert.match(failed(withPlan)?.detail ?? "", /statement\.predicate\.tasks\[1\]\.attempts: nothing by the events, 3 in the receipt; it was written by version 0\.1\.0/);
    const withoutPlan = await verifyReceipt(lie, { ...trust, events: plain.events });
    assert.ok(withoutPlan.verified);
    assert.match(withoutPlan.checks.find((check) => check.id === "history")?.detail ?? "", /with the plan, all of it is compared/);
  });

  it("refuses the request, not the receipt, for a file that is not there", async () => {
    await assert.rejects(
      verifyReceipt(bytes(builtReceipt.bundle), { ...trust, files: [{ path: join(folder, "missing") }] }),
      (error: unknown) => error instanceof MaestroError && error.code === "invalid_request" && error.message.includes("ENOENT"),
    );
  });
});

describe("every rung of the ladder can fail", () => {
  const forged = JSON.parse(plainReceipt.bundle) as { dsseEnvelope: { payload: string; payloadType: string; signatures: { sig: string; keyid: string }[] } };
  const payload = Buffer.from(forged.dsseEnvelope.payload, "base64");
  const signed = { hint: key.signer.keyid, keyid: key.signer.fingerprint, payloadType: IN_TOTO_PAYLOAD, payload, signature: Buffer.from(forged.dsseEnvelope.signatures[0]!.sig, "base64") };
  const foreign = sealReceipt(statement(plain.facts), other.signer);
  const textType = { ...signed, payloadType: "text/plain", signature: key.signer.sign(preAuthEncoding("text/plain", payload)) };
  const garbled = Buffer.from('{"a":1,"a":2}');
  const duplicate = { ...signed, payload: garbled, signature: key.signer.sign(preAuthEncoding(IN_TOTO_PAYLOAD, garbled)) };
  const keyOf = (change: object): VerifyRequest => ({ trustRoot: { keys: [{ ...key.trusted, ...change }] } });

  const table: readonly (readonly [what: string, receipt: Uint8Array, request: VerifyRequest, rung: CheckId, detail: RegExp])[] = [
    ["nothing", bytes(""), trust, "readable", /JSON/],
    ["not UTF-8", Buffer.from([0x22, 0xff, 0x22]), trust, "readable", /not UTF-8/],
    ["a byte order mark", bytes(`\ufeff${plainReceipt.bundle}`), trust, "readable", /JSON/],
    ["a duplicate name", bytes(plainReceipt.bundle.replace("{", '{"mediaType":"x",')), trust, "readable", /"mediaType" occurs twice/],
    ["33 MB", Buffer.alloc(33 * 1024 * 1024, 0x20), trust, "readable", /34603008 bytes, more than the 33554432/],
    ["deep nesting", bytes("[".repeat(100_000)), trust, "readable", /nested deeper than 64/],
    ["another document", bytes("[]"), trust, "bundle", /not an object/],
    ["another version", bytes(plainReceipt.bundle.replace("v0.3", "v0.2")), trust, "bundle", /mediaType is .*v0\.2/],
    ["white space", bytes(plainReceipt.bundle.replace(":", ": ")), trust, "bundle", /white space/],
    ["an extra member", bytes(plainReceipt.bundle.replace(/\}$/, ',"note":1}')), trust, "bundle", /members/],
    ["two signatures", bytes(plainReceipt.bundle.replace(/"signatures":\[(.*?)\]/, '"signatures":[$1,$1]')), trust, "bundle", /exactly one signature/],
    ["non-canonical base64", bytes(plainReceipt.bundle.replace('=="', '="')), trust, "bundle", /canonical base64/],
    ["a certificate instead of a key", bytes(plainReceipt.bundle.replace('"publicKey"', '"certificate"')), trust, "bundle", /publicKey is not an object/],
    ["another receipt", bytes(plainReceipt.bundle), { ...trust, expected: { digest: builtReceipt.digest } }, "digest", /its digest is sha256:.*, asked for was sha256:/],
    ["another payload", bytes(writeBundle(textType)), trust, "payload-type", /"text\/plain", not application\/vnd.in-toto\+json/],
    ["an unknown key", bytes(foreign.bundle), trust, "key", /not among the 1 of the trust root/],
    ["the keyid of another key", bytes(writeBundle({ ...signed, keyid: other.signer.fingerprint })), trust, "key", /its keyid is SHA256:.*, that of the key it names is SHA256:/],
    ["an unknown key that says it is ours", bytes(foreign.bundle.replace(other.signer.keyid, key.signer.keyid).replace(other.signer.fingerprint, key.signer.fingerprint)), trust, "signature", /does not fit/],
    ["another statement", bytes(writeBundle({ ...signed, payload: Buffer.concat([payload, Buffer.from(" ")]) })), trust, "signature", /does not fit/],
    ["a short signature", bytes(writeBundle({ ...signed, signature: signed.signature.subarray(1) })), trust, "signature", /has 63 bytes/],
    ["a duplicate name in the statement", bytes(writeBundle(duplicate)), trust, "statement", /"a" occurs twice/],
    ["another kind of statement", sealChanged((said) => (said["_type"] = "https://in-toto.io/Statement/v0.1")), trust, "statement", /_type is/],
    ["no subject", sealChanged((said) => (said["subject"] = [])), trust, "statement", /subject is empty/],
    ["a subject without sha256", sealChanged((said) => (said["subject"] = [{ name: "x", digest: { sha512: "00" } }])), trust, "statement", /subject\[0\]\.digest\.sha256 is not a text/],
    ["a subject twice", sealChanged((said) => (said["subject"] as unknown[]).push((said["subject"] as unknown[])[0])), trust, "statement", /same name/],
    ["an unknown predicate", sealChanged((said) => (said["predicateType"] = "https://example.com/v1")), trust, "predicate", /predicateType is "https:\/\/example\.com\/v1"/],
    ["another run as subject", sealChanged((said) => Object.assign((said["subject"] as object[])[0]!, { name: "run/r_other" })), trust, "predicate", /first subject is "run\/r_other"/],
    ["a missing member", sealChanged((said) => delete (said["predicate"] as Record<string, unknown>)["plan"]), trust, "predicate", /predicate\.plan is not a text/],
    ["a SLSA builder of its own", slsa((predicate) => (predicate.runDetails.builder.id = "https://example.com/")), trust, "predicate", /builder\.id is "https:\/\/example\.com\/", but the receipt says/],
    ["an unknown external parameter", slsa((predicate) => (predicate.buildDefinition.externalParameters["extra"] = "1")), trust, "predicate", /unknown member "extra"/],
    ["an unknown build type", slsa((predicate) => (predicate.buildDefinition.buildType = "https://example.com/")), trust, "predicate", /buildType is/],
    ["another builder's key", bytes(plainReceipt.bundle), keyOf({ builder: "https://example.com/" }), "signer", /speaks for .*, but its key may speak only for https:\/\/example\.com\//],
    ["a key that came later", bytes(plainReceipt.bundle), keyOf({ validFrom: STARTED_AT + CLOCK_SKEW_MS + 1000 }), "signer", /before its key became valid/],
    ["a key that was retired", bytes(plainReceipt.bundle), keyOf({ validFrom: 0, validUntil: STARTED_AT - CLOCK_SKEW_MS - 1000 }), "signer", /after its key was retired/],
    ["another run", bytes(plainReceipt.bundle), { ...trust, expected: { run: "r_other" } }, "expected", /run is r_1k7q0c9g0abcdefghjk, expected was r_other/],
    ["another end", bytes(plainReceipt.bundle), { ...trust, expected: { status: "failed" } }, "expected", /status is succeeded, expected was failed/],
    ["another plan", bytes(plainReceipt.bundle), { ...trust, plan: "{}" }, "plan", /the plan's digest is sha256:44136fa3/],
    ["a plan that is no JSON", bytes(plainReceipt.bundle), { ...trust, plan: "{" }, "plan", /JSON/],
    ["fewer events", bytes(plainReceipt.bundle), { ...trust, events: plain.events.slice(1) }, "events", /covers 8 events, given were 7/],
    ["swapped events", bytes(plainReceipt.bundle), { ...trust, events: plain.events.toReversed() }, "events", /the chain over 8 events ends in/],
    ["an edited event", bytes(plainReceipt.bundle), { ...trust, events: plain.events.map((event) => event.replace("TICKET-1234", "TICKET-1235")) }, "events", /the chain/],
    ["a status the events do not have", sealChanged((said) => Object.assign((said["predicate"] as { run: object }).run, { status: "failed" })), { ...trust, events: plain.events }, "history", /the status is "succeeded" in the events and "failed" in the receipt/],
    ["another predecessor", bytes(sealReceipt(statement({ ...plain.facts, previousReceipt: sha256("x") }), key.signer).bundle), { ...trust, previous: bytes(builtReceipt.bundle) }, "previous", /named is sha256:/],
    ["a predecessor that is not named", bytes(plainReceipt.bundle), { ...trust, previous: bytes(builtReceipt.bundle) }, "previous", /first receipt of its run/],
  ];

  for (const [what, receipt, request, rung, detail] of table) {
    it(`${rung}: ${what}`, () => {
      const verification = checkReceipt(receipt, request, []);
      const failure = failed(verification);
      assert.equal(failure?.id, rung, failure?.detail);
      assert.match(failure.detail, detail);
      assert.equal(verification.verified, false);
      const reached = RUNGS.findIndex((candidate) => candidate.id === rung);
      for (const check of verification.checks.slice(reached + 1)) assert.equal(check.detail, `not reached: the check "${rung}" failed`);
    });
  }

  it("subjects: a file that is not one, one under another's name, an artifact that never was", async () => {
    const wrong = file("wrong.tgz", "another package\n");
    const expectations: readonly (readonly [files: NonNullable<VerifyRequest["files"]>, detail: RegExp])[] = [
      [[{ path: wrong }], /wrong\.tgz has the digest sha256:.*, which is none of the 1 artifact of the run/],
      [[{ path: wrong, name: "step-0:a.tgz" }], /wrong\.tgz has the digest sha256:.*, the receipt says step-0:a\.tgz sha256:/],
      [[{ path: file("right.tgz", ARTIFACT), name: "a.tgz" }], /no artifact is called a\.tgz/],
    ];
    for (const [files, detail] of expectations) {
      const failure = failed(await verifyReceipt(bytes(builtReceipt.bundle), { ...trust, files }));
      assert.equal(failure?.id, "subjects");
      assert.match(failure.detail, detail);
    }
  });
});

describe("a receipt with any byte changed", () => {
  // The smaller of the two kinds has every kind of byte; the other differs in its payload only, which is one signed whole.
  const receipt = bytes(sealReceipt(statement(sampleRun({ tasks: 1 }).facts), key.signer).bundle);

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
        assert.equal(checkReceipt(changed, trust, []).verified, changed.equals(receipt) || changed.equals(Buffer.concat([receipt, Buffer.from("\n")])));
      }),
      { numRuns: 500 },
    );
    fc.assert(fc.property(fc.json(), (text) => !checkReceipt(bytes(text), trust, []).verified));
  });
});

describe("claims", () => {
  it("are given only for what a trusted key signed", () => {
    const foreign = sealReceipt(statement(plain.facts), other.signer);
    const verification = checkReceipt(bytes(foreign.bundle), trust, []);
    assert.equal(verification.claims, null);
    assert.equal(verification.keyid, null);
    assert.equal(verification.digest, foreign.digest);
  });

  it("are those of the facts", () => {
    const { claims } = checkReceipt(bytes(builtReceipt.bundle), trust, []);
    assert.deepEqual(claims, {
      run: built.facts.run,
      workflow: "platform/release-evidence@1.4.0",
      workflowDigest: built.facts.workflow.digest,
      status: "succeeded",
      createdAt: built.facts.createdAt,
      endedAt: built.facts.endedAt,
      plan: sha256(canonical(JSON.parse(built.planText) as JsonObject)),
      inputs: sha256('{"path":"."}'),
      events: 8,
      head: built.facts.events.head satisfies Digest,
      asked: 1,
      denied: 0,
      tasks: 2,
      isolation: "partial",
      builder: BUILDER,
      version: "0.1.0",
      previousReceipt: null,
    });
  });
});

interface Slsa {
  buildDefinition: { buildType: string; externalParameters: Record<string, string> };
  runDetails: { builder: { id: string } };
}

function slsa(change: (predicate: Slsa) => void): Buffer {
  return sealChanged((said) => change(said["predicate"] as Slsa), built.facts);
}
