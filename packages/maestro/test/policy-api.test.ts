import assert from "node:assert/strict";
import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import type { Caller } from "../src/identity/caller.ts";
import { ownerCaller } from "../src/identity/caller.ts";
import { openControlPlane } from "../src/serve.ts";
import type { ControlPlane } from "../src/serve.ts";

// What can be asked about the policy, and how somebody goes past it, on a real control plane.

const CEDAR = fileURLToPath(new URL("../policies/default/cedar", import.meta.url));
const FREEZE = `@id("freeze") @why("Nothing starts this week.") @fix("Wait until Monday.")
forbid (principal, action == Maestro::Action::"run.start", resource);
`;
const MANIFEST = `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: shop, name: orders, version: 1.0.0 }
spec:
  type: demo
  purposes: [reporting]
  inputs: { card: { type: string, default: "card-4111-secret" } }
  tasks:
    go: { uses: noop@1, with: { value: "\${{ inputs.card }}" } }
`;

interface Explained {
  readonly decision: string;
  readonly sentence: string;
  readonly allow: boolean;
  readonly mode: string;
  readonly advice?: string;
  readonly rules: readonly { readonly id: string; readonly why?: string; readonly fix?: string }[];
  readonly facts: readonly { readonly name: string; readonly value: unknown }[];
  readonly shadow: readonly { readonly allow: boolean }[];
}

function caller(id: string, roles: readonly string[], properties: Caller["properties"] = {}): Caller {
  return { type: "user", id, grants: [{ namespace: "shop", roles }], properties, via: "oidc" };
}

let dir = "";
let plane: ControlPlane;
const lines: string[] = [];

async function open(policy?: string, more: Readonly<Record<string, string>> = {}): Promise<void> {
  const data = join(dir, "data");
  cpSync(CEDAR, join(data, "policy"), { recursive: true });
  for (const [name, text] of Object.entries(more)) writeFileSync(join(data, name), text);
  if (policy !== undefined) writeFileSync(join(data, "policy.yaml"), policy);
  plane = await openControlPlane({
    dataDir: data,
    log: (level, message, fields) => lines.push(`${level} ${message} ${JSON.stringify(fields)}`),
  });
}

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- what an answer holds is said where it is read
async function call<T = Readonly<Record<string, unknown>>>(
  who: Caller,
  method: string,
  path: string,
  body?: object,
): Promise<{ readonly status: number; readonly headers: Headers; readonly body: T }> {
  const response = await plane.handle(
    new Request(`http://maestro.local${path}`, {
      method,
      headers: { "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }),
    who,
  );
  return { status: response.status, headers: response.headers, body: (await response.json()) as T };
}

const owner = ownerCaller("owner", "token");
const anna = caller("idp:anna", ["operator"]);
const vera = caller("idp:vera", ["viewer"]);
const adam = caller("idp:adam", ["admin"]);

/** A run until its end. */
async function start(who: Caller, purpose = "reporting"): Promise<{ readonly id: string; readonly status: string }> {
  const { body } = await call<{ readonly run?: { readonly id: string } }>(who, "POST", "/v1/runs", {
    manifest: MANIFEST,
    purpose,
  });
  const id = body.run?.id ?? "";
  assert.notEqual(id, "", JSON.stringify(body));
  const events = await plane.asOwner(
    new Request(`http://maestro.local/v1/runs/${id}/events`, { headers: { accept: "text/event-stream" } }),
  );
  await events.text();
  const shown = await call<{ readonly run: { readonly status: string } }>(owner, "GET", `/v1/runs/${id}`);
  return { id, status: shown.body.run.status };
}

const folder = (...extra: readonly (readonly [string, string])[]): object[] => [
  ...readdirSync(CEDAR).map((name) => ({ name, base64: readFileSync(join(CEDAR, name)).toString("base64") })),
  ...extra.map(([name, text]) => ({ name, base64: Buffer.from(text).toString("base64") })),
];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "maestro-policy-"));
  lines.length = 0;
  const { mkdirSync } = await import("node:fs");
  mkdirSync(join(dir, "data"));
});
afterEach(async () => {
  await plane.close();
  await rm(dir, { recursive: true, force: true, maxRetries: 5 });
});

