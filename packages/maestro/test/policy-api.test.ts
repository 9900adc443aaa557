import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { Caller } from "../src/identity/caller.ts";
import { adam, anna, caller, folder, FREEZE, owner, PolicyPlane, vera } from "./support/policy-plane.ts";
import type { Explained } from "./support/policy-plane.ts";

// What can be asked about the policy, on a real control plane.

let bench: PolicyPlane;
beforeEach(async () => {
  bench = await PolicyPlane.make();
});
afterEach(async () => bench.close());

describe("a denial", () => {
  it("says what to do, and is explained to whom it met", async () => {
    await bench.open();
    const denied = await bench.call<{ readonly fix: string; readonly facts: { readonly decision: string } }>(
      vera,
      "POST",
      "/v1/holds",
      {
        namespace: "shop",
        reason: "litigation",
      },
    );
    assert.equal(denied.status, 403);
    const { decision } = denied.body.facts;
    assert.match(denied.body.fix, /Ask an admin for a role that may do hold\.manage in shop/);
    assert.ok(denied.body.fix.includes(`maestro policy explain ${decision}`));
    const { body } = await bench.call<{ readonly explanation: Explained }>(
      vera,
      "GET",
      `/v1/policy/decisions/${decision}`,
    );
    assert.match(
      body.explanation.sentence,
      /^user idp:vera may not do hold\.manage on namespace shop, since no rule says that they may/,
    );
    assert.deepEqual(
      body.explanation.facts.find(({ name }) => name === "subject.roles"),
      { name: "subject.roles", value: ["viewer"] },
    );
    // Somebody of another namespace learns nothing, not even that there is one.
    const eve: Caller = { ...vera, id: "idp:eve", grants: [{ namespace: "bank", roles: ["viewer"] }] };
    assert.equal((await bench.call(eve, "GET", `/v1/policy/decisions/${decision}`)).status, 404);
    assert.equal((await bench.call(eve, "GET", "/v1/policy/decisions/d_0000000000000000000")).status, 404);
  });

  it("of a run is explained by its rule with why and fix, from the history, also by the next engine", async () => {
    await bench.open("evaluator: { cedar: { folder: policy } }\n", { "policy/freeze.cedar": FREEZE });
    const run = await bench.start(anna);
    assert.equal(run.status, "denied");
    await bench.plane.close();
    await bench.open("evaluator: { cedar: { folder: policy } }\n", { "policy/freeze.cedar": FREEZE });
    const { body } = await bench.call<{ readonly explanations: readonly Explained[] }>(
      vera,
      "GET",
      `/v1/runs/${run.id}/decisions`,
    );
    const [first] = body.explanations;
    assert.deepEqual(first?.rules, [
      {
        id: "freeze",
        effect: "forbid",
        why: "Nothing starts this week.",
        fix: "Wait until Monday.",
        file: "freeze.cedar",
      },
    ]);
    assert.match(first.advice ?? "", /Ask whoever owns the rule freeze/);
    const one = await bench.call<{ readonly explanation: Explained }>(
      vera,
      "GET",
      `/v1/policy/decisions/${first.decision}`,
    );
    assert.equal(one.body.explanation.sentence, first.sentence);
  });

  it("for a login that is too weak names the one that is enough, as RFC 9470 has it", async () => {
    const strong = `@id("strong") @obligation("step-up: { acr_values: [gold] }")
permit (principal, action == Maestro::Action::"hold.manage", resource);
`;
    await bench.open("evaluator: { cedar: { folder: policy } }\n", { "policy/strong.cedar": strong });
    const body = { namespace: "shop", reason: "litigation" };
    const weak = await bench.call<{ readonly code: string }>(adam, "POST", "/v1/holds", body);
    assert.deepEqual([weak.status, weak.body.code], [401, "step_up_required"]);
    assert.equal(
      weak.headers.get("www-authenticate"),
      'Bearer error="insufficient_user_authentication", acr_values="gold"',
    );
    const again = caller("idp:adam", ["admin"], { acr: "gold" });
    assert.equal((await bench.call(again, "POST", "/v1/holds", body)).status, 201);
  });
});

