import assert from "node:assert/strict";
import { chmod, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Place } from "./support/maestro.ts";
import type { Ended, Started } from "./support/maestro.ts";
import { AUDIENCE, browse, CLIENT, OidcProvider } from "./support/oidc.ts";
import { Server } from "./support/server.ts";

// `maestro up` beside two real identity providers: people and programs that log in, and those that are not let in.

const RUNBOOK = `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: shop, name: hello, version: 1.0.0 }
spec:
  type: demo
  purposes: [test]
  tasks:
    say: { uses: noop@1, with: { value: hello } }
`;

let company: OidcProvider;
let ci: OidcProvider;
let place: Place;
let server: Server;

const settings = (shopRoles: string): string => `identity:
  issuers:
    company:
      issuer: ${company.issuer}
      audience: ${AUDIENCE}
      algorithms: [RS256]
      login: { clientId: ${CLIENT} }
      roles:
        - { claim: groups, is: shop, namespaces: [shop], roles: [${shopRoles}] }
        - { claim: groups, is: ops, namespaces: ["*"], roles: [admin] }
    ci:
      issuer: ${ci.issuer}
      audience: ${AUDIENCE}
      algorithms: [RS256]
      type: JWT
      callers: service
      session: 10m
  services:
    nightly:
      issuer: ci
      subject: repo:shop/app:ref:refs/heads/main
      roles: [{ namespaces: [shop], roles: [operator] }]
`;

async function configure(text: string): Promise<void> {
  await writeFile(join(place.dir, "data/identity.yaml"), text, { mode: 0o600 });
}

/** A command of somebody whose configuration is in a folder of its own. */
const as = (who: string, more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
  XDG_CONFIG_HOME: join(place.dir, who),
  MAESTRO_DATA: "",
  MAESTRO_SERVER: server.url,
  ...more,
});

const run = async (who: string, args: readonly string[], more: NodeJS.ProcessEnv = {}, stdin = ""): Promise<Ended> =>
  place.run(args, { env: as(who, more), stdin });

/** The address that a command asks its user to open. */
async function addressOf(started: Started): Promise<string> {
  await started.shows(/^ {2}http:\S+$/m);
  return /^ {2}(http:\S+)$/m.exec(started.err)?.[1] ?? "";
}

/** Logs in by a browser as somebody in the groups that the name says: `anna+shop`. */
async function login(who: string, name: string, ...args: readonly string[]): Promise<Ended> {
  const started = place.start(["login", ...args], as(who));
  await browse(await addressOf(started), name);
  return started.ended;
}

const noTokenIn = (...texts: readonly string[]): void => {
  for (const text of texts) {
    assert.doesNotMatch(text, /maestro_s_[A-Za-z0-9_-]{10}/);
    assert.doesNotMatch(text, /eyJ[A-Za-z0-9_-]{10}/);
  }
};

before(async () => {
  [company, ci] = await Promise.all([OidcProvider.start(), OidcProvider.start()]);
  place = await Place.make({ "hello.yaml": RUNBOOK });
  await mkdir(join(place.dir, "data"), { mode: 0o700 });
  await configure(settings("operator"));
  server = await Server.start(place, ["--log-level", "info"]);
});
after(async () => {
  await server.stop();
  await Promise.all([company.stop(), ci.stop()]);
  await place.remove();
});

