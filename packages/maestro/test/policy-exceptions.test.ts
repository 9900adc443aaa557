import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { Caller } from "../src/identity/caller.ts";
import { adam, anna, caller, FREEZE, owner, PolicyPlane, vera } from "./support/policy-plane.ts";
import type { Explained } from "./support/policy-plane.ts";

// Who may agree where a policy wants it, and how somebody goes past it, on a real control plane.

let bench: PolicyPlane;
beforeEach(async () => {
  bench = await PolicyPlane.make();
});
afterEach(async () => bench.close());

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
    const response = await bench.plane.asOwner(
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
    await bench.open("evaluator: { cedar: { folder: policy } }\n", { "policy/two-eyes.cedar": TWO_EYES });
    const both: Caller = caller("idp:adam", ["admin", "operator", "approver"]);
    const reason = "orders stand still, INC-17: the freeze must wait";
    await bench.call(both, "POST", "/v1/break-glass", { namespace: "shop", reason, forMs: 600_000 });
    const started = await bench.call<{ readonly run: { readonly id: string } }>(both, "POST", "/v1/runs", {
      manifest: WRITES,
    });
    const { id } = started.body.run;
    await until(id, "approval_requested");
    const waiting = await bench.call<{
      readonly approvals: readonly { readonly id: string; readonly planDigest: string }[];
    }>(both, "GET", `/v1/approvals?run=${id}`);
    const [approval] = waiting.body.approvals;
    assert.ok(approval !== undefined);
    const answer = { verdict: "approve", plan: approval.planDigest, reason: "looked at it" };
    assert.equal((await bench.call(both, "POST", `/v1/approvals/${approval.id}`, answer)).status, 403, "one's own");
    const other = caller("idp:olga", ["approver"]);
    assert.equal((await bench.call(other, "POST", `/v1/approvals/${approval.id}`, answer)).status, 200);
    await until(id, "run_ended");
    const { body } = await bench.call<{ readonly explanations: readonly Explained[] }>(
      vera,
      "GET",
      `/v1/runs/${id}/decisions?task=go`,
    );
    assert.deepEqual(
      body.explanations[0]?.rules.map((rule) => rule.id),
      ["role-operator", "two-eyes"],
    );
    const replayed = await bench.call<{ readonly equal: boolean }>(owner, "GET", `/v1/runs/${id}/replay`);
    assert.equal(replayed.body.equal, true);
  });
});

describe("break-glass", () => {
  const REASON = "orders stand still, INC-17: the freeze must wait";

  it("lets one person past the policy, aloud, for a time; and the run says so for ever", async () => {
    await bench.open(
      "evaluator: { cedar: { folder: policy } }\nnotify: { security: { file: told.jsonl } }\nbreakGlass: { longest: 30m }\n",
      {
        "policy/freeze.cedar": FREEZE,
      },
    );
    const both: Caller = caller("idp:adam", ["admin", "operator"]);
    const body = { namespace: "shop", reason: REASON, forMs: 600_000 };
    assert.equal((await bench.call(anna, "POST", "/v1/break-glass", body)).status, 403);
    assert.equal((await bench.call(both, "POST", "/v1/break-glass", { ...body, forMs: 3_600_000 })).status, 400);
    assert.equal((await bench.call(both, "POST", "/v1/break-glass", { ...body, reason: "need it" })).status, 400);
    assert.equal((await bench.start(both)).status, "denied");
    const opened = await bench.call<{ readonly breakGlass: { readonly id: string } }>(
      both,
      "POST",
      "/v1/break-glass",
      body,
    );
    assert.equal(opened.status, 201);
    const { id } = opened.body.breakGlass;
    const run = await bench.start(both);
    assert.equal(run.status, "succeeded");
    assert.equal((await bench.start(anna)).status, "denied");
    const health = await bench.call<{ readonly breakGlass: readonly { readonly id: string }[] }>(
      owner,
      "GET",
      "/v1/health",
    );
    assert.deepEqual(
      health.body.breakGlass.map((one) => one.id),
      [id],
    );
    assert.equal((await bench.call(anna, "POST", `/v1/break-glass/${id}/end`)).status, 403);
    assert.equal((await bench.call(both, "POST", `/v1/break-glass/${id}/end`)).status, 200);
    assert.equal((await bench.start(both)).status, "denied");

    const { body: told } = await bench.call<{ readonly explanations: readonly Explained[] }>(
      vera,
      "GET",
      `/v1/runs/${run.id}/decisions`,
    );
    assert.equal(told.explanations[0]?.mode, "break-glass");
    assert.match(told.explanations[0]?.sentence ?? "", /went past the policy to do run\.start .*INC-17/);
    assert.equal(
      (await bench.call<{ readonly equal: boolean }>(owner, "GET", `/v1/runs/${run.id}/replay`)).body.equal,
      true,
    );
    const ledger = await bench.call<{
      readonly entries: readonly { readonly event: { readonly data: { readonly mode?: string } } }[];
    }>(owner, "GET", "/v1/ledger/entries");
    assert.ok(ledger.body.entries.some(({ event }) => event.data.mode === "break-glass"));
    for (const word of ["from now on", "was gone past", "any more"])
      assert.ok(
        bench.lines.some((line) => line.startsWith("error") && line.includes(word) && line.includes(id)),
        word,
      );
    await bench.plane.close();
    const notices = readFileSync(join(bench.dir, "data/told.jsonl"), "utf8").trim().split("\n");
    const types = notices.map((line) => (JSON.parse(line) as { readonly type: string }).type);
    assert.deepEqual(
      [...new Set(types)].toSorted(),
      ["ended", "opened", "used"].map((kind) => `dev.summit-maestro.policy.break-glass-${kind}`),
    );
    await bench.open();
  });

  it("is listed for whoever may read policies, and nobody else", async () => {
    await bench.open();
    await bench.call(adam, "POST", "/v1/break-glass", { namespace: "shop", reason: REASON, forMs: 600_000 });
    const list = await bench.call<{
      readonly breakGlasses: readonly { readonly open: boolean; readonly subject: string }[];
    }>(vera, "GET", "/v1/break-glass");
    assert.deepEqual(
      list.body.breakGlasses.map(({ open: is, subject }) => [is, subject]),
      [[true, "user:idp:adam"]],
    );
    const eve: Caller = { ...vera, id: "idp:eve", grants: [{ namespace: "bank", roles: ["viewer", "admin"] }] };
    const elsewhere = await bench.call<{ readonly breakGlasses: readonly unknown[] }>(eve, "GET", "/v1/break-glass");
    assert.deepEqual(elsewhere.body.breakGlasses, []);
  });
});
