import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import type { RequestListener, Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, beforeEach, describe, it } from "node:test";
import fc from "fast-check";
import { exportJWK, exportSPKI, generateKeyPair, importJWK } from "jose";
import type { JWK } from "jose";
import { AUDIENCE, OidcProvider } from "../../test/support/oidc.ts";
import { MaestroError } from "../core/problem.ts";
import { readCompact } from "./compact.ts";
import { KEY_LIMITS, Provider } from "./provider.ts";
import { Refused } from "./refused.ts";
import { MAX_TOKEN_LENGTH } from "./settings.ts";
import type { IssuerSettings } from "./settings.ts";

// Tokens of a real provider in another process, and what somebody might send in their place.

const BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

let idp: OidcProvider;
let now = Date.now();

function settingsOf(more: Partial<IssuerSettings> = {}): IssuerSettings {
  return {
    name: "company",
    issuer: idp.issuer,
    audience: AUDIENCE,
    algorithms: ["RS256"],
    type: "at+jwt",
    subject: ["sub"],
    callers: "user",
    skewMs: 30_000,
    maxLifetimeMs: 600_000,
    sessionMs: 3_600_000,
    keyHosts: [],
    login: undefined,
    require: [],
    roles: [],
    services: [],
    properties: {},
    ...more,
  };
}

const providerOf = (more: Partial<IssuerSettings> = {}): Provider => new Provider(settingsOf(more), { now: () => now });

/** `accepted`, the reason of a refusal, or the code of a problem. */
async function verdict(token: string, provider = providerOf()): Promise<string> {
  try {
    await provider.verify(readCompact(token));
    return "accepted";
  } catch (error) {
    if (error instanceof Refused) return error.reason;
    if (error instanceof MaestroError) return error.code;
    throw error;
  }
}

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

before(async () => {
  idp = await OidcProvider.start();
});
// The provider signs by the real clock: on a slow machine the one of this file must not fall behind by more than is forgiven.
beforeEach(() => {
  now = Date.now();
});
after(async () => idp.stop());

