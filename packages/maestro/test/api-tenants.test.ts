import assert from "node:assert/strict";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, it } from "node:test";
import type { Route } from "../src/api/route.ts";
import { ROUTES } from "../src/api/routes.ts";
import { serveNetwork } from "../src/api/listen.ts";
import type { NetworkServer } from "../src/api/listen.ts";
import { DEFAULT_NETWORK } from "../src/api/network-settings.ts";
import { sha256 } from "../src/core/digest.ts";
import type { Caller } from "../src/identity/caller.ts";
import { attempts, namesOf, twinOf } from "./support/attempts.ts";
import type { Attempt, Names } from "./support/attempts.ts";
import { callerIn, OURS, Tenants, THEIRS } from "./support/tenants.ts";

// Generated from the table of routes: a route that is added is attacked without a word being written here, unless it takes
// something that these tests do not know yet, and then they say so.

describe("every route of the table", () => {
  let tenants: Tenants;
  let server: NetworkServer;
  let own: Names;
  let theirs: Names;
  let nobodys: Names;
  before(async () => {
    tenants = await Tenants.open();
    own = namesOf(OURS, tenants.ours);
    theirs = namesOf(THEIRS, tenants.theirs);
    nobodys = twinOf(tenants.theirs);
    server = await serveNetwork({
      address: { host: "127.0.0.1", port: 0 },
      authenticate: await tenants.plane.authenticate(),
      handle: tenants.plane.handle,
      // Hundreds of strangers are about to ask.
      settings: { ...DEFAULT_NETWORK, rates: { ...DEFAULT_NETWORK.rates, stranger: { perSecond: 100_000 } } },
    });
  });
  after(async () => {
    await server.close(0);
    await tenants[Symbol.asyncDispose]();
  });

  const ask = async (who: Caller, { method }: Route, { path, body = {} }: Attempt): Promise<Response> =>
    tenants.plane.handle(
      new Request(`http://maestro.local${path}`, {
        method,
        headers: { "x-request-id": "r1", "content-type": "application/json" },
        ...(method === "GET" ? {} : { body: JSON.stringify(body) }),
      }),
      who,
    );

  /** What is kept, apart from the record of who tried: rows of every table, and every file. */
  const state = (): string => {
    const data = join(tenants.dir, "data");
    const db = new DatabaseSync(join(data, "maestro.db"), { readOnly: true });
    const tables = db.prepare("select name from sqlite_master where type = 'table'").all();
    const rows = tables
      .map(({ name }) => String(name))
      .filter((name) => !/^(audit|ledger|question)/.test(name))
      .map((name) => `${name} ${sha256(JSON.stringify(db.prepare(`select * from "${name}"`).all()))}`);
    db.close();
    const files = readdirSync(data, { recursive: true, encoding: "utf8" })
      .filter((name) => !name.startsWith("maestro.db"))
      .map((name) => `${name} ${statSync(join(data, name)).size}`);
    return [...rows, ...files.sort()].join("\n");
  };

  describe("asked by nobody", () => {
    for (const route of ROUTES) {
      if (route.access === null) continue;
      it(`${route.operation} answers 401 and how to be somebody`, async () => {
        for (const authorization of [undefined, "Bearer ", "Bearer nonsense", "Basic b3duZXI6", "Bearer a.b.c"]) {
          const [first] = attempts(route, own, own);
          const response = await fetch(server.url + (first?.path ?? route.path), {
            method: route.method,
            headers: { "content-type": "application/json", ...(authorization === undefined ? {} : { authorization }) },
            ...(route.method === "GET" ? {} : { body: JSON.stringify(first?.body ?? {}) }),
          });
          assert.equal(response.status, 401, `${authorization}`);
          assert.match(response.headers.get("www-authenticate") ?? "", /^Bearer realm="maestro"/);
          assert.equal(((await response.json()) as { code?: string }).code, "unauthorized");
        }
      });
    }

    it("changed nothing by it", () => {
      // The loop above has run: what it left would be in the next test's state as well.
      assert.match(state(), /^run /m);
    });
  });

  it("refuses who is somebody and has no role anywhere, and changes nothing by it", async () => {
    const roleless: Caller = { ...callerIn(OURS, []), grants: [] };
    const beforehand = state();
    for (const route of ROUTES) {
      if (route.access === null) continue;
      for (const attempt of attempts(route, own, own)) {
        const response = await ask(roleless, route, attempt);
        const { code } = (await response.json()) as { code?: string };
        assert.match(
          `${response.status} ${code}`,
          /^(403 denied|404 not_found|400 invalid_request)$/,
          `${route.operation} ${attempt.path} ${JSON.stringify(attempt.body)}`,
        );
        // Without a name there is nothing that could be missing.
        if (
          !route.path.includes("{") &&
          attempt.path === route.path &&
          route.body === null &&
          code !== "invalid_request"
        )
          assert.equal(code, "denied", route.operation);
      }
    }
    assert.equal(state(), beforehand);
  });

  it("answers about another namespace as about none, word for word, and changes nothing by it", async () => {
    const somebody = callerIn(OURS);
    const beforehand = state();
    let compared = 0;
    for (const route of ROUTES) {
      if (route.access === null) continue;
      const [real, twin] = [attempts(route, theirs, own), attempts(route, nobodys, own)];
      assert.equal(real.length, twin.length);
      for (const [i, attempt] of real.entries()) {
        const other = twin[i] ?? attempt;
        if (JSON.stringify(attempt) === JSON.stringify(other)) continue;
        const where = `${route.operation} ${attempt.path} ${JSON.stringify(attempt.body) ?? ""}`;
        const [said, saidOfNobody] = [await ask(somebody, route, attempt), await ask(somebody, route, other)];
        assert.equal(said.status, saidOfNobody.status, where);
        const [text, twinText] = [await said.text(), await saidOfNobody.text()];
        assert.equal(anonymous(text, theirs), anonymous(twinText, nobodys), where);
        assert.deepEqual(headersOf(said, theirs), headersOf(saidOfNobody, nobodys), where);
        compared += 1;
      }
    }
    assert.ok(compared > 100, `${compared} comparisons`);
    assert.equal(state(), beforehand);
  });

  it("tells nothing of another namespace in what it lists, page by page, nor in its cursors", async () => {
    const somebody = callerIn(OURS);
    const secrets = [THEIRS, ...Object.values(tenants.theirs)].filter((one) => one !== "");
    for (const route of ROUTES) {
      if (route.access === null || route.method !== "GET" || route.path.includes("{")) continue;
      for (const query of [{}, ...("limit" in route.query ? [{ limit: "1" }] : [])]) {
        let cursor: string | undefined;
        for (let page = 0; page < 20; page++) {
          const search = new URLSearchParams({ ...query, ...(cursor === undefined ? {} : { cursor }) }).toString();
          const response = await ask(somebody, route, { path: `${route.path}?${search}` });
          const text = await response.text();
          for (const secret of secrets)
            assert.ok(!text.includes(secret), `${route.operation}?${search} tells ${secret}: ${text.slice(0, 300)}`);
          if (!response.ok || !(response.headers.get("content-type") ?? "").includes("json")) break;
          const next = (JSON.parse(text) as { readonly cursor?: string | null }).cursor;
          if (next === undefined || next === null) break;
          const plain = Buffer.from(next, "base64url").toString();
          for (const secret of secrets) assert.ok(!plain.includes(secret), `${route.operation}: cursor ${plain}`);
          cursor = next;
        }
      }
    }
  });

  it("still gives somebody what is theirs", async () => {
    const somebody = callerIn(OURS);
    for (const [operation, path] of [
      ["getRun", `/v1/runs/${tenants.ours.run}`],
      ["getRun", `/v1/runs/${tenants.ours.run.slice(-6)}`],
      ["getRun", "/v1/runs/@last"],
      ["getReceipt", `/v1/receipts/${tenants.ours.run}.1`],
      ["readRunArtifact", `/v1/runs/${tenants.ours.run}/artifacts/${tenants.ours.artifact}`],
      ["getWorkflow", `/v1/workflows/${tenants.ours.workflow}`],
      ["listRuns", `/v1/runs?namespace=${OURS}`],
    ] as const) {
      const route = ROUTES.find((one) => one.operation === operation);
      assert.ok(route);
      const response = await ask(somebody, route, { path });
      assert.equal(response.status, 200, `${path}: ${await response.clone().text()}`);
      assert.notEqual(await response.text(), "", path);
    }
  });
});

/** A text without what was asked for, so that two answers can be compared. */
function anonymous(text: string, names: Names): string {
  const words = [
    ...names.run,
    ...names.receipt,
    ...names.approval,
    ...names.digest,
    ...names.hold,
    ...names.decision,
    names.plan,
  ];
  let said = text;
  for (const word of words.toSorted((a, b) => b.length - a.length))
    said = said.replaceAll(word, "WORD").replaceAll(encodeURIComponent(word), "WORD");
  return said
    .replaceAll(names.namespace, "NAMESPACE")
    .replaceAll(/"(decision|digest|planDigest|manifestDigest)":"[^"]*"/g, '"$1":"…"')
    .replaceAll(/\bd_[0-9a-z]{19}\b/g, "d_…")
    .replaceAll(/"(requestId|createdAt|now)":("[^"]*"|\d+)/g, '"$1":0');
}

function headersOf(response: Response, names: Names): readonly string[] {
  return [...response.headers].map(([name, value]) => `${name}: ${anonymous(value, names)}`).sort();
}
