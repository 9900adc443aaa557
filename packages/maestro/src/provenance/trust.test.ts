import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import { BUILDER } from "../../test/support/receipt-sample.ts";
import { MaestroError } from "../core/problem.ts";
import { fingerprintOf, keyidOf } from "./keyid.ts";
import { readTrustRoot, writeTrustRoot, type TrustedKey } from "./trust.ts";

function newKey(validFrom: number | null, validUntil: number | null): TrustedKey {
  const { publicKey } = generateKeyPairSync("ed25519");
  return {
    keyid: keyidOf(publicKey),
    fingerprint: fingerprintOf(publicKey),
    publicKey,
    builder: BUILDER,
    validFrom,
    validUntil,
  };
}

describe("readTrustRoot()", () => {
  it("reads what writeTrustRoot wrote", () => {
    const times = fc.integer({ min: 0, max: 4e12 });
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.option(times), fc.option(times)), { minLength: 1, maxLength: 4 }), (windows) => {
        const root = { keys: windows.map(([from, until]) => newKey(from, until)) };
        const again = readTrustRoot(writeTrustRoot(root), "it");
        const plain = (key: TrustedKey): unknown => [
          key.keyid,
          key.builder,
          key.validFrom,
          key.validUntil,
          key.publicKey.export({ format: "jwk" }),
        ];
        assert.deepEqual(again.keys.map(plain), root.keys.map(plain));
      }),
      { numRuns: 30 },
    );
  });

  const key = newKey(0, null);
  const good = writeTrustRoot({ keys: [key] });
  const other = newKey(0, null);
  const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" })
    .publicKey.export({ type: "spki", format: "der" })
    .toString("base64");
  const publicKey = key.publicKey.export({ type: "spki", format: "der" }).toString("base64");

  const table: readonly (readonly [what: string, text: string, message: RegExp])[] = [
    ["no JSON", "no", /root\.json is not a trust root: .*JSON/],
    ["another document", "[]", /the document is not an object/],
    ["another media type", good.replace("root.v1", "root.v2"), /mediaType is not application/],
    [
      "a restriction it does not know",
      good.replace('"builder"', '"onlyOnSundays": true,\n "builder"'),
      /keys\[0\] has a member "onlyOnSundays" that this version does not know/,
    ],
    ["a member it does not know", good.replace("{", '{"threshold": 2,'), /has a member "threshold"/],
    [
      "a key listed twice, with a wider window",
      writeTrustRoot({ keys: [key, { ...key, validUntil: 1 }] }),
      /is listed twice/,
    ],
    ["no keys", writeTrustRoot({ keys: [] }), /at least one key/],
    ["a member twice", good.replace('"builder"', '"builder": "x",\n "builder"'), /"builder" occurs twice/],
    ["another key's id", good.replace(key.keyid, other.keyid), /keyid does not belong to its public key/],
    ["another kind of key", good.replace(publicKey, p256), /is not an Ed25519 key/],
    ["no key", good.replace(publicKey, "AAAA"), /is not a public key/],
    ["another algorithm", good.replace('"ed25519"', '"rsa"'), /algorithm is not ed25519/],
    ["no time", good.replace("1970-01-01T00:00:00.000Z", "always"), /validFrom is not an RFC 3339 time/],
    ["no builder", good.replace(BUILDER, ""), /builder is not a text/],
  ];
  for (const [what, text, message] of table) {
    it(`refuses ${what}`, () => {
      assert.throws(
        () => readTrustRoot(text, "root.json"),
        (error: unknown) =>
          error instanceof MaestroError &&
          error.code === "invalid_request" &&
          error.class === "usage" &&
          message.test(error.message),
      );
    });
  }
});
