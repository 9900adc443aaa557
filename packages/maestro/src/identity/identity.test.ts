import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { AUDIENCE, OidcProvider } from "../../test/support/oidc.ts";
import { openSqlite } from "../store/sqlite.ts";
import type { Store } from "../store/store.ts";
import { authenticator } from "./authenticate.ts";
import type { NotAdmitted } from "./authenticate.ts";
import type { Caller } from "./caller.ts";
import { sessionCookie } from "./cookie.ts";
import { Identity } from "./identity.ts";
import type { OwnerToken } from "./identity.ts";
import { CODE_LIMITS } from "./login-codes.ts";
import type { RefusalReason } from "./refused.ts";
import { SESSION_LIMITS } from "./settings.ts";

// Sessions and who asks, with a clock of the test's own and tokens of a real provider.

const ACCESS = "urn:ietf:params:oauth:token-type:access_token";
const OWNERS = `maestro_${"o".repeat(43)}`;
const URL_HERE = "http://127.0.0.1:7717/v1/runs";

let idp: OidcProvider;
let dir = "";
let store: Store;
let identity: Identity;
let now = 0;
let mark = "first";
const failures: unknown[] = [];
const refused: RefusalReason[] = [];

const ownerToken: OwnerToken = {
  accepts: (authorization) => Promise.resolve(authorization === `Bearer ${OWNERS}`),
  mark: () => Promise.resolve(mark),
};

const settings = (rules: string): string => `identity:
  issuers:
    company:
      issuer: ${idp.issuer}
      audience: ${AUDIENCE}
      algorithms: [RS256]
      session: 1h
      roles:
        - ${rules}
`;
const SHOP = "{ claim: groups, is: shop, namespaces: [shop], roles: [operator] }";

async function configure(text: string): Promise<void> {
  await writeFile(join(dir, "identity.yaml"), text);
  // Later than files are looked at again.
  now += 1_000;
}

async function ask(headers: Readonly<Record<string, string>>, method = "GET"): Promise<Caller | NotAdmitted> {
  const authenticate = authenticator({
    identity,
    ownerToken,
    owner: "olga",
    refused: (reason) => refused.push(reason),
  });
  return authenticate(new Request(URL_HERE, { method, headers }));
}

const bearer = async (token: string): Promise<Caller | NotAdmitted> => ask({ authorization: `Bearer ${token}` });

/** The caller's id and roles, or why it is nobody. */
async function verdict(token: string): Promise<string> {
  const answer = await bearer(token);
  if ("error" in answer) {
    const { reason } = answer.error.facts;
    return typeof reason === "string" ? reason : answer.error.code;
  }
  return `${answer.id} ${answer.grants.map(({ namespace, roles }) => `${namespace}:${roles.join("+")}`).join(" ")}`.trim();
}

async function begin(claims: Readonly<Record<string, unknown>> = {}): Promise<string> {
  return (await identity.exchange(await idp.sign(claims), ACCESS, "a test")).token;
}

before(async () => {
  idp = await OidcProvider.start();
});
after(async () => idp.stop());
beforeEach(async () => {
  now = Date.now();
  mark = "first";
  refused.length = 0;
  failures.length = 0;
  dir = await mkdtemp(join(tmpdir(), "maestro-identity-"));
  store = await openSqlite({ path: ":memory:" });
  identity = new Identity({
    dataDir: dir,
    store: store.sessions,
    owner: "olga",
    ownerToken: () => Promise.resolve(ownerToken),
    now: () => now,
    randomBytes,
    failed: (error) => failures.push(error),
  });
  await configure(settings(SHOP));
  return async () => {
    await store.close();
    await rm(dir, { recursive: true });
  };
});