// They wait for each other at the provider only.
describe("maestro login", { concurrency: 3 }, () => {
  it("lets a person in by the provider's page, with the roles of its groups", async () => {
    const done = await login("anna", "anna+shop");
    assert.equal(done.code, 0, done.err);
    assert.match(done.err, /Logged in to http:\/\/127\.0\.0\.1:\d+ as company:anna\+shop until 20.*credentials\.json/);
    noTokenIn(done.out, done.err);
    const file = join(place.dir, "anna/maestro/credentials.json");
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    const who = await run("anna", ["whoami"]);
    assert.match(who.out, /^user company:anna\+shop\n {2}shop: operator\n {2}by session s_\w+ until /);
    const started = await run("anna", ["run", "hello.yaml", "-o", "name"]);
    assert.equal(started.code, 0, started.err);
    const shown = await run("anna", ["show", started.out.trim(), "-o", "json"]);
    assert.match(shown.out, /"company:anna\+shop"/);
    const denied = await run("anna", ["gc"]);
    assert.equal(denied.code, 3, denied.err);
  });

  it("says who may log in where a provider gives no role, and lets nobody in", async () => {
    const done = await login("carl", "carl+elsewhere");
    assert.equal(done.code, 3, done.err);
    assert.match(done.err, /Nobody comes in without a role: .*company:carl\+elsewhere has none/);
    assert.equal((await run("carl", ["whoami"])).code, 4);
  });

  it("is refused where the person refuses at the provider", async () => {
    const started = place.start(["login"], as("dora"));
    const address = new URL(await addressOf(started));
    const back = new URL(address.searchParams.get("redirect_uri") ?? "");
    back.searchParams.set("error", "access_denied");
    back.searchParams.set("iss", company.issuer);
    const stranger = await fetch(back);
    assert.equal(stranger.status, 404, "whoever does not know the state is not listened to");
    back.searchParams.set("state", address.searchParams.get("state") ?? "");
    assert.equal((await fetch(back)).status, 400);
    const done = await started.ended;
    assert.equal(done.code, 4, done.err);
    assert.match(done.err, /The identity provider company did not let anybody in: access_denied/);
  });

  it("lets a job of GitHub Actions in by the token that it is given for this audience", async () => {
    const asked: string[] = [];
    const actions = createServer((request, response) => {
      asked.push(`${request.headers.authorization} ${request.url}`);
      const audience = new URL(request.url ?? "", "http://x").searchParams.get("audience");
      const sub = "repo:shop/app:ref:refs/heads/main";
      void ci.sign({ aud: audience, sub }, { typ: "JWT" }).then((value) => response.end(JSON.stringify({ value })));
    });
    await new Promise<void>((listening) => actions.listen(0, "127.0.0.1", listening));
    const job = {
      ACTIONS_ID_TOKEN_REQUEST_URL: `http://127.0.0.1:${(actions.address() as AddressInfo).port}/token?api-version=2.0`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: "of-the-job",
    };
    const done = await run("job", ["login", "--ci"], job);
    actions.close();
    assert.equal(done.code, 0, done.err);
    assert.deepEqual(asked, [`Bearer of-the-job /token?api-version=2.0&audience=${encodeURIComponent(AUDIENCE)}`]);
    assert.match(
      (await run("job", ["whoami"])).out,
      /^service ci:repo:shop\/app:ref:refs\/heads\/main\n {2}shop: operator\n/,
    );
    const outside = await run("job2", ["login", "--ci"]);
    assert.equal(outside.code, 2);
    assert.match(outside.err, /ACTIONS_ID_TOKEN_REQUEST_URL.*not both set/);
  });

  it("exchanges a token from stdin or a file, once", async () => {
    const token = await ci.sign({ sub: "repo:shop/app:ref:refs/heads/main" }, { typ: "JWT" });
    const done = await run("bot", ["login", "--exchange", "-", "-o", "json"], {}, token);
    assert.equal(done.code, 0, done.err);
    const { expiresAt } = JSON.parse(done.out) as { readonly expiresAt: number };
    assert.ok(
      expiresAt < Date.now() + 600_000 && expiresAt > Date.now() + 500_000,
      "as long as its issuer's settings say",
    );
    noTokenIn(done.out, done.err);
    await writeFile(join(place.dir, "job.token"), token);
    const again = await run("bot2", ["login", "--exchange", "job.token"]);
    assert.equal(again.code, 4, again.err);
    assert.match(again.err, /it was exchanged already/);
    const foreign = await ci.sign({ sub: "repo:evil/app:ref:refs/heads/main" }, { typ: "JWT" });
    assert.equal((await run("bot3", ["login", "--exchange", "-"], {}, foreign)).code, 3);
  });

  it("lets a person in by a code on another machine", async () => {
    const started = place.start(["login", "--device", "--issuer", "company"], as("emil"));
    await browse(await addressOf(started), "emil+ops");
    const done = await started.ended;
    assert.equal(done.code, 0, done.err);
    assert.match(done.err, /and compare the code: [A-Z]{4}-[A-Z]{4}/);
    assert.match((await run("emil", ["whoami"])).out, /everywhere: admin/);
  });

  it("says what to do where it cannot be done", async () => {
    const both = await run("anna", ["login", "--device", "--ci"]);
    assert.equal(both.code, 2);
    const here = await place.run(["login"]);
    assert.equal(here.code, 2);
    assert.match(here.err, /whose owner needs no login/);
    const nobody = await run("anna", ["login", "--issuer", "compony"]);
    assert.equal(nobody.code, 2);
    assert.match(nobody.err, /There is no identity provider "compony" for logging in; there is company/);
  });
});