describe("what policies hide", () => {
  it("is not in what is read, in any of its forms", async () => {
    const hide = `@id("cards") @obligation("redact: { paths: ['/**/card', '/**/value', '/**/output', '/**/result'] }")
permit (principal in Maestro::Role::"viewer", action == Maestro::Action::"run.read", resource);
`;
    await bench.open("evaluator: { cedar: { folder: policy } }\n", { "policy/hide.cedar": hide });
    const run = await bench.start(anna);
    const whole = await bench.call<{ readonly run: { readonly inputs: object } }>(anna, "GET", `/v1/runs/${run.id}`);
    assert.ok(JSON.stringify(whole.body).includes("card-4111-secret"));
    for (const accept of ["application/json", "application/jsonl", "text/event-stream"])
      for (const path of [`/v1/runs/${run.id}`, `/v1/runs/${run.id}/events`]) {
        const response = await bench.plane.handle(
          new Request(`http://maestro.local${path}`, { headers: { accept } }),
          vera,
        );
        assert.equal(response.status, 200);
        const text = await response.text();
        assert.ok(!text.includes("card-4111-secret"), `${accept} ${path} ${text}`);
        assert.ok(text.includes('{"$redacted":{"rule":"cards"}}'), `${accept} ${path}`);
      }
  });

  it("is a no where nothing could be taken out", async () => {
    const hide = `@id("logs") @obligation("redact: { paths: ['/a'] }")
permit (principal in Maestro::Role::"viewer", action == Maestro::Action::"metrics.read", resource);
`;
    await bench.open("evaluator: { cedar: { folder: policy } }\n", { "policy/hide.cedar": hide });
    const everywhere: Caller = { ...vera, grants: [{ namespace: "*", roles: ["viewer"] }] };
    const response = await bench.plane.handle(new Request("http://maestro.local/metrics"), everywhere);
    assert.equal(response.status, 403);
    assert.match(await response.text(), /nothing can be taken out of what metrics\.read gives/);
  });
});