describe("a session", () => {
  it("begins by a provider's token, and its own is 256 random bits that nobody keeps", async () => {
    const { token, session, caller } = await identity.exchange(await idp.sign(), ACCESS, "a test");
    assert.match(token, /^maestro_s_[A-Za-z0-9_-]{43}$/);
    assert.equal(session.expiresAt, now + 3_600_000);
    assert.deepEqual([caller.id, caller.via, caller.session], ["company:anna", "session", session.id]);
    const stored = JSON.stringify(await store.sessions.get(session.id));
    assert.ok(!stored.includes(token.slice("maestro_s_".length)), stored);
    assert.equal(await verdict(token), "company:anna shop:operator");
    const others = new Set(await Promise.all(Array.from({ length: 20 }, async () => begin())));
    assert.equal(others.size, 20);
  });

  it("begins once by one token, however it is asked for, also after a restart", async () => {
    const token = await idp.sign({ jti: "one" });
    const all = await Promise.allSettled(Array.from({ length: 5 }, async () => identity.exchange(token, ACCESS, "")));
    assert.equal(all.filter(({ status }) => status === "fulfilled").length, 1);
    await assert.rejects(identity.exchange(await idp.sign({ jti: "one" }), ACCESS, ""), { reason: "replayed" });
    const nameless = await idp.sign({ jti: undefined });
    await identity.exchange(nameless, ACCESS, "");
    await assert.rejects(identity.exchange(nameless, ACCESS, ""), { reason: "replayed" });
  });

  it("begins for nobody without a role, and by no token of another type than it is said to be", async () => {
    await assert.rejects(identity.exchange(await idp.sign({ groups: ["x"] }), ACCESS, ""), { reason: "no_role" });
    await assert.rejects(identity.exchange(await idp.sign(), "urn:ietf:params:oauth:token-type:id_token", ""), {
      reason: "wrong_type",
    });
  });

  it("ends when its time is over", async () => {
    const token = await begin();
    now += 3_599_999;
    assert.equal(await verdict(token), "company:anna shop:operator");
    now += 1;
    assert.equal(await verdict(token), "session_expired");
  });

  it("ends for the next request when it is revoked", async () => {
    const token = await begin();
    const [session] = await store.sessions.list({ limit: 1 });
    await store.sessions.revoke([session?.id ?? ""], { at: now, by: "user:emil" });
    assert.equal(await verdict(token), "session_revoked");
  });

  it("is known by its whole token only", async () => {
    const token = await begin();
    for (const other of [
      `${token.slice(0, -1)}${token.endsWith("A") ? "B" : "A"}`,
      token.slice(0, -1),
      `${token}A`,
      token.toUpperCase(),
      `maestro_s_${"A".repeat(43)}`,
    ])
      assert.match(await verdict(other), /^(session_unknown|unknown_token)$/, other);
  });

  it("has the roles that the settings give at the moment, by the claims that it began with", async () => {
    const token = await begin({ groups: ["shop", "ops"], sub: "bela", secret: "x" });
    await configure(settings('{ claim: groups, is: ops, namespaces: ["*"], roles: [viewer] }'));
    assert.equal(await verdict(token), "company:bela *:viewer", "ops meant nothing when it began, but groups was kept");
    await configure(settings("{ claim: secret, is: x, namespaces: [shop], roles: [admin] }"));
    assert.equal(
      await verdict(token),
      "company:bela",
      "who looks at another claim looks at those who log in from now on",
    );
    const [row] = await store.sessions.list({ limit: 1 });
    assert.deepEqual(row?.claims, { iss: idp.issuer, sub: "bela", groups: ["shop", "ops"] });
  });

  it("is over where its issuer is not there any more, or is another one under the same name", async () => {
    const token = await begin();
    await configure(settings(SHOP).replace("company:", "firm:"));
    assert.equal(await verdict(token), "session_orphaned");
    await configure(settings(SHOP).replace(idp.issuer, "https://login.example"));
    assert.equal(await verdict(token), "session_orphaned");
    await configure(settings(SHOP).replace("session: 1h", "subject: jti"));
    assert.equal(await verdict(token), "bad_claims", "who it is cannot be said by the new settings");
    await configure(settings(SHOP));
    assert.equal(await verdict(token), "company:anna shop:operator");
  });

  it("does not last where the settings are spoilt, which is told once and not to strangers", async () => {
    const token = await begin();
    await configure("identity: { isuers: {} }");
    assert.equal(await verdict(token), "identity_unusable");
    assert.equal(await verdict(token), "identity_unusable");
    assert.equal(failures.length, 1);
    assert.match(String(failures[0]), /isuers.*did you mean issuers/);
    const answer = await bearer(token);
    assert.ok("error" in answer && !answer.error.message.includes("isuers") && answer.status === 503);
    assert.deepEqual(refused, ["settings_unusable", "settings_unusable", "settings_unusable"]);
    assert.equal(await verdict(OWNERS), "olga *:owner");
  });

  it("says when it was used, roughly, and is forgotten a month after its end", async () => {
    const token = await begin();
    const seen = async (): Promise<number> => (await store.sessions.list({ limit: 1 }))[0]?.seenAt ?? 0;
    const began = now;
    now += SESSION_LIMITS.seenEveryMs - 1;
    await verdict(token);
    assert.equal(await seen(), began);
    now += 1;
    await verdict(token);
    assert.equal(await seen(), now);
    now = began + 3_600_000 + SESSION_LIMITS.keptMs + 1;
    await identity.byLoginCode(identity.makeLoginCode().code, "");
    assert.equal(await verdict(token), "session_unknown");
  });

  it("is one of so many", async () => {
    const row = (await identity.exchange(await idp.sign(), ACCESS, "")).session;
    for (let i = 1; i < SESSION_LIMITS.perSubject; i++)
      await store.sessions.put({ ...row, id: `s_${i}`, digest: `d${i}`, proof: `p${i}` });
    await assert.rejects(begin(), { code: "limit_exceeded", message: /company:anna has 500 sessions/ });
    assert.match(await begin({ sub: "bela" }), /^maestro_s_/);
  });
});

