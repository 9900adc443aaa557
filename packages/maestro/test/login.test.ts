import assert from "node:assert/strict";
import { stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { AUDIENCE, browse } from "./support/oidc.ts";
import { addressOf, JOB, noTokenIn, Town } from "./support/town.ts";

// Ways to begin a session at a control plane in another process, with real identity providers.

let town: Town;

before(async () => {
  town = await Town.open();
});
after(async () => town.close());

// They wait for each other at the provider only.
describe("maestro login", { concurrency: 3 }, () => {
  it("lets a person in by the provider's page, with the roles of its groups", async () => {
    const done = await town.logIn("anna", "anna+shop");
    assert.equal(done.code, 0, done.err);
    assert.match(done.err, /Logged in to http:\/\/127\.0\.0\.1:\d+ as company:anna\+shop until 20.*credentials\.json/);
    noTokenIn(done.out, done.err);
    const file = join(town.place.dir, "anna/maestro/credentials.json");
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    const who = await town.run("anna", ["whoami"]);
    assert.match(who.out, /^user company:anna\+shop\n {2}shop: operator\n {2}by session s_\w+ until /);
    const started = await town.run("anna", ["run", "hello.yaml", "-o", "name"]);
    assert.equal(started.code, 0, started.err);
    const shown = await town.run("anna", ["show", started.out.trim(), "-o", "json"]);
    assert.match(shown.out, /"company:anna\+shop"/);
    const denied = await town.run("anna", ["gc"]);
    assert.equal(denied.code, 3, denied.err);
  });

  it("says who may log in where a provider gives no role, and lets nobody in", async () => {
    const done = await town.logIn("carl", "carl+elsewhere");
    assert.equal(done.code, 3, done.err);
    assert.match(done.err, /Nobody comes in without a role: .*company:carl\+elsewhere has none/);
    assert.equal((await town.run("carl", ["whoami"])).code, 4);
  });

  it("is refused where the person refuses at the provider", async () => {
    const started = town.start("dora", ["login"]);
    const address = new URL(await addressOf(started));
    const back = new URL(address.searchParams.get("redirect_uri") ?? "");
    back.searchParams.set("error", "access_denied");
    back.searchParams.set("iss", town.company.issuer);
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
      const sub = JOB;
      void town.ci
        .sign({ aud: audience, sub }, { typ: "JWT" })
        .then((value) => response.end(JSON.stringify({ value })));
    });
    await new Promise<void>((listening) => actions.listen(0, "127.0.0.1", listening));
    const job = {
      ACTIONS_ID_TOKEN_REQUEST_URL: `http://127.0.0.1:${(actions.address() as AddressInfo).port}/token?api-version=2.0`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: "of-the-job",
    };
    const done = await town.run("job", ["login", "--ci"], job);
    actions.close();
    assert.equal(done.code, 0, done.err);
    assert.deepEqual(asked, [`Bearer of-the-job /token?api-version=2.0&audience=${encodeURIComponent(AUDIENCE)}`]);
    assert.match(
      (await town.run("job", ["whoami"])).out,
      /^service ci:repo:shop\/app:ref:refs\/heads\/main\n {2}shop: operator\n/,
    );
    const outside = await town.run("job2", ["login", "--ci"]);
    assert.equal(outside.code, 2);
    assert.match(outside.err, /ACTIONS_ID_TOKEN_REQUEST_URL.*not both set/);
  });

  it("exchanges a token from stdin or a file, once", async () => {
    const token = await town.ci.sign({ sub: JOB }, { typ: "JWT" });
    const done = await town.run("bot", ["login", "--exchange", "-", "-o", "json"], {}, token);
    assert.equal(done.code, 0, done.err);
    const { expiresAt } = JSON.parse(done.out) as { readonly expiresAt: number };
    assert.ok(
      expiresAt < Date.now() + 600_000 && expiresAt > Date.now() + 500_000,
      "as long as its issuer's settings say",
    );
    noTokenIn(done.out, done.err);
    await writeFile(join(town.place.dir, "job.token"), token);
    const again = await town.run("bot2", ["login", "--exchange", "job.token"]);
    assert.equal(again.code, 4, again.err);
    assert.match(again.err, /it was exchanged already/);
    const foreign = await town.ci.sign({ sub: "repo:evil/app:ref:refs/heads/main" }, { typ: "JWT" });
    assert.equal((await town.run("bot3", ["login", "--exchange", "-"], {}, foreign)).code, 3);
  });

  it("lets a person in by a code on another machine", async () => {
    const started = town.start("emil", ["login", "--device", "--issuer", "company"]);
    await browse(await addressOf(started), "emil+ops");
    const done = await started.ended;
    assert.equal(done.code, 0, done.err);
    assert.match(done.err, /and compare the code: [A-Z]{4}-[A-Z]{4}/);
    assert.match((await town.run("emil", ["whoami"])).out, /everywhere: admin/);
  });

  it("says what to do where it cannot be done", async () => {
    const both = await town.run("anna", ["login", "--device", "--ci"]);
    assert.equal(both.code, 2);
    const here = await town.place.run(["login"]);
    assert.equal(here.code, 2);
    assert.match(here.err, /whose owner needs no login/);
    const nobody = await town.run("anna", ["login", "--issuer", "compony"]);
    assert.equal(nobody.code, 2);
    assert.match(nobody.err, /There is no identity provider "compony" for logging in; there is company/);
  });
});

describe("maestro doctor", () => {
  it("asks every provider", async () => {
    const { out } = await town.place.run(["doctor"]);
    assert.match(out, /identity +company: http:\S+ answers, with 1 key; 2 rules, 0 services/);
    assert.match(out, /identity +ci: http:\S+ answers, with 1 key; 0 rules, 1 service/);
  });
});