describe("an access token", () => {
  it("of the provider is taken, as it gave it out", async () => {
    assert.equal(await verdict(await idp.clientCredentials()), "accepted");
    assert.equal(await verdict(await idp.sign()), "accepted");
  });

  it("for somebody else is refused", async () => {
    assert.equal(await verdict(await idp.clientCredentials("https://other.test")), "wrong_audience");
    assert.equal(await verdict(await idp.sign({ aud: [AUDIENCE, "https://other.test"] })), "accepted");
    for (const aud of [undefined, [], "", `${AUDIENCE}/`, AUDIENCE.toUpperCase(), "*"])
      assert.match(await verdict(await idp.sign({ aud })), /^(wrong_audience|bad_claims)$/, String(aud));
  });

  it("of another issuer is refused, however much alike", async () => {
    for (const iss of ["https://other.test", `${idp.issuer}/`, idp.issuer.replace("127.0.0.1", "localhost"), undefined])
      assert.equal(await verdict(await idp.sign({ iss })), "wrong_issuer", String(iss));
  });

  it("is good in its time only", async () => {
    const at = Math.floor(now / 1000);
    const cases: readonly (readonly [Readonly<Record<string, unknown>>, string])[] = [
      [{ exp: at - 29 }, "accepted"],
      [{ exp: at - 31 }, "expired"],
      [{ nbf: at + 29 }, "accepted"],
      [{ nbf: at + 31 }, "not_yet_valid"],
      [{ iat: at + 31, exp: at + 60 }, "not_yet_valid"],
      [{ iat: at, exp: at + 601 }, "lives_too_long"],
      [{ exp: undefined }, "bad_claims"],
      [{ iat: undefined }, "bad_claims"],
      [{ exp: "soon" }, "bad_claims"],
      [{ iat: String(at) }, "bad_claims"],
    ];
    for (const [claims, expected] of cases)
      assert.equal(await verdict(await idp.sign(claims)), expected, JSON.stringify(claims));
  });

  it("of another type is refused: an ID token is no access token", async () => {
    for (const typ of ["JWT", undefined, "at", "jwt+at", "logout+jwt", 7])
      assert.equal(await verdict(await idp.sign({}, { typ })), "wrong_type", String(typ));
    for (const typ of ["AT+JWT", "application/at+jwt"])
      assert.equal(await verdict(await idp.sign({}, { typ })), "accepted", typ);
    const jwt = providerOf({ type: "JWT" });
    assert.equal(await verdict(await idp.sign({}, { typ: "JWT" }), jwt), "accepted");
    assert.equal(await verdict(await idp.sign(), jwt), "wrong_type");
    for (const claim of ["nonce", "at_hash", "c_hash"])
      assert.equal(await verdict(await idp.sign({ [claim]: "x" }, { typ: "JWT" }), jwt), "wrong_type", claim);
  });

  it("is taken by a key that its issuer publishes, and by no other", async () => {
    const { privateKey } = await generateKeyPair("RS256", { extractable: true });
    const own = await exportJWK(privateKey);
    assert.equal(await verdict(await idp.sign({}, {}, own)), "bad_signature");
    assert.equal(await verdict(await idp.sign({}, { kid: "another" }, own)), "unknown_key");
    for (const kid of ["../../../../dev/null", "/proc/self/environ", "' or 1=1 --", "\u0000", "http://127.0.0.1/keys"])
      assert.equal(await verdict(await idp.sign({}, { kid })), "unknown_key", kid);
    assert.equal(await verdict(await idp.sign({}, { kid: "x".repeat(513) })), "malformed");
    assert.equal(await verdict(await idp.sign({}, { kid: 7 })), "malformed");
    assert.equal(await verdict(await idp.sign({}, { kid: undefined })), "accepted", "there is one key only");
  });

  it("brings no key of its own", async () => {
    const { publicKey, privateKey } = await generateKeyPair("RS256", { extractable: true });
    let asked = 0;
    const server = await serve((_request, response) => {
      asked += 1;
      response.end(JSON.stringify({ keys: [] }));
    });
    const jku = urlOf(server);
    const jwk = await exportJWK(publicKey);
    const own = await exportJWK(privateKey);
    for (const header of [{ jku }, { jwk }, { x5u: jku }, { x5c: ["MII"] }, { b64: false }, { zip: "DEF" }])
      assert.equal(await verdict(await tampered({}, header, own)), "forbidden_header", JSON.stringify(header));
    assert.equal(await verdict(await tampered({}, { crit: ["exp"] }, own)), "forbidden_header");
    assert.equal(asked, 0);
    server.close();
  });

  it("is signed, by an algorithm that is pinned", async () => {
    const claims = JSON.parse(Buffer.from((await idp.sign()).split(".")[1] ?? "", "base64url").toString()) as object;
    for (const alg of ["none", "None", "NONE", "nOnE"]) {
      const head = part({ alg, typ: "at+jwt", kid: idp.key.kid });
      assert.equal(await verdict(`${head}.${part(claims)}.`), "malformed", alg);
      assert.equal(await verdict(`${head}.${part(claims)}.AAAA`), "wrong_algorithm", alg);
    }
    // The oldest trick: the public key, which everybody has, as if it were a shared secret.
    const { d: _d, p: _p, q: _q, dp: _dp, dq: _dq, qi: _qi, ...publicJwk } = idp.key;
    const pem = await exportSPKI(
      (await importJWK(publicJwk, "RS256", { extractable: true })) as Parameters<typeof exportSPKI>[0],
    );
    for (const secret of [pem, pem.trimEnd(), JSON.stringify(publicJwk), Buffer.from(publicJwk.n ?? "", "base64url")]) {
      const input = `${part({ alg: "HS256", typ: "at+jwt", kid: idp.key.kid })}.${part(claims)}`;
      const signature = createHmac("sha256", secret).update(input).digest("base64url");
      assert.equal(await verdict(`${input}.${signature}`), "wrong_algorithm");
    }
    assert.equal(await verdict(await idp.sign(), providerOf({ algorithms: ["ES256"] })), "wrong_algorithm");
    assert.equal(await verdict(await idp.sign(), providerOf({ algorithms: ["PS256"] })), "wrong_algorithm");
  });

  it("has one spelling", async () => {
    const token = await idp.sign();
    const [head = "", claims = "", signature = ""] = token.split(".");
    const last = signature.at(-1) ?? "";
    // 256 bytes leave four bits of the last character unused.
    const stray = `${signature.slice(0, -1)}${BASE64URL[BASE64URL.indexOf(last) ^ 1]}`;
    assert.deepEqual(Buffer.from(stray, "base64url"), Buffer.from(signature, "base64url"));
    for (const other of [
      `${head}.${claims}.${stray}`,
      `${head}.${claims}.${signature}==`,
      `${head}.${claims} .${signature}`,
      `${head}.${claims}.${signature}\n`,
      ` ${token}`,
      `${head}..${signature}`,
      `${token}.`,
      `${head}.${claims}.${signature.replaceAll("-", "+").replaceAll("_", "/")}=`,
      `${part({ ...(JSON.parse(Buffer.from(head, "base64url").toString()) as object) })}.${claims}.`,
      "..",
      "",
      token.slice(0, -10),
    ])
      assert.match(await verdict(other), /^(malformed|bad_signature)$/, other);
    const twice = Buffer.from(`{"iss":"${idp.issuer}","iss":"${idp.issuer}"}`).toString("base64url");
    assert.equal(await verdict(`${head}.${twice}.${signature}`), "malformed");
    assert.equal(await verdict(`${head}.${part([])}.${signature}`), "malformed");
  });

  it("has an end", async () => {
    const long = await idp.sign({ groups: Array.from({ length: 1_000 }, (_, i) => `group-${i}`) });
    assert.ok(long.length > MAX_TOKEN_LENGTH);
    assert.equal(await verdict(long), "malformed");
    let deep: unknown = 1;
    for (let i = 0; i < 40; i++) deep = [deep];
    assert.equal(await verdict(await idp.sign({ deep })), "malformed");
  });

  it("is not taken after any change of a character", async () => {
    const token = await idp.clientCredentials();
    const provider = providerOf();
    assert.equal(await verdict(token, provider), "accepted");
    const character = fc.oneof(
      fc.constantFrom(...`${BASE64URL}.=+/ \n\t`.split("")),
      fc.string({ minLength: 1, maxLength: 1, unit: "binary" }),
    );
    // The last characters of a part have bits that mean nothing.
    const ends = token.split(".").map((_, i, parts) => parts.slice(0, i + 1).join(".").length - 1);
    const place = fc.oneof(fc.nat({ max: token.length - 1 }), fc.constantFrom(...ends));
    const change = fc.oneof(
      fc.record({ kind: fc.constant("flip" as const), place, character }),
      fc.record({ kind: fc.constant("insert" as const), place, character }),
      fc.record({ kind: fc.constant("remove" as const), place, character }),
      fc.record({ kind: fc.constant("swap" as const), place, character }),
    );
    await fc.assert(
      fc.asyncProperty(change, async ({ kind, place: at, character: by }) => {
        const rest = kind === "insert" ? token.slice(at) : token.slice(at + 1);
        const next = token[at + 1] ?? "";
        const other =
          kind === "swap"
            ? `${token.slice(0, at)}${next}${token[at] ?? ""}${token.slice(at + 2)}`
            : `${token.slice(0, at)}${kind === "remove" ? "" : by}${rest}`;
        fc.pre(other !== token);
        assert.notEqual(await verdict(other, provider), "accepted", other);
      }),
      { numRuns: 600 },
    );
  });
});

