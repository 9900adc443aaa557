import assert from "node:assert/strict";
import { chmod, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { OidcProvider } from "./support/oidc.ts";
import { noTokenIn, Town } from "./support/town.ts";

// Who comes in, for how long, and who does not: a control plane in another process beside two real identity providers.

let town: Town;

before(async () => {
  town = await Town.open();
  await Promise.all([town.comeIn("anna", "shop"), town.comeIn("emil", "ops")]);
});
after(async () => town.close());

describe("sessions", () => {
  it("are listed: one's own, and everybody's for whoever may", async () => {
    const own = await town.run("anna", ["session", "list", "--fields", "who"]);
    assert.equal(own.out.trim(), "company:anna");
    const denied = await town.run("anna", ["session", "list", "--all"]);
    assert.equal(denied.code, 3);
    assert.match(denied.err, /session.manage on subject \* is denied/);
    const all = await town.run("emil", ["session", "list", "--all", "--fields", "who"]);
    assert.match(all.out, /company:emil/);
    assert.match(all.out, /company:anna/);
    const data = await town.run("emil", ["session", "list", "--all", "-o", "json"]);
    noTokenIn(data.out);
    assert.doesNotMatch(data.out, /digest|proof|claims/);
  });

  it("end when they are revoked, for the very next request", async () => {
    await town.comeIn("fay", "shop");
    assert.equal((await town.run("fay", ["runs"])).code, 0);
    const stolen = await town.run("anna", ["session", "revoke", "--of", "company:fay"]);
    assert.equal(stolen.code, 3, stolen.err);
    const revoked = await town.run("emil", ["session", "revoke", "--of", "company:fay"]);
    assert.equal(revoked.code, 0, revoked.err);
    assert.match(revoked.err, /1 session ended/);
    const refused = await town.run("fay", ["runs"]);
    assert.equal(refused.code, 4);
    assert.match(refused.err, /The login to .* is over: .*the session was revoked[^]*maestro login/);
    const ended = await town.run("emil", ["session", "list", "--of", "company:fay", "--ended", "--fields", "revoked"]);
    assert.match(ended.out, /by user:company:emil/);
  });

  it("are in the audit: who began them and who ended them", async () => {
    const { status, json } = await town.server.ask({ path: "/v1/audit?limit=200" });
    assert.equal(status, 200, JSON.stringify(json));
    const text = JSON.stringify(json);
    for (const told of [/session\.begin/, /company:fay/, /token-exchange/, /session\.manage/, /session\.prove/])
      assert.match(text, told);
    noTokenIn(text);
  });

  it("end by logging out", async () => {
    await town.comeIn("gil", "shop");
    const file = join(town.place.dir, "gil/maestro/credentials.json");
    const { servers } = JSON.parse(await readFile(file, "utf8")) as {
      readonly servers: Readonly<Record<string, { readonly token: string }>>;
    };
    const token = servers[town.server.url]?.token ?? "";
    assert.equal((await town.server.ask({ path: "/v1/whoami", token })).status, 200);
    assert.equal((await town.run("gil", ["logout"])).code, 0);
    const over = await town.server.ask({ path: "/v1/whoami", token });
    assert.deepEqual([over.status, over.json["facts"]], [401, { reason: "session_revoked" }]);
    assert.equal((await town.run("gil", ["logout"])).code, 5);
  });

  it("have the roles of the settings as they are now", async () => {
    await town.configure(town.settings("viewer"));
    const shows = async (pattern: RegExp): Promise<string> => {
      for (;;) {
        const { out } = await town.run("anna", ["whoami"]);
        if (pattern.test(out)) return out;
      }
    };
    await shows(/shop: viewer\n/);
    assert.equal((await town.run("anna", ["run", "hello.yaml"])).code, 3);
    await town.configure(town.settings("operator").replaceAll("company:", "firm:"));
    const orphaned = async (): Promise<string> => {
      for (;;) {
        const { code, err } = await town.run("anna", ["whoami"]);
        if (code === 4) return err;
      }
    };
    assert.match(await orphaned(), /the issuer company is not/);
    await town.configure(town.settings("operator"));
    await shows(/shop: operator\n/);
  });

  it("are closed to whoever could read the file of another", async () => {
    const file = join(town.place.dir, "anna/maestro/credentials.json");
    await chmod(file, 0o644);
    const { code, err } = await town.run("anna", ["whoami"]);
    assert.equal(code, 4);
    assert.match(err, /credentials\.json may be read by others[^]*chmod 600/);
    await chmod(file, 0o600);
  });
});

describe("a request", () => {
  it("may have an access token of the provider itself", async () => {
    const token = await town.company.sign({ sub: "hal", groups: ["shop"] });
    const { status, json } = await town.server.ask({ path: "/v1/whoami", token });
    assert.equal(status, 200);
    const { caller, session } = json as {
      readonly caller: { readonly id: string; readonly via: string };
      readonly session: unknown;
    };
    assert.deepEqual([caller.id, caller.via, session], ["company:hal", "oidc", null]);
  });

  const refusals: readonly (readonly [what: string, token: () => Promise<string>, reason: string])[] = [
    ["for another audience", () => town.company.clientCredentials("https://other.test"), "wrong_audience"],
    ["of a provider that is not known", () => town.company.sign({ iss: "https://other.test" }), "wrong_issuer"],
    ["that has expired", () => town.company.sign({ exp: 1_700_000_000, iat: 1_699_999_900 }), "expired"],
    [
      "of one provider by the key of the other",
      () => town.company.sign({ iss: town.ci.issuer }, { typ: "JWT" }),
      "unknown_key",
    ],
    ["that is only exchanged", () => town.ci.sign({}, { typ: "JWT" }), "wrong_type"],
    ["of ours that we never gave", async () => `maestro_s_${"A".repeat(43)}`, "session_unknown"],
    ["of no kind", async () => "maestro", "unknown_token"],
  ];
  for (const [what, token, reason] of refusals) {
    it(`is refused with a token ${what}, and told why`, async () => {
      const text = await token();
      const { status, json, headers } = await town.server.ask({ path: "/v1/runs", token: text });
      assert.deepEqual([status, json["code"], json["facts"]], [401, "unauthorized", { reason }]);
      const challenge = headers["www-authenticate"] ?? "";
      assert.match(challenge, /^Bearer realm="maestro", error="invalid_token", error_description="[^"\\]+"$/);
      noTokenIn(JSON.stringify(json), challenge);
    });
  }

  it("without any is told nothing but what to bring", async () => {
    const { status, headers } = await town.server.ask({ path: "/v1/runs", token: null });
    assert.deepEqual([status, headers["www-authenticate"]], [401, 'Bearer realm="maestro"']);
  });

  it("is refused while the provider cannot be asked, and answered when it can be again", async () => {
    const other = await OidcProvider.start();
    // The settings have just been looked at: until they are again, the token is of nobody who is known.
    await town.server.ask({ path: "/v1/whoami", token: await town.company.sign() });
    await town.configure(town.settings("operator").replace(town.company.issuer, other.issuer));
    const token = await other.sign();
    await other.stop();
    for (;;) {
      const { status, json } = await town.server.ask({ path: "/v1/whoami", token });
      if (status === 503) {
        assert.equal(json["code"], "issuer_unreachable");
        break;
      }
      assert.equal(status, 401);
    }
    await town.configure("identity: { issuers: { company: { isuer: x } } }\n");
    for (;;) {
      const { status, json } = await town.server.ask({ path: "/v1/whoami", token });
      if (json["code"] === "identity_unusable") {
        assert.equal(status, 503);
        break;
      }
    }
    assert.equal((await town.server.ask({ path: "/v1/whoami" })).status, 200, "the owner comes in all the same");
    assert.match(
      town.server.up.err,
      /company has no member .*isuer.*did you mean issuer/,
      "what is wrong is told to who operates it",
    );
    const { bytes } = await town.server.ask({ path: "/v1/identity", token: null });
    assert.doesNotMatch(bytes.toString(), /isuer|\/data\//, "and to nobody else");
    await town.configure(town.settings("operator"));
    while ((await town.server.ask({ path: "/v1/identity", token: null })).status !== 200);
  });

  it("is counted and logged by why it was refused, and nothing of its token is", async () => {
    const body = (await town.server.ask({ path: "/metrics" })).bytes.toString();
    assert.match(body, /^maestro_identity_refusals_total\{reason="wrong_audience"\} 1$/m);
    assert.match(body, /^maestro_identity_refusals_total\{reason="session_unknown"\} 1$/m);
    assert.match(town.server.up.err + town.server.up.out, /reason=wrong_audience|"reason":"wrong_audience"/);
    noTokenIn(town.server.up.err, town.server.up.out, body);
  });
});

describe("a login link", () => {
  it("lets one browser in as the owner, once, by a cookie that other pages cannot use", async () => {
    const made = await town.place.run(["login", "--link"]);
    assert.equal(made.code, 0, made.err);
    const link = new URL(made.out.trim());
    assert.equal(`${link.origin}${link.pathname}`, `${town.server.url}/login`);
    const page = await fetch(link);
    assert.match(page.headers.get("content-type") ?? "", /^text\/html/);
    const policy = page.headers.get("content-security-policy") ?? "";
    assert.match(policy, /default-src 'none'; script-src 'sha256-[^']+'; .*frame-ancestors 'none'/);
    assert.doesNotMatch(await page.text(), /src=|href=|https?:/);
    const redeem = async (code: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> =>
      fetch(`${town.server.url}/v1/login-links/redeem`, {
        method: "POST",
        headers: { "content-type": "application/json", origin: town.server.url, ...headers },
        body: JSON.stringify({ code }),
      });
    const code = link.hash.slice(1);
    const foreign = await redeem(code, { origin: "http://127.0.0.1:1" });
    assert.equal(foreign.status, 403, "and the code is not spent by it");
    const [first, second] = await Promise.all([redeem(code), redeem(code)]);
    assert.deepEqual(new Set([first.status, second.status]), new Set([201, 401]), "once");
    const answer = first.status === 201 ? first : second;
    const line = answer.headers.get("set-cookie") ?? "";
    assert.match(line, /^maestro_session_\d+=maestro_s_[^;]+; Path=\/; HttpOnly; SameSite=Strict; Max-Age=28800$/);
    noTokenIn(await answer.text());
    const cookie = line.split(";")[0] ?? "";
    const ask = async (headers: Readonly<Record<string, string>>, method = "GET"): Promise<number> => {
      const path = method === "GET" ? "/v1/runs" : "/v1/retention/passes";
      const init = method === "GET" ? {} : { body: '{"dryRun":true}' };
      const type = { "content-type": "application/json" };
      return (await fetch(town.server.url + path, { method, headers: { ...type, cookie, ...headers }, ...init }))
        .status;
    };
    // What fetch may not say in a browser, a test can.
    assert.equal(await ask({ origin: town.server.url }), 200);
    assert.equal(await ask({ origin: town.server.url }, "POST"), 200);
    assert.equal(await ask({}), 401, "whoever does not say where it comes from");
    assert.equal(await ask({ origin: "http://127.0.0.1:1" }), 403);
    assert.equal(await ask({ origin: town.server.url, cookie: `${cookie}; ${cookie}` }), 401, "two of them");
    assert.equal((await town.place.run(["token", "rotate"])).code, 0);
    while ((await ask({ origin: town.server.url })) === 200);
    assert.equal(await ask({ origin: town.server.url }), 401, "with the owner's token, what it let in is over");
  });

  it("is made by the owner and by nobody else", async () => {
    const { code, err } = await town.run("emil", ["login", "--link"]);
    assert.equal(code, 3, err);
    assert.match(err, /A login link is made by the owner/);
  });
});
