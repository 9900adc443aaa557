import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MaestroError } from "../core/problem.ts";
import { callerOf, keptClaims } from "./claims.ts";
import { readIdentity } from "./read-settings.ts";
import { Refused } from "./refused.ts";
import type { IssuerSettings } from "./settings.ts";

const SOUND = `identity:
  session: 4h
  issuers:
    company:
      issuer: https://login.example/
      audience: https://maestro.example
      algorithms: [RS256, ES256]
      login: { clientId: maestro-cli, scopes: [openid, profile] }
      require:
        - { claim: email_verified, is: "true" }
      roles:
        - { claim: groups, is: [shop, shops], namespaces: [shop], roles: [operator, approver] }
        - { claim: [realm_access, roles], is: auditors, namespaces: ["*"], roles: [auditor] }
      properties: { org: organisation }
    ci:
      issuer: https://ci.example
      audience: https://maestro.example
      algorithms: [RS256]
      type: JWT
      callers: service
      session: 30m
  services:
    nightly:
      issuer: ci
      subject: ["repo:shop/app:ref:refs/heads/main"]
      roles: [{ namespaces: [shop], roles: [operator] }]
`;

async function faultsOf(text: string): Promise<string> {
  try {
    await readIdentity(text, "/data/identity.yaml");
  } catch (error) {
    assert.ok(error instanceof MaestroError, String(error));
    assert.equal(error.code, "identity_unusable");
    assert.match(error.message, /^The identity settings \/data\/identity.yaml cannot be used: /);
    return error.message;
  }
  return "";
}

async function issuerOf(name: string, text = SOUND): Promise<IssuerSettings> {
  const settings = (await readIdentity(text, "identity.yaml")).issuers.get(name);
  assert.ok(settings);
  return settings;
}

describe("identity.yaml", () => {
  it("says who may come in by whose word, with defaults for the rest", async () => {
    const company = await issuerOf("company");
    assert.deepEqual(
      [company.type, company.subject, company.callers, company.skewMs, company.maxLifetimeMs, company.sessionMs],
      ["at+jwt", ["sub"], "user", 30_000, 7_200_000, 4 * 3_600_000],
    );
    assert.deepEqual(company.login, { clientId: "maestro-cli", scopes: ["openid", "profile"], ask: "resource" });
    assert.deepEqual(company.properties, { acr: ["acr"], amr: ["amr"], org: ["organisation"] });
    const ci = await issuerOf("ci");
    assert.deepEqual(
      [ci.type, ci.callers, ci.sessionMs, ci.services[0]?.name],
      ["JWT", "service", 1_800_000, "nightly"],
    );
  });

  it("may be empty", async () => {
    for (const text of ["", "identity:\n", "identity: {}\n", "# nothing\n"])
      assert.equal((await readIdentity(text, "identity.yaml")).issuers.size, 0, JSON.stringify(text));
  });

  it("gives roles of the installation's own, which are listed", async () => {
    const text = (own: string, given: string): string =>
      `identity:\n  roles: [${own}]\n  issuers:\n    a: { issuer: "https://a.example", audience: m, algorithms: [RS256], roles: [{ claim: g, is: x, namespaces: [shop], roles: [approver, ${given}] }] }\n`;
    const { issuers } = await readIdentity(text("release-manager", "release-manager"), "identity.yaml");
    assert.deepEqual(issuers.get("a")?.roles[0]?.grants[0]?.roles, ["approver", "release-manager"]);
    for (const [own, given, told] of [
      ["release-manager", "release-manger", /roles is "release-manger".* Did you mean release-manager\?/],
      ["owner", "viewer", /identity\.roles holds owner, which is there without being listed/],
      ["Boss", "viewer", /identity\.roles holds "Boss", which is no name/],
    ] as const)
      await assert.rejects(readIdentity(text(own, given), "identity.yaml"), {
        code: "identity_unusable",
        message: told,
      });
  });

  const mistakes: readonly (readonly [what: string, from: string, to: string, told: RegExp])[] = [
    [
      "a misspelt member",
      "algorithms: [RS256, ES256]",
      "algorithm: [RS256]",
      /company has no member "algorithm"; did you mean algorithms\?.*algorithms is missing/,
    ],
    [
      "a shared secret's algorithm",
      "[RS256, ES256]",
      "[HS256]",
      /company.algorithms is "HS256"; it is EdDSA, ES256.*Did you mean (PS|RS|ES)256\?/,
    ],
    ["no algorithm", "[RS256, ES256]", "[none]", /company.algorithms is "none"/],
    [
      "http elsewhere",
      "https://login.example/",
      "http://login.example/",
      /company.issuer .*http is for a provider on this machine only; use https/,
    ],
    ["no URL", "https://login.example/", "login", /company.issuer is "login", which is no URL/],
    ["a URL with a query", "https://login.example/", "https://login.example/?a=1", /which is no URL/],
    [
      "no audience",
      "      audience: https://maestro.example\n      algorithms: [RS256, ES256]",
      "      algorithms: [RS256]",
      /company.audience is missing/,
    ],
    [
      "the client's id for an audience",
      "clientId: maestro-cli",
      "clientId: https://maestro.example",
      /company.audience is the login's client id/,
    ],
    [
      "the owner's role",
      "roles: [auditor]",
      "roles: [owner]",
      /roles\[1\].roles holds owner, who is the user of the data directory; the most a provider can give is admin/,
    ],
    [
      "a role that there is not",
      "roles: [auditor]",
      "roles: [auditer]",
      /roles\[1\].roles is "auditer".*Did you mean auditor\?/,
    ],
    ["no namespace", 'namespaces: ["*"], ', "", /roles\[1\].namespaces is missing/],
    [
      "a namespace that can be none",
      'namespaces: ["*"]',
      'namespaces: ["shop*"]',
      /holds "shop\*", which is no namespace/,
    ],
    ["no value for a claim", "is: auditors, ", "", /roles\[1\].is is missing/],
    ["a value that is no text", 'is: "true"', "is: 7", /require\[0\].is holds 7; .*put it in quotation marks/],
    [
      "a clock that is too far off",
      "session: 30m",
      "clockSkew: 2m",
      /ci.clockSkew is "2m"; it is a duration from 0s to 1m/,
    ],
    [
      "a token that lives too long",
      "session: 30m",
      "maxTokenLifetime: 2d",
      /ci.maxTokenLifetime is "2d"; it is a duration from 1s to 1d/,
    ],
    [
      "a session that never ends",
      "session: 30m",
      "session: forever",
      /ci.session is "forever"; it is a duration from 1m to 30d/,
    ],
    ["a name with a colon", "    ci:\n", '    "c:i":\n', /issuers.c:i is no name/],
    [
      "a service of nobody",
      "issuer: ci\n",
      "issuer: cy\n",
      /services.nightly.issuer is "cy", and there is no issuer of that name; did you mean ci\?/,
    ],
    ["two names for one issuer", "https://ci.example", "https://login.example/", /ci.issuer is that of company/],
    [
      "an issuer whose callers can do nothing",
      "issuer: ci\n",
      "issuer: company\n",
      /ci.roles is missing: without a rule nobody has a role/,
    ],
    ["an alias", "algorithms: [RS256, ES256]", "algorithms: &a [RS256]\n      keyHosts: *a", /aliases/],
    ["the same member twice", "session: 4h", "session: 4h\n  session: 5h", /Map keys must be unique/],
    ["something that is no mapping", "    ci:\n", "    ci: 1\n    cx:\n", /issuers.ci is not a mapping/],
  ];
  for (const [what, from, to, told] of mistakes) {
    it(`refuses ${what}, and says where and what`, async () => {
      assert.ok(SOUND.includes(from), from);
      assert.match(await faultsOf(SOUND.replace(from, to)), told);
    });
  }

  it("tells all mistakes at once", async () => {
    const told = await faultsOf(SOUND.replace("session: 4h", "sesion: 4h").replace("[RS256, ES256]", "[none]"));
    assert.match(told, /sesion.*algorithms/);
  });

  it("has an end", async () => {
    assert.match(await faultsOf(`# ${"x".repeat(300_000)}`), /more than 262144 bytes/);
  });
});

