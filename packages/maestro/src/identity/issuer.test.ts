import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from "jose";
import type { JSONWebKeySet, JWTVerifyOptions } from "jose";
import { MaestroError } from "../core/problem.ts";
import { openIssuer, readIssuerUrl } from "./issuer.ts";
import type { Issuer } from "./issuer.ts";
import type { TokenFacts } from "./token.ts";
import { subjectOf } from "./token.ts";

const NOW = 1_800_000_000_500;
const root = mkdtempSync(join(tmpdir(), "maestro-issuer-"));
after(() => rmSync(root, { recursive: true, force: true }));

const DIGEST = `sha256:${"ab".repeat(32)}` as const;
const FACTS: Omit<TokenFacts, "issuer"> = {
  audience: "sts.amazonaws.com",
  id: "5f0c7c7e-5a5b-4b9c-9f5e-6f2f5e2e8a11",
  issuedAt: NOW,
  run: "r_1",
  namespace: "shop",
  workflow: { namespace: "shop", name: "deploy", version: "1.2.0", digest: DIGEST },
  planDigest: DIGEST,
  task: "upload",
  item: -1,
  attempt: 2,
  environment: "production",
  purpose: "release",
  actor: { type: "user", id: "okta:ada", roles: ["operator"] },
  runner: { name: "process@host", sandbox: "strict" },
};

function issuerAt(url: string | undefined, dir = "keys"): Issuer {
  return openIssuer({ dir: join(root, dir), now: () => NOW, ...(url === undefined ? {} : { url }) });
}

async function verify(issuer: Issuer, token: string, options: JWTVerifyOptions): ReturnType<typeof jwtVerify> {
  return jwtVerify(token, createLocalJWKSet(issuer.keySet() as unknown as JSONWebKeySet), options);
}

describe("a token", () => {
  const issuer = issuerAt("https://maestro.example");
  const { token, expiresAt } = issuer.issue(FACTS);
  const right = { issuer: "https://maestro.example", audience: "sts.amazonaws.com", algorithms: ["ES256"] };

  it("says who its holder is, and is verified by the published keys", async () => {
    const { payload, protectedHeader } = await verify(issuer, token, { ...right, currentDate: new Date(NOW) });
    assert.equal(protectedHeader.alg, "ES256");
    assert.equal(protectedHeader.typ, "JWT");
    const iat = Math.floor(NOW / 1000);
    assert.deepEqual(payload, {
      iss: "https://maestro.example",
      aud: "sts.amazonaws.com",
      sub: "run:shop:deploy:env:production:task:upload",
      iat,
      nbf: iat,
      exp: iat + 300,
      jti: FACTS.id,
      namespace: "shop",
      run_id: "r_1",
      task_id: "upload",
      attempt: 2,
      workflow_ref: "shop/deploy@1.2.0",
      workflow_sha: DIGEST,
      plan_sha: DIGEST,
      actor: "user:okta:ada",
      environment: "production",
      purpose: "release",
      runner: { name: "process@host", sandbox: "strict" },
    });
    assert.equal(expiresAt, (iat + 300) * 1000);
  });

  it("is worthless after five minutes, before it was made, for others and from others", async () => {
    const at = (seconds: number): Date => new Date(NOW + seconds * 1000);
    await verify(issuer, token, { ...right, currentDate: at(299) });
    await assert.rejects(verify(issuer, token, { ...right, currentDate: at(300) }), { code: "ERR_JWT_EXPIRED" });
    await assert.rejects(verify(issuer, token, { ...right, currentDate: at(-2) }), {
      code: "ERR_JWT_CLAIM_VALIDATION_FAILED",
    });
    await assert.rejects(verify(issuer, token, { ...right, currentDate: at(0), audience: "vault" }), { claim: "aud" });
    await assert.rejects(verify(issuer, token, { ...right, currentDate: at(0), issuer: "https://other.example" }), {
      claim: "iss",
    });
    const stranger = issuerAt("https://maestro.example", "others");
    await assert.rejects(verify(stranger, token, { ...right, currentDate: at(0) }), {
      code: "ERR_JWKS_NO_MATCHING_KEY",
    });
    const [head, , signature] = token.split(".");
    const forged = Buffer.from(JSON.stringify({ ...right, sub: "run:shop:deploy:env:production:task:other" }));
    await assert.rejects(
      verify(issuer, `${head}.${forged.toString("base64url")}.${signature}`, { ...right, currentDate: at(0) }),
      { code: "ERR_JWS_SIGNATURE_VERIFICATION_FAILED" },
    );
  });

  it("names its key, by the thumbprint that is published", () => {
    const { keys } = issuer.keySet() as unknown as JSONWebKeySet;
    const [key] = keys;
    assert.deepEqual(
      [key?.kty, key?.crv, key?.alg, key?.use, "d" in (key ?? {})],
      ["EC", "P-256", "ES256", "sig", false],
    );
    assert.equal(decodeProtectedHeader(token).kid, key?.kid);
  });
});

it("a subject cannot be read in two ways, whatever an environment is called", () => {
  const odd = subjectOf({ ...FACTS, environment: "prod:task:upload", task: "x" });
  assert.equal(odd, "run:shop:deploy:env:prod%3Atask%3Aupload:task:x");
});

describe("the issuer", () => {
  it("is the named URL, else the one it listens on, else there is none", () => {
    const issuer = issuerAt(undefined);
    for (const ask of [() => issuer.discovery(), () => issuer.keySet(), () => issuer.issue(FACTS)])
      assert.throws(ask, (error: unknown) => error instanceof MaestroError && error.code === "no_issuer");
    issuer.listens("http://127.0.0.1:7717");
    assert.equal(issuer.discovery()["issuer"], "http://127.0.0.1:7717");
    assert.equal(issuer.discovery()["jwks_uri"], "http://127.0.0.1:7717/.well-known/jwks.json");
    const named = issuerAt("https://maestro.example/ci");
    named.listens("http://127.0.0.1:7717");
    assert.equal(named.discovery()["jwks_uri"], "https://maestro.example/ci/.well-known/jwks.json");
  });

  it("has a URL that verifiers compare as text", () => {
    for (const [text, url] of [
      ["https://maestro.example", "https://maestro.example"],
      ["https://maestro.example/", "https://maestro.example"],
      ["https://maestro.example:8443/ci/", "https://maestro.example:8443/ci"],
      ["http://127.0.0.1:7717", "http://127.0.0.1:7717"],
      ["http://localhost:1", "http://localhost:1"],
    ] as const)
      assert.equal(readIssuerUrl(text), url);
    for (const [text, why] of [
      ["maestro.example", /it is no URL/],
      ["http://maestro.example", /others must reach it by https/],
      ["http://127.0.0.1.evil.example", /others must reach it by https/],
      ["ftp://maestro.example", /https/],
      ["https://maestro.example?x=1", /a query or a fragment/],
      ["https://maestro.example#", /a query or a fragment/],
      ["https://ada@maestro.example", /holds a name/],
      ["https://MAESTRO.example", /normal form/],
      ["https://maestro.example:443", /normal form/],
      ["https://maestro.example/../x", /normal form/],
      [`https://maestro.example/${"x".repeat(300)}`, /longer than 255/],
    ] as const)
      assert.throws(
        () => readIssuerUrl(text),
        (error: unknown) =>
          error instanceof MaestroError && error.code === "invalid_request" && why.test(error.message),
        text,
      );
  });
});