describe("sessions", () => {
  it("are listed: one's own, and everybody's for whoever may", async () => {
    const own = await run("anna", ["session", "list", "--fields", "who"]);
    assert.equal(own.out.trim(), "company:anna+shop");
    const denied = await run("anna", ["session", "list", "--all"]);
    assert.equal(denied.code, 3);
    assert.match(denied.err, /session.manage on subject \* is denied/);
    const all = await run("emil", ["session", "list", "--all", "--fields", "who"]);
    assert.match(all.out, /company:emil\+ops/);
    assert.match(all.out, /ci:repo:shop\/app/);
    const data = await run("emil", ["session", "list", "--all", "-o", "json"]);
    noTokenIn(data.out);
    assert.doesNotMatch(data.out, /digest|proof|claims/);
  });

  it("end when they are revoked, for the very next request", async () => {
    assert.equal((await login("fay", "fay+shop")).code, 0);
    assert.equal((await run("fay", ["runs"])).code, 0);
    const stolen = await run("anna", ["session", "revoke", "--of", "company:fay+shop"]);
    assert.equal(stolen.code, 3, stolen.err);
    const revoked = await run("emil", ["session", "revoke", "--of", "company:fay+shop"]);
    assert.equal(revoked.code, 0, revoked.err);
    assert.match(revoked.err, /1 session ended/);
    const refused = await run("fay", ["runs"]);
    assert.equal(refused.code, 4);
    assert.match(refused.err, /The login to .* is over: .*the session was revoked[^]*maestro login/);
    const ended = await run("emil", ["session", "list", "--of", "company:fay+shop", "--ended", "--fields", "revoked"]);
    assert.match(ended.out, /by user:company:emil\+ops/);
  });

  it("are in the audit: who began them and who ended them", async () => {
    const { status, json } = await server.ask({ path: "/v1/audit?limit=200" });
    assert.equal(status, 200, JSON.stringify(json));
    const text = JSON.stringify(json);
    for (const told of [/session\.begin/, /company:fay\+shop/, /token-exchange/, /session\.manage/, /session\.prove/])
      assert.match(text, told);
    noTokenIn(text);
  });

  it("end by logging out", async () => {
    assert.equal((await login("gil", "gil+shop")).code, 0);
    const file = join(place.dir, "gil/maestro/credentials.json");
    const { servers } = JSON.parse(await readFile(file, "utf8")) as {
      readonly servers: Readonly<Record<string, { readonly token: string }>>;
    };
    const token = servers[server.url]?.token ?? "";
    assert.equal((await server.ask({ path: "/v1/whoami", token })).status, 200);
    assert.equal((await run("gil", ["logout"])).code, 0);
    const over = await server.ask({ path: "/v1/whoami", token });
    assert.deepEqual([over.status, over.json["facts"]], [401, { reason: "session_revoked" }]);
    assert.equal((await run("gil", ["logout"])).code, 5);
  });

  it("have the roles of the settings as they are now", async () => {
    await configure(settings("viewer"));
    const shows = async (pattern: RegExp): Promise<string> => {
      for (;;) {
        const { out } = await run("anna", ["whoami"]);
        if (pattern.test(out)) return out;
      }
    };
    await shows(/shop: viewer\n/);
    assert.equal((await run("anna", ["run", "hello.yaml"])).code, 3);
    await configure(settings("operator").replaceAll("company:", "firm:"));
    const orphaned = async (): Promise<string> => {
      for (;;) {
        const { code, err } = await run("anna", ["whoami"]);
        if (code === 4) return err;
      }
    };
    assert.match(await orphaned(), /the issuer company is not/);
    await configure(settings("operator"));
    await shows(/shop: operator\n/);
  });

  it("are closed to whoever could read the file of another", async () => {
    const file = join(place.dir, "anna/maestro/credentials.json");
    await chmod(file, 0o644);
    const { code, err } = await run("anna", ["whoami"]);
    assert.equal(code, 4);
    assert.match(err, /credentials\.json may be read by others[^]*chmod 600/);
    await chmod(file, 0o600);
  });
});