describe("claims", () => {
  const claims = { iss: "https://login.example/", sub: "anna", email_verified: true, name: "Anna" };
  const rolesOf = async (more: object): Promise<unknown> =>
    callerOf(await issuerOf("company"), { ...claims, ...more }).grants;

  it("give the roles of every rule they fit, by exact values, and of no other", async () => {
    assert.deepEqual(await rolesOf({ groups: ["x", "shop"] }), [
      { namespace: "shop", roles: ["approver", "operator"] },
    ]);
    assert.deepEqual(await rolesOf({ groups: "shops", realm_access: { roles: ["auditors"] } }), [
      { namespace: "shop", roles: ["approver", "operator"] },
      { namespace: "*", roles: ["auditor"] },
    ]);
    for (const more of [
      {},
      { groups: [] },
      { groups: ["Shop"] },
      { groups: ["shop "] },
      { groups: "shop,x" },
      { groups: { shop: true } },
      { groups: [["shop"]] },
      { groups: [null] },
      { realm_access: "auditors" },
      { realm_access: { roles: { auditors: true } } },
      { "realm_access.roles": "auditors" },
    ])
      assert.deepEqual(await rolesOf(more), [], JSON.stringify(more));
  });

  it("name the caller, with what policies may look at", async () => {
    const settings = await issuerOf("company");
    assert.deepEqual(callerOf(settings, { ...claims, acr: "high", amr: ["otp", "pwd"], organisation: 7 }), {
      type: "user",
      id: "company:anna",
      grants: [],
      properties: { iss: "https://login.example/", acr: "high", amr: ["otp", "pwd"] },
    });
  });

  it("are refused where something is missing that is required, or where they name nobody", async () => {
    const settings = await issuerOf("company");
    const reasonOf = (more: object): string => {
      try {
        callerOf(settings, { ...claims, ...more });
        return "";
      } catch (error) {
        assert.ok(error instanceof Refused);
        return error.reason;
      }
    };
    assert.equal(reasonOf({}), "");
    assert.equal(reasonOf({ email_verified: false }), "not_required");
    for (const sub of ["", 7, null, "a\nb", "a\u0000", "a\u2028b", "x".repeat(256), ["anna"]])
      assert.equal(reasonOf({ sub }), "bad_claims", JSON.stringify(sub));
  });

  it("know services by their exact subject", async () => {
    const settings = await issuerOf("ci");
    const of = (sub: string): unknown => callerOf(settings, { iss: "https://ci.example", sub }).grants;
    assert.deepEqual(of("repo:shop/app:ref:refs/heads/main"), [{ namespace: "shop", roles: ["operator"] }]);
    for (const sub of ["repo:shop/app:ref:refs/heads/main2", "repo:shop/app", "*", "Repo:shop/app:ref:refs/heads/main"])
      assert.deepEqual(of(sub), [], sub);
  });

  it("are kept by a session only as far as rules look at them", async () => {
    const kept = keptClaims(await issuerOf("company"), { ...claims, groups: ["shop"], email: "anna@example" });
    assert.deepEqual(kept, { iss: "https://login.example/", sub: "anna", email_verified: true, groups: ["shop"] });
  });
});
