import assert from "node:assert/strict";
import { createPublicKey, verify } from "node:crypto";
import { describe, it } from "node:test";
import { bundleFromJSON, bundleToJSON, isBundleWithDsseEnvelope } from "@sigstore/bundle";
import { toSignedEntity, Verifier, type TrustMaterial } from "@sigstore/verify";
import fc from "fast-check";
import { sampleKey, sampleRun } from "../../test/support/receipt-sample.ts";
import { sha256 } from "../core/digest.ts";
import type { JsonObject } from "../core/json.ts";
import { statement } from "../core/receipt.ts";
import { IN_TOTO_PAYLOAD, preAuthEncoding, readBundle, writeBundle } from "./envelope.ts";
import { sealReceipt } from "./receipts.ts";

const key = sampleKey();

/** What a Sigstore client makes of a key that it was given by hand: no log, no timestamps, no authorities. */
const sigstore = new Verifier(
  {
    certificateAuthorities: [],
    timestampAuthorities: [],
    tlogs: [],
    ctlogs: [],
    publicKey: (hint) => {
      assert.equal(hint, key.signer.keyid);
      return { publicKey: key.trusted.publicKey, validFor: () => true };
    },
  } satisfies TrustMaterial,
  { tlogThreshold: 0, ctlogThreshold: 0, timestampThreshold: 0 },
);

describe("preAuthEncoding()", () => {
  it("equals the vectors of the DSSE specification, lengths in bytes", () => {
    const vectors: readonly (readonly [type: string, body: string, encoded: string])[] = [
      ["http://example.com/HelloWorld", "hello world", "DSSEv1 29 http://example.com/HelloWorld 11 hello world"],
      ["", "", "DSSEv1 0  0 "],
      ["tüp", "ಠ\n", "DSSEv1 4 tüp 4 ಠ\n"],
      [IN_TOTO_PAYLOAD, "{}", "DSSEv1 28 application/vnd.in-toto+json 2 {}"],
    ];
    for (const [type, body, encoded] of vectors)
      assert.equal(preAuthEncoding(type, Buffer.from(body)).toString(), encoded);
  });

  it("makes the bytes that the specification's own signature is over", () => {
    const coordinate = (n: bigint): string =>
      Buffer.from(n.toString(16).padStart(64, "0"), "hex").toString("base64url");
    const publicKey = createPublicKey({
      format: "jwk",
      key: {
        kty: "EC",
        crv: "P-256",
        x: coordinate(46950820868899156662930047687818585632848591499744589407958293238635476079160n),
        y: coordinate(5640078356564379163099075877009565129882514886557779369047442380624545832820n),
      },
    });
    const signature = Buffer.from(
      "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA==",
      "base64",
    );
    const message = preAuthEncoding("http://example.com/HelloWorld", Buffer.from("hello world"));
    assert.ok(verify("sha256", message, { key: publicKey, dsaEncoding: "ieee-p1363" }, signature));
  });
});

describe("sealReceipt()", () => {
  it("is a bundle that Sigstore's own code parses, writes back the same and verifies offline", () => {
    for (const artifact of [false, true]) {
      const { bundle } = sealReceipt(statement(sampleRun({ artifact }).facts), key.signer);
      const parsed = bundleFromJSON(JSON.parse(bundle));
      assert.ok(isBundleWithDsseEnvelope(parsed));
      assert.equal(JSON.stringify(bundleToJSON(parsed)), bundle);
      sigstore.verify(toSignedEntity(parsed));
    }
  });

  it("keeps every statement and satisfies the peer for each, whatever it holds", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (predicate) => {
        const said = { predicate } as JsonObject;
        const { bundle, digest } = sealReceipt(said, key.signer);
        assert.equal(digest, sha256(bundle));
        const signed = readBundle(JSON.parse(bundle), bundle);
        assert.equal(writeBundle(signed), bundle);
        assert.equal(signed.payload.toString(), JSON.stringify(said));
        sigstore.verify(toSignedEntity(bundleFromJSON(JSON.parse(bundle))));
      }),
      { numRuns: 50 },
    );
  });

  it("holds 2 KB and 200 B per plain task", () => {
    for (const tasks of [1, 5, 100, 1000]) {
      const { bundle } = sealReceipt(statement(sampleRun({ tasks }).facts), key.signer);
      assert.ok(bundle.length <= 2048 + 200 * tasks, `${bundle.length} bytes for ${tasks} tasks`);
    }
  });
});
