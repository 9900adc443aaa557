import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { JsonObject, JsonValue } from "../src/core/json.ts";
import type { Caller } from "../src/identity/caller.ts";
import { authzenEvaluator } from "../src/policy/authzen.ts";
import type { GateRequest } from "../src/policy/gate.ts";
import { openControlPlane } from "../src/serve.ts";
import type { ControlPlane } from "../src/serve.ts";
import { isConfiguration, isExchange } from "./support/authzen-messages.ts";
import { Place } from "./support/maestro.ts";
import { Server } from "./support/server.ts";

// The AuthZEN Authorization API 1.0 as others find it. Every exchange is held against schemas of its messages, and against
// the API's own document.

const PEP: Caller = {
  type: "service",
  id: "idp:gateway",
  grants: [{ namespace: "shop", roles: ["viewer"] }],
  properties: {},
  via: "oidc",
};
const ANNA = { type: "user", id: "anna", properties: { roles: ["operator"] } };
const SHOP = { type: "namespace", id: "shop" };
const CANCEL = { name: "run.cancel" };

function textOf(value: JsonValue | undefined): string {
  assert.equal(typeof value, "string");
  return value as string;
}

describe("AuthZEN, served", () => {
  let dir = "";
  let plane: ControlPlane;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "maestro-authzen-"));
    plane = await openControlPlane({ dataDir: join(dir, "data") });
  });
  after(async () => {
    await plane.close();
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  });

  async function post(
    path: string,
    body: JsonObject,
    { who = PEP, headers = {} }: { readonly who?: Caller; readonly headers?: Readonly<Record<string, string>> } = {},
  ): Promise<{ readonly status: number; readonly headers: Headers; readonly body: JsonObject }> {
    const response = await plane.handle(
      new Request(`https://maestro.local/access/v1/${path}`, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: JSON.stringify(body),
      }),
      who,
    );
    const answer = (await response.json()) as JsonObject;
    isExchange(path, body, response.status, answer);
    return { status: response.status, headers: response.headers, body: answer };
  }
  const decisions = ({ body }: { readonly body: JsonObject }): readonly JsonValue[] =>
    (body["evaluations"] as readonly JsonObject[]).map((one) => one["decision"] ?? null);

  it("answers one question, a no with status 200, and gives the request's id back", async () => {
    const headers = { "x-request-id": "gateway-17" };
    const yes = await post("evaluation", { subject: ANNA, action: CANCEL, resource: SHOP }, { headers });
    assert.deepEqual([yes.status, yes.body["decision"]], [200, true]);
    assert.equal(yes.headers.get("x-request-id"), "gateway-17");
    const no = await post("evaluation", { subject: { type: "user", id: "bob" }, action: CANCEL, resource: SHOP });
    assert.deepEqual([no.status, no.body["decision"]], [200, false]);
    assert.match(JSON.stringify(no.body["context"]), /user bob has no role here that may do run\.cancel/);
  });

  it("leaves alone what it does not know, and refuses what is missing", async () => {
    const whole = { subject: ANNA, action: CANCEL, resource: SHOP, extension: { x: 1 } };
    assert.equal((await post("evaluation", whole)).status, 200);
    const lacking: readonly (readonly [JsonObject, RegExp])[] = [
      [{ action: CANCEL, resource: SHOP }, /subject is missing/],
      [{ subject: { type: "user" }, action: CANCEL, resource: SHOP }, /subject\.id is missing/],
      [{ subject: ANNA, resource: SHOP }, /action is missing/],
      [{ subject: ANNA, action: { name: 7 }, resource: SHOP }, /action\.name is not a text/],
      [{ subject: ANNA, action: CANCEL, resource: "shop" }, /resource is not an object/],
      [{ subject: ANNA, action: CANCEL, resource: SHOP, context: [] }, /context is not an object/],
    ];
    for (const [body, message] of lacking) {
      const { status, body: problem } = await post("evaluation", body);
      assert.equal(status, 400);
      assert.match(textOf(problem["detail"]), message);
    }
  });

  it("answers many: defaults from the top, and where to stop", async () => {
    const evaluations = [{ action: { name: "approval.give" } }, { subject: { type: "user", id: "bob" } }, {}];
    const top = { subject: ANNA, action: CANCEL, resource: SHOP, evaluations };
    assert.deepEqual(decisions(await post("evaluations", top)), [false, false, true]);
    const ask = async (evaluations_semantic: string): Promise<readonly JsonValue[]> =>
      decisions(await post("evaluations", { ...top, options: { evaluations_semantic } }));
    assert.deepEqual(await ask("execute_all"), [false, false, true]);
    assert.deepEqual(await ask("deny_on_first_deny"), [false]);
    assert.deepEqual(await ask("permit_on_first_permit"), [false, false, true]);
    const semantic = await post("evaluations", { ...top, options: { evaluations_semantic: "any" } });
    assert.match(textOf(semantic.body["detail"]), /options\.evaluations_semantic is one of execute_all/);
    for (const none of [{ evaluations: [] }, {}]) {
      const { body } = await post("evaluations", { subject: ANNA, action: CANCEL, resource: SHOP, ...none });
      assert.equal(body["decision"], true);
    }
    const bad = await post("evaluations", { subject: ANNA, resource: SHOP, evaluations: [{}, { action: CANCEL }, 7] });
    assert.deepEqual(decisions(bad), [false, true, false]);
    assert.match(JSON.stringify(bad.body), /"error":\{"status":400,"message":"action is missing"\}/);
    assert.deepEqual(decisions(await post("evaluations", { evaluations: ["", 7] })), [false, false]);
    const many = Array.from({ length: 101 }, () => ({}));
    assert.equal((await post("evaluations", { ...top, evaluations: many })).status, 400);
  });

  it("finds actions, resources and subjects, in pages", async () => {
    const question = { subject: ANNA, resource: SHOP };
    const all = await post("search/action", question);
    const names = (all.body["results"] as readonly { readonly name: string }[]).map(({ name }) => name);
    assert.ok(names.includes("run.cancel") && names.includes("run.read") && !names.includes("approval.give"));
    const paged: string[] = [];
    let token = "";
    for (let pages = 0; pages < 40; pages++) {
      const { body } = await post("search/action", { ...question, page: { limit: 5, token } });
      paged.push(...(body["results"] as readonly { readonly name: string }[]).map(({ name }) => name));
      token = textOf((body["page"] as JsonObject)["next_token"]);
      if (token === "") break;
    }
    assert.deepEqual(paged, names);
    const first = await post("search/action", { ...question, page: { limit: 5 } });
    const stolen = textOf((first.body["page"] as JsonObject)["next_token"]);
    const other = await post("search/action", {
      subject: { type: "user", id: "bob" },
      resource: SHOP,
      page: { token: stolen },
    });
    assert.match(textOf(other.body["detail"]), /page\.token is not of this question/);

    const places = await post("search/resource", { subject: ANNA, action: CANCEL, resource: { type: "namespace" } });
    assert.deepEqual(places.body["results"], [SHOP]);
    await plane.handle(new Request("https://maestro.local/v1/runs?namespace=shop"), {
      ...PEP,
      id: "idp:olga",
      grants: [{ namespace: "shop", roles: ["operator"] }],
    });
    const who = await post("search/subject", { subject: { type: "service" }, action: CANCEL, resource: SHOP });
    assert.deepEqual(who.body["results"], [{ type: "service", id: "idp:olga" }]);
    assert.equal((await post("search/subject", { subject: {}, action: CANCEL, resource: SHOP })).status, 400);
  });

  it("tells where it is to anybody", async () => {
    const response = await plane.handle(new Request("https://pdp.example/.well-known/authzen-configuration"), PEP);
    const told = (await response.json()) as JsonObject;
    isConfiguration(told);
    assert.equal(told["policy_decision_point"], "https://pdp.example");
    assert.equal(told["access_evaluation_endpoint"], "https://pdp.example/access/v1/evaluation");
    assert.equal(told["search_action_endpoint"], "https://pdp.example/access/v1/search/action");
  });

  it("gives nothing to who asks: naming a role in a question is not having it", async () => {
    const owner = { type: PEP.type, id: PEP.id, properties: { roles: ["owner", "operator"] } };
    const asked = await post("evaluation", { subject: owner, action: CANCEL, resource: SHOP });
    assert.equal(asked.body["decision"], true, "the question is answered as it was asked");
    const response = await plane.handle(
      new Request("https://maestro.local/v1/holds", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ namespace: "shop", reason: "mine now" }),
      }),
      PEP,
    );
    assert.equal(response.status, 403);
  });

  it("is asked about namespaces that one has a part in, by who has one", async () => {
    const elsewhere = { subject: ANNA, action: CANCEL, resource: { type: "namespace", id: "bank" } };
    assert.equal((await post("evaluation", elsewhere)).status, 403);
    const nobody: Caller = { ...PEP, grants: [] };
    for (const path of ["evaluation", "evaluations", "search/subject", "search/resource", "search/action"])
      assert.equal(
        (await post(path, { subject: ANNA, action: CANCEL, resource: SHOP }, { who: nobody })).status,
        403,
        path,
      );
  });

  it("keeps each question and its answer in the audit", async () => {
    const subject = { type: "user", id: "recorded", properties: { roles: ["operator"] } };
    const { body } = await post("evaluation", { subject, action: CANCEL, resource: SHOP });
    const id = (body["context"] as JsonObject)["id"];
    const response = await plane.handle(new Request(`https://maestro.local/v1/policy/decisions/${textOf(id)}`), PEP);
    const { explanation } = (await response.json()) as { readonly explanation: JsonObject };
    assert.match(textOf(explanation["sentence"]), /^user recorded may do run\.cancel on namespace shop/);
  });
});

describe("AuthZEN, of one Maestro by another", () => {
  it("gives the answers that its own policy gives", async () => {
    const place = await Place.make({});
    const server = await Server.start(place);
    try {
      for (const discover of [true, false]) {
        const evaluator = authzenEvaluator(
          { url: server.url, tokenFile: server.tokenFile, timeoutMs: 10_000, discover },
          () => 0,
        );
        const request = (roles: readonly string[]): GateRequest => ({
          subject: { type: "user", id: "anna", properties: { roles } },
          action: { name: "run.cancel" },
          resource: { type: "run", id: "shop/orders", properties: { namespace: "shop" } },
          context: { purpose: "", authority: "" },
        });
        const yes = await evaluator.evaluate(request(["operator"]), { at: 0, request: "r-1" });
        assert.deepEqual([yes.allow, yes.rules], [true, ["role-operator"]]);
        const no = await evaluator.evaluate(request(["viewer"]), { at: 0 });
        assert.equal(no.allow, false);
        assert.match(no.reasons.join(), /has no role here that may do run\.cancel/);
        await evaluator.close?.();
      }
    } finally {
      await server.stop();
      await place.remove();
    }
  });
});
