import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { describe, it } from "node:test";
import { canonical } from "../core/canonical.ts";
import { sha256 } from "../core/digest.ts";
import { fingerprintOf, keyidOf } from "./keyid.ts";
import { sealReceipt } from "./receipts.ts";
import { createSigner } from "./signer.ts";
import type { TrustRoot } from "./trust.ts";
import { isWorkflowBundle, verifyWorkflow } from "./verify-workflow.ts";
import type { VerifyWorkflowRequest } from "./verify-workflow.ts";
import { sealWorkflow, WORKFLOW_STATEMENT } from "./workflow-statement.ts";

const BUILDER = "https://summit-maestro.dev/installations/test";
const { privateKey, publicKey } = generateKeyPairSync("ed25519");
const SIGNER = createSigner(privateKey, BUILDER);
const KEY = {
  keyid: keyidOf(publicKey),
  fingerprint: fingerprintOf(publicKey),
  publicKey,
  builder: BUILDER,
  validFrom: null,
  validUntil: null,
};
const trustRoot: TrustRoot = { keys: [KEY] };
const PLAN = canonical({ format: "maestro.plan/v1", tasks: [] });
const FACTS = {
  namespace: "shop",
  name: "orders",
  version: "1.0.0",
  plan: sha256(PLAN),
  manifest: sha256("manifest"),
  source: sha256("# source"),
  publishedAt: 1_800_000_000_000,
  publishedBy: "ada",
};
const SEALED = sealWorkflow(FACTS, SIGNER, "0.1.0");

function verify(bundle: string, request: Partial<VerifyWorkflowRequest> = {}) {
  const { checks, ...rest } = verifyWorkflow(Buffer.from(bundle), { trustRoot, ...request });
  const failed = checks.find(({ status }) => status === "failed");
  return { ...rest, failed: failed === undefined ? null : `${failed.id}: ${failed.detail}` };
}

/** The same statement with something else in it, well signed. */
function forged(change: (statement: Record<string, unknown>) => object): string {
  const { dsseEnvelope } = JSON.parse(SEALED.bundle) as { dsseEnvelope: { payload: string } };
  const statement = JSON.parse(Buffer.from(dsseEnvelope.payload, "base64").toString()) as Record<string, unknown>;
  return sealReceipt(change(statement) as never, SIGNER).bundle;
}

describe("the statement of a published workflow", () => {
  it("verifies with the key alone, and says what it is about", () => {
    const { verified, claims, digest, keyid } = verify(SEALED.bundle);
    assert.deepEqual([verified, digest, keyid], [true, SEALED.digest, KEY.keyid]);
    assert.deepEqual(claims, { ...FACTS, workflow: "shop/orders@1.0.0", builder: BUILDER });
    assert.equal(isWorkflowBundle(Buffer.from(SEALED.bundle)), true);
  });

  it("verifies against the plan, the files and what was expected", () => {
    const file = (path: string, digest: ReturnType<typeof sha256>) => ({ path, digest });
    const request = { plan: ` ${PLAN} `, files: [file("a.yaml", FACTS.source), file("plan.json", FACTS.plan)] };
    assert.equal(
      verify(SEALED.bundle, { ...request, expected: { workflow: "shop/orders@1.0.0", plan: FACTS.plan } }).failed,
      null,
    );
    assert.match(verify(SEALED.bundle, { plan: "{}" }).failed ?? "", /^plan: the plan's digest is sha256:/);
    assert.match(
      verify(SEALED.bundle, { files: [file("b.yaml", sha256("b"))] }).failed ?? "",
      /^subjects: b\.yaml has the digest sha256:.* neither the plan's nor the manifest's$/,
    );
    assert.equal(
      verify(SEALED.bundle, { expected: { workflow: "shop/orders@2.0.0" } }).failed,
      "expected: workflow is shop/orders@1.0.0, expected was shop/orders@2.0.0",
    );
  });

  it("is refused with any byte changed", () => {
    const bundle = JSON.parse(SEALED.bundle) as { dsseEnvelope: { payload: string } };
    const payload = Buffer.from(bundle.dsseEnvelope.payload, "base64").toString();
    const changed = Buffer.from(payload.replace("shop/orders@1.0.0/plan", "shop/0rders@1.0.0/plan")).toString("base64");
    assert.equal(
      verify(SEALED.bundle.replace(bundle.dsseEnvelope.payload, changed)).failed,
      "signature: the signature does not fit the statement and the key",
    );
    assert.match(verify(SEALED.bundle.replace('{"mediaType"', '{ "mediaType"')).failed ?? "", /^bundle: /);
    assert.match(verify("nonsense").failed ?? "", /^readable: /);
  });

  it("is refused when its key is a stranger's, speaks for another builder, or was not valid then", () => {
    const other = createSigner(generateKeyPairSync("ed25519").privateKey, BUILDER);
    assert.match(verify(sealWorkflow(FACTS, other, "0").bundle).failed ?? "", /^key: .*not among the 1/);
    const keys = (change: object) => ({ trustRoot: { keys: [{ ...KEY, ...change }] } });
    assert.match(verify(SEALED.bundle, keys({ builder: "https://x" })).failed ?? "", /^signer: it speaks for /);
    assert.match(
      verify(SEALED.bundle, keys({ validUntil: FACTS.publishedAt - 3_600_000 })).failed ?? "",
      /^signer: it was published at .*, after its key was retired/,
    );
  });

  const strange: readonly (readonly [what: string, change: (one: Record<string, unknown>) => object, why: RegExp])[] = [
    ["a member that nobody reads", (one) => ({ ...one, more: 1 }), /unknown member "more"/],
    ["one subject less", (one) => ({ ...one, subject: (one["subject"] as unknown[]).slice(1) }), /subject does not/],
    [
      "subjects in another order",
      (one) => ({ ...one, subject: (one["subject"] as unknown[]).toReversed() }),
      /subject\[0\] is "shop\/orders@1\.0\.0\/source"/,
    ],
    ["another predicate", (one) => ({ ...one, predicateType: "https://x" }), /predicateType is not/],
    ["no time", (one) => ({ ...one, predicate: { ...(one["predicate"] as object), publishedAt: "now" } }), /RFC 3339/],
  ];
  for (const [what, change, why] of strange)
    it(`is refused with ${what}, even well signed`, () => assert.match(verify(forged(change)).failed ?? "", why));

  it("is told apart from a receipt and from nonsense", () => {
    for (const text of ["", "null", "[]", "{}", '{"dsseEnvelope":{"payload":"bnVsbA=="}}', '{"dsseEnvelope":null}'])
      assert.equal(isWorkflowBundle(Buffer.from(text)), false, text);
    assert.equal(isWorkflowBundle(Buffer.from(forged((one) => one))), true);
    assert.ok(WORKFLOW_STATEMENT.startsWith("https://"));
  });
});