describe("a provider's keys", () => {
  it("are asked for once, and again for a key that nobody knows, but not often", async () => {
    const provider = providerOf();
    const old = await idp.sign();
    assert.equal(await verdict(old, provider), "accepted");
    await idp.rotate();
    const fresh = await idp.sign();
    assert.equal(await verdict(old, provider), "accepted", "within the time that keys are kept");
    assert.equal(await verdict(fresh, provider), "unknown_key", "within the time in which it is not asked again");
    now += KEY_LIMITS.cooldownMs;
    assert.equal(await verdict(fresh, provider), "accepted");
    assert.equal(await verdict(old, provider), "unknown_key");
    now -= KEY_LIMITS.cooldownMs;
  });

  it("are not asked for by whoever invents names of keys", async () => {
    let asked = 0;
    const server = await serve((request, response) => {
      asked += 1;
      const path =
        request.url === "/keys" ? { keys: [] } : { issuer: urlOf(server), jwks_uri: `${urlOf(server)}/keys` };
      response.end(JSON.stringify(path));
    });
    const provider = providerOf({ issuer: urlOf(server) });
    const token = await idp.sign({ iss: urlOf(server) });
    const all = await Promise.all(Array.from({ length: 50 }, async () => verdict(token, provider)));
    assert.deepEqual(new Set(all), new Set(["unknown_key"]));
    assert.equal(asked, 2);
    server.close();
  });

  it("that cannot be had let nobody in, and it is tried again", async () => {
    const provider = providerOf();
    assert.equal(await verdict(await idp.sign(), provider), "accepted");
    await idp.stop();
    const token = await idp.sign();
    assert.equal(await verdict(token, provider), "accepted", "the keys are still good");
    now += KEY_LIMITS.maxAgeMs;
    const later = await idp.sign({ iat: now / 1000, exp: now / 1000 + 300 });
    await assert.rejects(provider.verify(readCompact(later)), {
      code: "issuer_unreachable",
      message: /The identity provider company cannot be asked: .*ECONNREFUSED/,
    });
    assert.equal(await verdict(later, providerOf()), "issuer_unreachable");
    await idp.restart();
    assert.equal(await verdict(later, provider), "issuer_unreachable", "not asked again at once");
    now += KEY_LIMITS.retryMs;
    const again = await idp.sign({ iat: now / 1000, exp: now / 1000 + 300 });
    assert.equal(await verdict(again, provider), "accepted");
    now = Date.now();
  });

  const answers: readonly (readonly [what: string, document: (url: string) => unknown, told: RegExp])[] = [
    [
      "of another issuer",
      () => ({ issuer: "https://other.test", jwks_uri: "https://other.test/keys" }),
      /its discovery document is that of "https:\/\/other.test"/,
    ],
    ["without keys", (url) => ({ issuer: url }), /names no jwks_uri/],
    [
      "with keys over http from elsewhere",
      (url) => ({ issuer: url, jwks_uri: "http://keys.test/" }),
      /keys would come from http:\/\/keys.test, which is not https/,
    ],
    [
      "with keys from another host",
      (url) => ({ issuer: url, jwks_uri: "https://keys.test/" }),
      /keys would come from keys.test; if that is right, add it to keyHosts/,
    ],
    ["with keys in a file", (url) => ({ issuer: url, jwks_uri: "file:///etc/passwd" }), /not https/],
    ["that is no object", () => [1], /no object of JSON/],
    ["that is no JSON", () => "{", /JSON/],
    ["that is too large", (url) => ({ issuer: url, x: "x".repeat(600_000) }), /larger than 524288 bytes/],
  ];
  for (const [what, document, told] of answers) {
    it(`are refused by a document ${what}`, async () => {
      const server = await serve((_request, response) => {
        const value = document(urlOf(server));
        response.end(typeof value === "string" ? value : JSON.stringify(value));
      });
      const provider = providerOf({ issuer: urlOf(server) });
      const token = readCompact(await idp.sign({ iss: urlOf(server) }));
      await assert.rejects(provider.verify(token), { code: "issuer_unreachable", message: told });
      server.close();
    });
  }

  it("are not looked for where an answer leads, nor waited for without end", async () => {
    const away = await serve((_request, response) =>
      response.writeHead(302, { location: "https://other.test/" }).end(),
    );
    const sick = await serve((_request, response) => response.writeHead(500).end());
    const silent = await serve(() => undefined);
    for (const [server, told, ms] of [
      [away, /redirect/, 60_000],
      [sick, /HTTP status 500/, 60_000],
      [silent, /no whole answer in 0.2 s/, 200],
    ] as const) {
      const provider = new Provider(settingsOf({ issuer: urlOf(server) }), { now: () => now, limits: { ms } });
      await assert.rejects(provider.check(), { code: "issuer_unreachable", message: told });
      server.closeAllConnections();
      server.close();
    }
  });

  it("of a kind that is unknown do no harm; shared secrets and private keys are no keys", async () => {
    const { d: _d, p: _p, q: _q, dp: _dp, dq: _dq, qi: _qi, ...publicJwk } = idp.key;
    const secret = { kty: "oct", k: "AAAA", alg: "HS256", kid: idp.key.kid };
    const keysOf = (keys: readonly unknown[]): RequestListener => {
      return (request, response) => {
        const url = `http://${request.headers.host}`;
        response.end(JSON.stringify(request.url === "/keys" ? { keys } : { issuer: url, jwks_uri: `${url}/keys` }));
      };
    };
    const cases: readonly (readonly [readonly unknown[], string])[] = [
      [[secret, { kty: "XX", kid: idp.key.kid }, 7, null, publicJwk], "accepted"],
      [[secret], "unknown_key"],
      [[idp.key], "bad_signature"],
      [Array.from({ length: 101 }, () => publicJwk), "issuer_unreachable"],
    ];
    for (const [keys, expected] of cases) {
      const server = await serve(keysOf(keys));
      const token = await idp.sign({ iss: urlOf(server) });
      assert.equal(await verdict(token, providerOf({ issuer: urlOf(server) })), expected);
      server.close();
    }
  });
});

/** Signed by whoever holds the key, with a header that jose would not let us write. */
async function tampered(claims: object, header: object, key: JWK): Promise<string> {
  const sound = await idp.sign(claims as Record<string, unknown>, {}, key);
  const [, payload = "", signature = ""] = sound.split(".");
  return `${part({ alg: "RS256", typ: "at+jwt", kid: idp.key.kid, ...header })}.${payload}.${signature}`;
}

async function serve(listener: RequestListener): Promise<Server> {
  const server = createServer(listener);
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  server.unref();
  return server;
}

function urlOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