describe("a login code", () => {
  it("lets the owner in once, for five minutes, until the owner's token is exchanged", async () => {
    const { code, expiresAt } = identity.makeLoginCode();
    assert.equal(expiresAt, now + CODE_LIMITS.lastsMs);
    const { token } = await identity.byLoginCode(code, "a browser");
    assert.equal(await verdict(token), "olga *:owner");
    await assert.rejects(identity.byLoginCode(code, ""), { reason: "code_spent" });
    mark = "second";
    assert.equal(await verdict(token), "session_orphaned");
    const late = identity.makeLoginCode().code;
    now += CODE_LIMITS.lastsMs;
    await assert.rejects(identity.byLoginCode(late, ""), { reason: "code_spent" });
    await assert.rejects(identity.byLoginCode("", ""), { reason: "code_spent" });
  });

  it("is one of so many", () => {
    for (let i = 0; i < CODE_LIMITS.open; i++) identity.makeLoginCode();
    assert.throws(() => identity.makeLoginCode(), { code: "limit_exceeded" });
    now += CODE_LIMITS.lastsMs;
    identity.makeLoginCode();
  });
});

describe("who asks", () => {
  it("is the owner, a session's holder or a provider's, by one header", async () => {
    assert.equal(await verdict(OWNERS), "olga *:owner");
    assert.equal(await verdict(await idp.sign()), "company:anna shop:operator");
    assert.equal(await verdict(await idp.sign({ groups: [] })), "company:anna", "the gate has nothing to let it do");
    assert.deepEqual(refused, []);
  });

  const nobody: readonly (readonly [Readonly<Record<string, string>>, RefusalReason])[] = [
    [{}, "no_credentials"],
    [{ authorization: "" }, "unknown_token"],
    [{ authorization: OWNERS }, "unknown_token"],
    [{ authorization: `Basic ${btoa(`olga:${OWNERS}`)}` }, "unknown_token"],
    [{ authorization: `Bearer ${OWNERS}, Bearer ${OWNERS}` }, "unknown_token"],
    [{ authorization: `Bearer ${OWNERS} x` }, "unknown_token"],
    [{ authorization: "Bearer a.b.c" }, "malformed"],
    [{ authorization: `Bearer ${"a".repeat(9_000)}` }, "unknown_token"],
    [{ "x-forwarded-user": "olga" }, "no_credentials"],
    [{ cookie: "maestro_session_7718=x" }, "no_credentials"],
  ];
  for (const [headers, reason] of nobody) {
    it(`is nobody with ${JSON.stringify(headers).slice(0, 60)}`, async () => {
      const answer = await ask(headers);
      assert.ok("error" in answer);
      assert.deepEqual([answer.status, answer.error.facts["reason"]], [401, reason]);
      assert.deepEqual(refused, [reason]);
    });
  }

  it("may be a browser's page of ours, and no other page", async () => {
    const { token } = await identity.byLoginCode(identity.makeLoginCode().code, "a browser");
    const cookie = sessionCookie(new URL(URL_HERE), token, 1_000).split(";")[0] ?? "";
    const cases: readonly (readonly [Readonly<Record<string, string>>, string, string])[] = [
      [{ "sec-fetch-site": "same-origin" }, "GET", "olga"],
      [{ "sec-fetch-site": "same-origin" }, "POST", "olga"],
      [{ "sec-fetch-site": "none" }, "GET", "olga"],
      [{ "sec-fetch-site": "none" }, "POST", "foreign_page"],
      [{ "sec-fetch-site": "same-site" }, "GET", "foreign_page"],
      [{ "sec-fetch-site": "cross-site", origin: "http://127.0.0.1:7717" }, "POST", "foreign_page"],
      [{ origin: "http://127.0.0.1:7718", host: "127.0.0.1:7717" }, "POST", "foreign_page"],
      [{ origin: "null", host: "127.0.0.1:7717" }, "POST", "foreign_page"],
      [{ origin: "http://127.0.0.1:7717", host: "127.0.0.1:7717" }, "POST", "olga"],
      [{}, "GET", "foreign_page"],
    ];
    for (const [headers, method, expected] of cases) {
      const answer = await ask({ cookie, ...headers }, method);
      const found = "error" in answer ? answer.error.facts["reason"] : answer.id;
      assert.equal(found, expected, `${method} ${JSON.stringify(headers)}`);
    }
  });
});