describe("a request", () => {
  it("may have an access token of the provider itself", async () => {
    const token = await company.sign({ sub: "hal", groups: ["shop"] });
    const { status, json } = await server.ask({ path: "/v1/whoami", token });
    assert.equal(status, 200);
    const { caller, session } = json as {
      readonly caller: { readonly id: string; readonly via: string };
      readonly session: unknown;
    };
    assert.deepEqual([caller.id, caller.via, session], ["company:hal", "oidc", null]);
  });

  const refusals: readonly (readonly [what: string, token: () => Promise<string>, reason: string])[] = [
    ["for another audience", () => company.clientCredentials("https://other.test"), "wrong_audience"],
    ["of a provider that is not known", () => company.sign({ iss: "https://other.test" }), "wrong_issuer"],
    ["that has expired", () => company.sign({ exp: 1_700_000_000, iat: 1_699_999_900 }), "expired"],
    ["of one provider by the key of the other", () => company.sign({ iss: ci.issuer }, { typ: "JWT" }), "unknown_key"],
    ["that is only exchanged", () => ci.sign({}, { typ: "JWT" }), "wrong_type"],
    ["of ours that we never gave", async () => `maestro_s_${"A".repeat(43)}`, "session_unknown"],
    ["of no kind", async () => "maestro", "unknown_token"],
  ];
  for (const [what, token, reason] of refusals) {
    it(`is refused with a token ${what}, and told why`, async () => {
      const text = await token();
      const { status, json, headers } = await server.ask({ path: "/v1/runs", token: text });
      assert.deepEqual([status, json["code"], json["facts"]], [401, "unauthorized", { reason }]);
      const challenge = headers["www-authenticate"] ?? "";
      assert.match(challenge, /^Bearer realm="maestro", error="invalid_token", error_description="[^"\\]+"$/);
      noTokenIn(JSON.stringify(json), challenge);
    });
  }

  it("without any is told nothing but what to bring", async () => {
    const { status, headers } = await server.ask({ path: "/v1/runs", token: null });
    assert.deepEqual([status, headers["www-authenticate"]], [401, 'Bearer realm="maestro"']);
  });

  it("is refused while the provider cannot be asked, and answered when it can be again", async () => {
    const other = await OidcProvider.start();
    await configure(settings("operator").replace(company.issuer, other.issuer));
    const token = await other.sign();
    await other.stop();
    for (;;) {
      const { status, json } = await server.ask({ path: "/v1/whoami", token });
      if (status === 503) {
        assert.equal(json["code"], "issuer_unreachable");
        break;
      }
      assert.equal(status, 401);
    }
    await configure("identity: { issuers: { company: { isuer: x } } }\n");
    for (;;) {
      const { status, json } = await server.ask({ path: "/v1/whoami", token });
      if (json["code"] === "identity_unusable") {
        assert.equal(status, 503);
        break;
      }
    }
    assert.equal((await server.ask({ path: "/v1/whoami" })).status, 200, "the owner comes in all the same");
    assert.match(
      server.up.err,
      /company has no member .*isuer.*did you mean issuer/,
      "what is wrong is told to who operates it",
    );
    const { bytes } = await server.ask({ path: "/v1/identity", token: null });
    assert.doesNotMatch(bytes.toString(), /isuer|\/data\//, "and to nobody else");
    await configure(settings("operator"));
    while ((await server.ask({ path: "/v1/identity", token: null })).status !== 200);
  });

  it("is counted and logged by why it was refused, and nothing of its token is", async () => {
    const body = (await server.ask({ path: "/metrics" })).bytes.toString();
    assert.match(body, /^maestro_identity_refusals_total\{reason="wrong_audience"\} 1$/m);
    assert.match(body, /^maestro_identity_refusals_total\{reason="replayed"\} 1$/m);
    assert.match(server.up.err + server.up.out, /reason=wrong_audience|"reason":"wrong_audience"/);
    noTokenIn(server.up.err, server.up.out, body);
  });
});

describe("maestro doctor", () => {
  it("asks every provider", async () => {
    const { out } = await place.run(["doctor"]);
    assert.match(out, /identity +company: http:\S+ answers, with 1 keys; 2 rules, 0 services/);
    assert.match(out, /identity +ci: http:\S+ answers, with 1 keys; 0 rules, 1 services/);
  });
});

describe("a login link", () => {
  it("lets one browser in as the owner, once, by a cookie that other pages cannot use", async () => {
    const made = await place.run(["login", "--link"]);
    assert.equal(made.code, 0, made.err);
    const link = new URL(made.out.trim());
    assert.equal(`${link.origin}${link.pathname}`, `${server.url}/login`);
    const page = await fetch(link);
    assert.match(page.headers.get("content-type") ?? "", /^text\/html/);
    const policy = page.headers.get("content-security-policy") ?? "";
    assert.match(policy, /default-src 'none'; script-src 'sha256-[^']+'; .*frame-ancestors 'none'/);
    assert.doesNotMatch(await page.text(), /src=|href=|https?:/);
    const redeem = async (code: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> =>
      fetch(`${server.url}/v1/login-links/redeem`, {
        method: "POST",
        headers: { "content-type": "application/json", origin: server.url, ...headers },
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
      return (await fetch(server.url + path, { method, headers: { ...type, cookie, ...headers }, ...init })).status;
    };
    // What fetch may not say in a browser, a test can.
    assert.equal(await ask({ origin: server.url }), 200);
    assert.equal(await ask({ origin: server.url }, "POST"), 200);
    assert.equal(await ask({}), 401, "whoever does not say where it comes from");
    assert.equal(await ask({ origin: "http://127.0.0.1:1" }), 403);
    assert.equal(await ask({ origin: server.url, cookie: `${cookie}; ${cookie}` }), 401, "two of them");
    assert.equal((await place.run(["token", "rotate"])).code, 0);
    while ((await ask({ origin: server.url })) === 200);
    assert.equal(await ask({ origin: server.url }), 401, "with the owner's token, what it let in is over");
  });

  it("is made by the owner and by nobody else", async () => {
    const { code, err } = await run("emil", ["login", "--link"]);
    assert.equal(code, 3, err);
    assert.match(err, /A login link is made by the owner/);
  });
});