describe("a denial", () => {
  it("says what to do, and is explained to whom it met", async () => {
    await open();
    const denied = await call<{ readonly fix: string; readonly facts: { readonly decision: string } }>(
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
    const { body } = await call<{ readonly explanation: Explained }>(vera, "GET", `/v1/policy/decisions/${decision}`);
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
    assert.equal((await call(eve, "GET", `/v1/policy/decisions/${decision}`)).status, 404);
    assert.equal((await call(eve, "GET", "/v1/policy/decisions/d_0000000000000000000")).status, 404);
  });

  it("of a run is explained by its rule with why and fix, from the history, also by the next engine", async () => {
    await open("evaluator: { cedar: { folder: policy } }\n", { "policy/freeze.cedar": FREEZE });
    const run = await start(anna);
    assert.equal(run.status, "denied");
    await plane.close();
    await open("evaluator: { cedar: { folder: policy } }\n", { "policy/freeze.cedar": FREEZE });
    const { body } = await call<{ readonly explanations: readonly Explained[] }>(
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
    const one = await call<{ readonly explanation: Explained }>(vera, "GET", `/v1/policy/decisions/${first.decision}`);
    assert.equal(one.body.explanation.sentence, first.sentence);
  });

  it("for a login that is too weak names the one that is enough, as RFC 9470 has it", async () => {
    const strong = `@id("strong") @obligation("step-up: { acr_values: [gold] }")
permit (principal, action == Maestro::Action::"hold.manage", resource);
`;
    await open("evaluator: { cedar: { folder: policy } }\n", { "policy/strong.cedar": strong });
    const body = { namespace: "shop", reason: "litigation" };
    const weak = await call<{ readonly code: string }>(adam, "POST", "/v1/holds", body);
    assert.deepEqual([weak.status, weak.body.code], [401, "step_up_required"]);
    assert.equal(
      weak.headers.get("www-authenticate"),
      'Bearer error="insufficient_user_authentication", acr_values="gold"',
    );
    const again = caller("idp:adam", ["admin"], { acr: "gold" });
    assert.equal((await call(again, "POST", "/v1/holds", body)).status, 201);
  });
});

describe("what policies hide", () => {
  it("is not in what is read, in any of its forms", async () => {
    const hide = `@id("cards") @obligation("redact: { paths: ['/**/card', '/**/value', '/**/output', '/**/result'] }")
permit (principal in Maestro::Role::"viewer", action == Maestro::Action::"run.read", resource);
`;
    await open("evaluator: { cedar: { folder: policy } }\n", { "policy/hide.cedar": hide });
    const run = await start(anna);
    const whole = await call<{ readonly run: { readonly inputs: object } }>(anna, "GET", `/v1/runs/${run.id}`);
    assert.ok(JSON.stringify(whole.body).includes("card-4111-secret"));
    for (const accept of ["application/json", "application/jsonl", "text/event-stream"])
      for (const path of [`/v1/runs/${run.id}`, `/v1/runs/${run.id}/events`]) {
        const response = await plane.handle(new Request(`http://maestro.local${path}`, { headers: { accept } }), vera);
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
    await open("evaluator: { cedar: { folder: policy } }\n", { "policy/hide.cedar": hide });
    const everywhere: Caller = { ...vera, grants: [{ namespace: "*", roles: ["viewer"] }] };
    const response = await plane.handle(new Request("http://maestro.local/metrics"), everywhere);
    assert.equal(response.status, 403);
    assert.match(await response.text(), /nothing can be taken out of what metrics\.read gives/);
  });
});

describe("questions about the policy", () => {
  it("are answered about oneself and about others, and by a policy that is not in force", async () => {
    await open();
    const can = async (who: Caller, body: object): Promise<boolean> =>
      (await call<{ readonly allow: boolean }>(who, "POST", "/v1/policy/questions", body)).body.allow;
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
    const broken = await call<{ readonly code: string; readonly detail: string }>(
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
      assert.equal((await call(vera, "POST", "/v1/policy/questions", { ...start, files })).status, 400, name);
    }
  });

  it("name the roles and the people who can", async () => {
    await open();
    await start(anna);
    await call(vera, "GET", "/v1/runs?namespace=shop");
    const { body } = await call<{
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
    await open();
    const run = await start(anna);
    await start(anna, "marketing");
    await call(vera, "GET", `/v1/runs/${run.id}`);
    const differ = async (...extra: readonly (readonly [string, string])[]) =>
      (
        await call<{
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
    const { body: theirs } = await call(eve, "POST", "/v1/policy/differences", {
      files: folder(["freeze.cedar", FREEZE]),
      overMs: 3_600_000,
    });
    const { asked, decisions, missing, past, cut } = theirs;
    assert.deepEqual(
      { asked, decisions, missing, past, cut },
      { asked: 0, decisions: 0, missing: 0, past: 0, cut: false },
    );
    const both = await call(vera, "POST", "/v1/policy/differences", { shadow: true, files: folder(), overMs: 1000 });
    assert.equal(both.status, 400);
  });

  it("are answered by policies on trial beside, which block nothing and are recorded", async () => {
    await open("evaluator: { cedar: { folder: policy } }\n", { "policy/freeze.cedar": `@shadow ${FREEZE}` });
    const run = await start(anna);
    assert.equal(run.status, "succeeded");
    const { body } = await call<{ readonly explanations: readonly Explained[] }>(
      vera,
      "GET",
      `/v1/runs/${run.id}/decisions`,
    );
    assert.deepEqual(
      body.explanations[0]?.shadow.map(({ allow }) => allow),
      [false],
    );
    const policy = await call<{
      readonly rules: readonly { readonly id: string; readonly shadow: boolean }[];
      readonly shadows: readonly { readonly differed: number }[];
    }>(owner, "GET", "/v1/policy");
    assert.deepEqual(
      policy.body.rules.filter(({ shadow }) => shadow).map(({ id }) => id),
      ["freeze"],
    );
    assert.equal(policy.body.shadows[0]?.differed, 1);
    const { body: would } = await call<{
      readonly policies: readonly { readonly flips: readonly { readonly action: string }[] }[];
    }>(vera, "POST", "/v1/policy/differences", { shadow: true, overMs: 3_600_000 });
    assert.deepEqual(
      would.policies[0]?.flips.map(({ action }) => action),
      ["run.start"],
    );
    const replayed = await call<{ readonly equal: boolean }>(owner, "GET", `/v1/runs/${run.id}/replay`);
    assert.equal(replayed.body.equal, true);
  });
});

describe("an approval that a policy wants", () => {
  const TWO_EYES = `@id("two-eyes") @obligation("approval: { count: 1, roles: [approver] }")
permit (principal in Maestro::Role::"operator", action == Maestro::Action::"task.execute", resource);
`;
  const WRITES = `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: shop, name: writes, version: 1.0.0 }
spec:
  type: demo
  purposes: [reporting]
  tasks:
    go: { uses: exec@1, runner: { sandbox: none }, with: { argv: ["true"] } }
`;
  const until = async (id: string, kind: string): Promise<void> => {
    const response = await plane.asOwner(
      new Request(`http://maestro.local/v1/runs/${id}/events`, { headers: { accept: "text/event-stream" } }),
    );
    let text = "";
    for await (const part of response.body ?? []) {
      text += Buffer.from(part).toString();
      if (text.includes(`"kind":"${kind}"`)) return;
    }
    assert.fail(`ended without ${kind}: ${text}`);
  };

  it("holds the task until somebody agreed, and breaking the glass is nobody's agreement", async () => {
    await open("evaluator: { cedar: { folder: policy } }\n", { "policy/two-eyes.cedar": TWO_EYES });
    const both: Caller = caller("idp:adam", ["admin", "operator", "approver"]);
    const reason = "orders stand still, INC-17: the freeze must wait";
    await call(both, "POST", "/v1/break-glass", { namespace: "shop", reason, forMs: 600_000 });
    const started = await call<{ readonly run: { readonly id: string } }>(both, "POST", "/v1/runs", {
      manifest: WRITES,
    });
    const { id } = started.body.run;
    await until(id, "approval_requested");
    const waiting = await call<{
      readonly approvals: readonly { readonly id: string; readonly planDigest: string }[];
    }>(both, "GET", `/v1/approvals?run=${id}`);
    const [approval] = waiting.body.approvals;
    assert.ok(approval !== undefined);
    const answer = { verdict: "approve", plan: approval.planDigest, reason: "looked at it" };
    assert.equal((await call(both, "POST", `/v1/approvals/${approval.id}`, answer)).status, 403, "one's own");
    const other = caller("idp:olga", ["approver"]);
    assert.equal((await call(other, "POST", `/v1/approvals/${approval.id}`, answer)).status, 200);
    await until(id, "run_ended");
    const { body } = await call<{ readonly explanations: readonly Explained[] }>(
      vera,
      "GET",
      `/v1/runs/${id}/decisions?task=go`,
    );
    assert.deepEqual(
      body.explanations[0]?.rules.map((rule) => rule.id),
      ["role-operator", "two-eyes"],
    );
    const replayed = await call<{ readonly equal: boolean }>(owner, "GET", `/v1/runs/${id}/replay`);
    assert.equal(replayed.body.equal, true);
  });
});

describe("break-glass", () => {
  const REASON = "orders stand still, INC-17: the freeze must wait";

  it("lets one person past the policy, aloud, for a time; and the run says so for ever", async () => {
    await open(
      "evaluator: { cedar: { folder: policy } }\nnotify: { security: { file: told.jsonl } }\nbreakGlass: { longest: 30m }\n",
      {
        "policy/freeze.cedar": FREEZE,
      },
    );
    const both: Caller = caller("idp:adam", ["admin", "operator"]);
    const body = { namespace: "shop", reason: REASON, forMs: 600_000 };
    assert.equal((await call(anna, "POST", "/v1/break-glass", body)).status, 403);
    assert.equal((await call(both, "POST", "/v1/break-glass", { ...body, forMs: 3_600_000 })).status, 400);
    assert.equal((await call(both, "POST", "/v1/break-glass", { ...body, reason: "need it" })).status, 400);
    assert.equal((await start(both)).status, "denied");
    const opened = await call<{ readonly breakGlass: { readonly id: string } }>(both, "POST", "/v1/break-glass", body);
    assert.equal(opened.status, 201);
    const { id } = opened.body.breakGlass;
    const run = await start(both);
    assert.equal(run.status, "succeeded");
    assert.equal((await start(anna)).status, "denied");
    const health = await call<{ readonly breakGlass: readonly { readonly id: string }[] }>(owner, "GET", "/v1/health");
    assert.deepEqual(
      health.body.breakGlass.map((one) => one.id),
      [id],
    );
    assert.equal((await call(anna, "POST", `/v1/break-glass/${id}/end`)).status, 403);
    assert.equal((await call(both, "POST", `/v1/break-glass/${id}/end`)).status, 200);
    assert.equal((await start(both)).status, "denied");

    const { body: told } = await call<{ readonly explanations: readonly Explained[] }>(
      vera,
      "GET",
      `/v1/runs/${run.id}/decisions`,
    );
    assert.equal(told.explanations[0]?.mode, "break-glass");
    assert.match(told.explanations[0]?.sentence ?? "", /went past the policy to do run\.start .*INC-17/);
    assert.equal((await call<{ readonly equal: boolean }>(owner, "GET", `/v1/runs/${run.id}/replay`)).body.equal, true);
    const ledger = await call<{
      readonly entries: readonly { readonly event: { readonly data: { readonly mode?: string } } }[];
    }>(owner, "GET", "/v1/ledger/entries");
    assert.ok(ledger.body.entries.some(({ event }) => event.data.mode === "break-glass"));
    for (const word of ["from now on", "was gone past", "any more"])
      assert.ok(
        lines.some((line) => line.startsWith("error") && line.includes(word) && line.includes(id)),
        word,
      );
    await plane.close();
    const notices = readFileSync(join(dir, "data/told.jsonl"), "utf8").trim().split("\n");
    const types = notices.map((line) => (JSON.parse(line) as { readonly type: string }).type);
    assert.deepEqual(
      [...new Set(types)].toSorted(),
      ["ended", "opened", "used"].map((kind) => `dev.summit-maestro.policy.break-glass-${kind}`),
    );
    await open();
  });

  it("is listed for whoever may read policies, and nobody else", async () => {
    await open();
    await call(adam, "POST", "/v1/break-glass", { namespace: "shop", reason: REASON, forMs: 600_000 });
    const list = await call<{ readonly breakGlasses: readonly { readonly open: boolean; readonly subject: string }[] }>(
      vera,
      "GET",
      "/v1/break-glass",
    );
    assert.deepEqual(
      list.body.breakGlasses.map(({ open: is, subject }) => [is, subject]),
      [[true, "user:idp:adam"]],
    );
    const eve: Caller = { ...vera, id: "idp:eve", grants: [{ namespace: "bank", roles: ["viewer", "admin"] }] };
    const elsewhere = await call<{ readonly breakGlasses: readonly unknown[] }>(eve, "GET", "/v1/break-glass");
    assert.deepEqual(elsewhere.body.breakGlasses, []);
  });
});
