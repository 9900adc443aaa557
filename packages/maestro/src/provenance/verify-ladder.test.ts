import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { failedCheck, sampleKey, sampleRun, sealChanged, STARTED_AT } from "../../test/support/receipt-sample.ts";
import { sha256 } from "../core/digest.ts";
import { statement } from "../core/receipt.ts";
import { CLOCK_SKEW_MS } from "./check-signed.ts";
import { IN_TOTO_PAYLOAD, preAuthEncoding, writeBundle } from "./envelope.ts";
import { RUNGS, type CheckId } from "./ladder.ts";
import { sealReceipt } from "./receipts.ts";
import { checkReceipt, type VerifyRequest } from "./verify.ts";

const key = sampleKey();
const trust = { trustRoot: key.trustRoot };
const other = sampleKey();
const plain = sampleRun();
const built = sampleRun({ artifact: true });
const plainReceipt = sealReceipt(statement(plain.facts), key.signer);
const builtReceipt = sealReceipt(statement(built.facts), key.signer);

function bytes(text: string): Buffer {
  return Buffer.from(text);
}

describe("every rung of the ladder can fail", () => {
  const forged = JSON.parse(plainReceipt.bundle) as {
    dsseEnvelope: { payload: string; payloadType: string; signatures: { sig: string; keyid: string }[] };
  };
  const payload = Buffer.from(forged.dsseEnvelope.payload, "base64");
  const signed = {
    hint: key.signer.keyid,
    keyid: key.signer.fingerprint,
    payloadType: IN_TOTO_PAYLOAD,
    payload,
    signature: Buffer.from(forged.dsseEnvelope.signatures[0]!.sig, "base64"),
  };
  const foreign = sealReceipt(statement(plain.facts), other.signer);
  const textType = {
    ...signed,
    payloadType: "text/plain",
    signature: key.signer.sign(preAuthEncoding("text/plain", payload)),
  };
  const garbled = Buffer.from('{"a":1,"a":2}');
  const duplicate = {
    ...signed,
    payload: garbled,
    signature: key.signer.sign(preAuthEncoding(IN_TOTO_PAYLOAD, garbled)),
  };
  const keyOf = (change: object): VerifyRequest => ({ trustRoot: { keys: [{ ...key.trusted, ...change }] } });

  const table: readonly (readonly [
    what: string,
    receipt: Uint8Array,
    request: VerifyRequest,
    rung: CheckId,
    detail: RegExp,
  ])[] = [
    ["nothing", bytes(""), trust, "readable", /JSON/],
    ["not UTF-8", Buffer.from([0x22, 0xff, 0x22]), trust, "readable", /not UTF-8/],
    ["a byte order mark", bytes(`\ufeff${plainReceipt.bundle}`), trust, "readable", /JSON/],
    [
      "a duplicate name",
      bytes(plainReceipt.bundle.replace("{", '{"mediaType":"x",')),
      trust,
      "readable",
      /"mediaType" occurs twice/,
    ],
    ["33 MB", Buffer.alloc(33 * 1024 * 1024, 0x20), trust, "readable", /34603008 bytes, more than the 33554432/],
    ["deep nesting", bytes("[".repeat(100_000)), trust, "readable", /nested deeper than 64/],
    ["another document", bytes("[]"), trust, "bundle", /not an object/],
    ["another version", bytes(plainReceipt.bundle.replace("v0.3", "v0.2")), trust, "bundle", /mediaType is .*v0\.2/],
    ["white space", bytes(plainReceipt.bundle.replace(":", ": ")), trust, "bundle", /white space/],
    ["an extra member", bytes(plainReceipt.bundle.replace(/\}$/, ',"note":1}')), trust, "bundle", /members/],
    [
      "two signatures",
      bytes(plainReceipt.bundle.replace(/"signatures":\[(.*?)\]/, '"signatures":[$1,$1]')),
      trust,
      "bundle",
      /exactly one signature/,
    ],
    ["non-canonical base64", bytes(plainReceipt.bundle.replace('=="', '="')), trust, "bundle", /canonical base64/],
    [
      "a certificate instead of a key",
      bytes(plainReceipt.bundle.replace('"publicKey"', '"certificate"')),
      trust,
      "bundle",
      /publicKey is not an object/,
    ],
    [
      "another receipt",
      bytes(plainReceipt.bundle),
      { ...trust, expected: { digest: builtReceipt.digest } },
      "digest",
      /its digest is sha256:.*, asked for was sha256:/,
    ],
    [
      "another payload",
      bytes(writeBundle(textType)),
      trust,
      "payload-type",
      /"text\/plain", not application\/vnd.in-toto\+json/,
    ],
    ["an unknown key", bytes(foreign.bundle), trust, "key", /not among the 1 of the trust root/],
    [
      "the keyid of another key",
      bytes(writeBundle({ ...signed, keyid: other.signer.fingerprint })),
      trust,
      "key",
      /its keyid is SHA256:.*, that of the key it names is SHA256:/,
    ],
    [
      "an unknown key that says it is ours",
      bytes(
        foreign.bundle
          .replace(other.signer.keyid, key.signer.keyid)
          .replace(other.signer.fingerprint, key.signer.fingerprint),
      ),
      trust,
      "signature",
      /does not fit/,
    ],
    [
      "another statement",
      bytes(writeBundle({ ...signed, payload: Buffer.concat([payload, Buffer.from(" ")]) })),
      trust,
      "signature",
      /does not fit/,
    ],
    [
      "a short signature",
      bytes(writeBundle({ ...signed, signature: signed.signature.subarray(1) })),
      trust,
      "signature",
      /has 63 bytes/,
    ],
    ["a duplicate name in the statement", bytes(writeBundle(duplicate)), trust, "statement", /"a" occurs twice/],
    [
      "another kind of statement",
      sealChanged(key, plain.facts, (said) => (said["_type"] = "https://in-toto.io/Statement/v0.1")),
      trust,
      "statement",
      /_type is/,
    ],
    [
      "no subject",
      sealChanged(key, plain.facts, (said) => (said["subject"] = [])),
      trust,
      "statement",
      /subject is empty/,
    ],
    [
      "a subject without sha256",
      sealChanged(key, plain.facts, (said) => (said["subject"] = [{ name: "x", digest: { sha512: "00" } }])),
      trust,
      "statement",
      /subject\[0\]\.digest\.sha256 is not a text/,
    ],
    [
      "a subject twice",
      sealChanged(key, plain.facts, (said) => (said["subject"] as unknown[]).push((said["subject"] as unknown[])[0])),
      trust,
      "statement",
      /same name/,
    ],
    [
      "an unknown predicate",
      sealChanged(key, plain.facts, (said) => (said["predicateType"] = "https://example.com/v1")),
      trust,
      "predicate",
      /predicateType is "https:\/\/example\.com\/v1"/,
    ],
    [
      "another run as subject",
      sealChanged(key, plain.facts, (said) =>
        Object.assign((said["subject"] as object[])[0]!, { name: "run/r_other" }),
      ),
      trust,
      "predicate",
      /first subject is "run\/r_other"/,
    ],
    [
      "a missing member",
      sealChanged(key, plain.facts, (said) => delete (said["predicate"] as Record<string, unknown>)["plan"]),
      trust,
      "predicate",
      /predicate\.plan is not a text/,
    ],
    [
      "a SLSA builder of its own",
      slsa((predicate) => (predicate.runDetails.builder.id = "https://example.com/")),
      trust,
      "predicate",
      /builder\.id is "https:\/\/example\.com\/", but the receipt says/,
    ],
    [
      "an unknown external parameter",
      slsa((predicate) => (predicate.buildDefinition.externalParameters["extra"] = "1")),
      trust,
      "predicate",
      /unknown member "extra"/,
    ],
    [
      "an unknown build type",
      slsa((predicate) => (predicate.buildDefinition.buildType = "https://example.com/")),
      trust,
      "predicate",
      /buildType is/,
    ],
    [
      "another builder's key",
      bytes(plainReceipt.bundle),
      keyOf({ builder: "https://example.com/" }),
      "signer",
      /speaks for .*, but its key may speak only for https:\/\/example\.com\//,
    ],
    [
      "a key that came later",
      bytes(plainReceipt.bundle),
      keyOf({ validFrom: STARTED_AT + CLOCK_SKEW_MS + 1000 }),
      "signer",
      /before its key became valid/,
    ],
    [
      "a key that was retired",
      bytes(plainReceipt.bundle),
      keyOf({ validFrom: 0, validUntil: STARTED_AT - CLOCK_SKEW_MS - 1000 }),
      "signer",
      /after its key was retired/,
    ],
    [
      "another run",
      bytes(plainReceipt.bundle),
      { ...trust, expected: { run: "r_other" } },
      "expected",
      /run is r_1k7q0c9g0abcdefghjk, expected was r_other/,
    ],
    [
      "another end",
      bytes(plainReceipt.bundle),
      { ...trust, expected: { status: "failed" } },
      "expected",
      /status is succeeded, expected was failed/,
    ],
    [
      "another plan",
      bytes(plainReceipt.bundle),
      { ...trust, plan: "{}" },
      "plan",
      /the plan's digest is sha256:44136fa3/,
    ],
    ["a plan that is no JSON", bytes(plainReceipt.bundle), { ...trust, plan: "{" }, "plan", /JSON/],
    [
      "fewer events",
      bytes(plainReceipt.bundle),
      { ...trust, events: plain.events.slice(1) },
      "events",
      /covers 8 events, given were 7/,
    ],
    [
      "swapped events",
      bytes(plainReceipt.bundle),
      { ...trust, events: plain.events.toReversed() },
      "events",
      /the chain over 8 events ends in/,
    ],
    [
      "an edited event",
      bytes(plainReceipt.bundle),
      { ...trust, events: plain.events.map((event) => event.replace("TICKET-1234", "TICKET-1235")) },
      "events",
      /the chain/,
    ],
    [
      "a status the events do not have",
      sealChanged(key, plain.facts, (said) =>
        Object.assign((said["predicate"] as { run: object }).run, { status: "failed" }),
      ),
      { ...trust, events: plain.events },
      "history",
      /the status is "succeeded" in the events and "failed" in the receipt/,
    ],
    [
      "another predecessor",
      bytes(sealReceipt(statement({ ...plain.facts, previousReceipt: sha256("x") }), key.signer).bundle),
      { ...trust, previous: bytes(builtReceipt.bundle) },
      "previous",
      /named is sha256:/,
    ],
    [
      "a predecessor that is not named",
      bytes(plainReceipt.bundle),
      { ...trust, previous: bytes(builtReceipt.bundle) },
      "previous",
      /first receipt of its run/,
    ],
  ];

  for (const [what, receipt, request, rung, detail] of table) {
    it(`${rung}: ${what}`, () => {
      const verification = checkReceipt(receipt, request, []);
      const failure = failedCheck(verification);
      assert.equal(failure?.id, rung, failure?.detail);
      assert.match(failure.detail, detail);
      assert.equal(verification.verified, false);
      const reached = RUNGS.findIndex((candidate) => candidate.id === rung);
      for (const check of verification.checks.slice(reached + 1))
        assert.equal(check.detail, `not reached: the check "${rung}" failed`);
    });
  }
});

interface Slsa {
  buildDefinition: { buildType: string; externalParameters: Record<string, string> };
  runDetails: { builder: { id: string } };
}

function slsa(change: (predicate: Slsa) => void): Buffer {
  return sealChanged(key, built.facts, (said) => change(said["predicate"] as Slsa));
}