describe("questions about the policy", () => {
  it("are answered about oneself and about others, and by a policy that is not in force", async () => {
    await bench.open();
    const can = async (who: Caller, body: object): Promise<boolean> =>
      (await bench.call<{ readonly allow: boolean }>(who, "POST", "/v1/policy/questions", body)).body.allow;
    const resource = { type: "namespace", id: "shop" };
    assert.equal(await can(vera, { action: { name: "run.read" }, resource }), true);
    assert.equal(await can(vera, { action: { name: "run.cancel" }, resource }), false);
    const other = { type: "user", id: "x", properties: { roles: ["operator"] } };
    assert.equal(await can(vera, { subject: other, action: { name: "run.cancel" }, resource }), true);
    const start = {
      subject: other,
      action: { name: "run.start" },
      resource: { type: "runbook", id: "shop/o@1", properties: { purposes: ["a"], authorityRequired: false } },
      context: { purpose: "a" },
    };
    assert.equal(await can(vera, start), true);
    assert.equal(await can(vera, { ...start, files: folder() }), true);
    assert.equal(await can(vera, { ...start, files: folder(["freeze.cedar", FREEZE]) }), false);
    const broken = await bench.call<{ readonly code: string; readonly detail: string }>(
      vera,
      "POST",
      "/v1/policy/questions",
      {
        ...start,
        files: folder(["freeze.cedar", FREEZE.replace("run.start", "run.strat")]),
      },
    );
    assert.equal(broken.body.code, "policy_unusable");
    assert.match(broken.body.detail, /freeze\.cedar: freeze: unrecognized action/);
    for (const name of ["../evil.cedar", "a/b.cedar", ".cedar", "run.sh", "policy.wasm/.."]) {
      const files = [{ name, base64: "" }];
      assert.equal((await bench.call(vera, "POST", "/v1/policy/questions", { ...start, files })).status, 400, name);
    }
  });

  it("say what the answer lacks about a runbook that is not stored, or that one may not see", async () => {
    await bench.open();
    const unknown = async (resource: object): Promise<readonly string[]> =>
      (
        await bench.call<{ readonly unknown: readonly string[] }>(vera, "POST", "/v1/policy/questions", {
          action: { name: "run.start" },
          resource,
        })
      ).body.unknown;
    const lacks = (id: string): RegExp =>
      new RegExp(
        `^the runbook ${id} is not stored here, .* unknown license, purposes, effects, need of an authority\\.`,
      );
    const orders = { type: "runbook", id: "shop/orders@1.0.0" };
    assert.match((await unknown(orders)).join("\n"), lacks(orders.id));
    await bench.start(anna);
    assert.deepEqual(await unknown(orders), []);
    const hidden = { type: "runbook", id: "bank/orders@1.0.0", properties: { namespace: "shop" } };
    assert.match((await unknown(hidden)).join("\n"), lacks(hidden.id));
    const properties = { namespace: "shop", license: "MIT", purposes: [], effects: [], authorityRequired: true };
    assert.deepEqual(await unknown({ ...hidden, properties }), [], "all of it was said");
    const nameless = { type: "runbook", id: "orders", properties: { namespace: "shop" } };
    assert.match((await unknown(nameless)).join("\n"), lacks("orders"));
    assert.deepEqual(await unknown({ type: "namespace", id: "shop" }), []);
  });

  it("name the roles and the people who can", async () => {
    await bench.open();
    await bench.start(anna);
    await bench.call(vera, "GET", "/v1/runs?namespace=shop");
    const { body } = await bench.call<{
      readonly roles: readonly { readonly role: string }[];
      readonly subjects: readonly { readonly id: string }[];
      readonly unknown: readonly string[];
    }>(vera, "POST", "/v1/policy/subjects", {
      action: { name: "run.cancel" },
      resource: { type: "namespace", id: "shop" },
    });
    assert.deepEqual(
      body.roles.map(({ role }) => role),
      ["operator", "owner"],
    );
    // Who started runs, and the owner who looked.
    assert.deepEqual(body.subjects.map(({ id }) => id).toSorted(), ["idp:anna", "owner"]);
    assert.match(body.unknown.join(), /has not been here yet/);
  });

  it("that were recorded are asked again of another policy: none flips by the same, and those that flip are named", async () => {
    await bench.open();
    const run = await bench.start(anna);
    await bench.start(anna, "marketing");
    await bench.call(vera, "GET", `/v1/runs/${run.id}`);
    const differ = async (...extra: readonly (readonly [string, string])[]) =>
      (
        await bench.call<{
          readonly asked: number;
          readonly missing: number;
          readonly policies: readonly { readonly flips: readonly Readonly<Record<string, unknown>>[] }[];
        }>(vera, "POST", "/v1/policy/differences", { files: folder(...extra), overMs: 3_600_000 })
      ).body;
    const same = await differ();
    assert.ok(same.asked >= 3, JSON.stringify(same));
    assert.deepEqual([same.missing, same.policies[0]?.flips], [0, []]);
    const frozen = await differ(["freeze.cedar", FREEZE]);
    assert.deepEqual(
      frozen.policies[0]?.flips.map(({ from, to, action, after, count }) => [from, to, action, after, count]),
      [["allow", "deny", "run.start", ["freeze"], 1]],
    );
    // What happens in a namespace is not to be told by counts to those of another.
    const eve: Caller = { ...vera, id: "idp:eve", grants: [{ namespace: "bank", roles: ["viewer"] }] };
    const { body: theirs } = await bench.call(eve, "POST", "/v1/policy/differences", {
      files: folder(["freeze.cedar", FREEZE]),
      overMs: 3_600_000,
    });
    const { asked, decisions, missing, past, cut } = theirs;
    assert.deepEqual(
      { asked, decisions, missing, past, cut },
      { asked: 0, decisions: 0, missing: 0, past: 0, cut: false },
    );
    const both = await bench.call(vera, "POST", "/v1/policy/differences", {
      shadow: true,
      files: folder(),
      overMs: 1000,
    });
    assert.equal(both.status, 400);
  });

  it("are answered by policies on trial beside, which block nothing and are recorded", async () => {
    await bench.open("evaluator: { cedar: { folder: policy } }\n", { "policy/freeze.cedar": `@shadow ${FREEZE}` });
    const run = await bench.start(anna);
    assert.equal(run.status, "succeeded");
    const { body } = await bench.call<{ readonly explanations: readonly Explained[] }>(
      vera,
      "GET",
      `/v1/runs/${run.id}/decisions`,
    );
    assert.deepEqual(
      body.explanations[0]?.shadow.map(({ allow }) => allow),
      [false],
    );
    const policy = await bench.call<{
      readonly rules: readonly { readonly id: string; readonly shadow: boolean }[];
      readonly shadows: readonly { readonly differed: number }[];
    }>(owner, "GET", "/v1/policy");
    assert.deepEqual(
      policy.body.rules.filter(({ shadow }) => shadow).map(({ id }) => id),
      ["freeze"],
    );
    assert.equal(policy.body.shadows[0]?.differed, 1);
    const { body: would } = await bench.call<{
      readonly policies: readonly { readonly flips: readonly { readonly action: string }[] }[];
    }>(vera, "POST", "/v1/policy/differences", { shadow: true, overMs: 3_600_000 });
    assert.deepEqual(
      would.policies[0]?.flips.map(({ action }) => action),
      ["run.start"],
    );
    const replayed = await bench.call<{ readonly equal: boolean }>(owner, "GET", `/v1/runs/${run.id}/replay`);
    assert.equal(replayed.body.equal, true);
  });
});
