import assert from "node:assert/strict";
import { chmodSync, cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import type { Caller } from "../src/identity/caller.ts";
import { loadIdentity } from "../src/identity/settings-file.ts";
import { openControlPlane } from "../src/serve.ts";
import type { ControlPlane } from "../src/serve.ts";

// Ways around what a policy says, on a real control plane.

const CEDAR = fileURLToPath(new URL("../policies/default/cedar", import.meta.url));
const HIDE = `@id("cards") @obligation("redact: { paths: ['/**/card', '/**/value', '/**/output', '/**/result'] }")
permit (principal in Maestro::Role::"viewer", action == Maestro::Action::"run.read", resource);
@id("manifests") @obligation("redact: { paths: ['/manifest'] }")
permit (principal in Maestro::Role::"viewer", action == Maestro::Action::"catalog.read", resource);
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

const caller = (id: string, roles: readonly string[]): Caller => ({
  type: "user",
  id,
  grants: [{ namespace: "shop", roles }],
  properties: {},
  via: "oidc",
});
const anna = caller("idp:anna", ["operator", "author"]);
const vera = caller("idp:vera", ["viewer"]);

let dir = "";
let plane: ControlPlane | undefined;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "maestro-around-"));
  mkdirSync(join(dir, "data"));
});
afterEach(async () => {
  await plane?.close();
  plane = undefined;
  await rm(dir, { recursive: true, force: true });
});

function opened(): ControlPlane {
  assert.ok(plane !== undefined);
  return plane;
}

async function open(policy?: string): Promise<void> {
  const data = join(dir, "data");
  if (policy !== undefined) {
    cpSync(CEDAR, join(data, "policy"), { recursive: true });
    writeFileSync(join(data, "policy", "own.cedar"), policy);
    writeFileSync(join(data, "policy.yaml"), "evaluator: { cedar: { folder: policy } }\n");
  }
  plane = await openControlPlane({ dataDir: data, log: () => undefined });
}

async function ask(
  who: Caller,
  path: string,
  { body, headers = {} }: { readonly body?: object; readonly headers?: Readonly<Record<string, string>> } = {},
): Promise<Response> {
  return opened().handle(
    new Request(`http://maestro.local${path}`, {
      method: body === undefined ? "GET" : "POST",
      headers: { "content-type": "application/json", ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }),
    who,
  );
}

describe("what a policy hides", () => {
  it("is in no entity tag, and nobody can find it out by guessing one", async () => {
    await open(HIDE);
    assert.equal((await ask(anna, "/v1/workflows", { body: { manifest: MANIFEST } })).status, 201);
    const started = await ask(anna, "/v1/runs", { body: { workflow: "shop/orders" } });
    const { run } = (await started.json()) as { readonly run: { readonly id: string } };
    await opened().engine.idle();
    for (const path of [`/v1/runs/${run.id}`, "/v1/workflows/shop%2Forders"]) {
      // The tag of the whole answer: what a guess that is right would come to.
      const whole = await ask(anna, path);
      const tag = whole.headers.get("etag") ?? "";
      assert.match(tag, /^"[0-9a-f]{32}"$/);
      assert.equal((await ask(anna, path, { headers: { "if-none-match": tag } })).status, 304);
      for (const guess of [tag, "*", `W/${tag}`]) {
        const answer = await ask(vera, path, { headers: { "if-none-match": guess } });
        assert.deepEqual([answer.status, answer.headers.get("etag")], [200, null], `${path} ${guess}`);
        assert.match(await answer.text(), /\$redacted/);
      }
    }
  });
});

describe("a question that is asked of the policy", () => {
  it("is no larger than what may be kept of each of a hundred", async () => {
    await open();
    const long = { text: "x".repeat(20_000) };
    const question = {
      subject: { type: "user", id: "x" },
      action: { name: "run.read" },
      resource: { type: "namespace", id: "shop" },
    };
    for (const [path, body] of [
      ["/access/v1/evaluation", { ...question, context: long }],
      ["/access/v1/evaluation", { ...question, subject: { ...question.subject, properties: long } }],
      ["/access/v1/search/action", { ...question, context: long }],
      ["/v1/policy/questions", { ...question, context: long }],
      ["/v1/policy/subjects", { action: question.action, resource: question.resource, context: long }],
    ] as const) {
      const answer = await ask(vera, path, { body });
      const text = await answer.text();
      assert.equal(answer.status, 400, `${path} ${text}`);
      assert.match(text, /has more than 16384 characters of JSON/);
    }
    const many = { ...question, context: long, evaluations: [{ action: { name: "run.list" } }, { context: {} }] };
    const answer = await ask(vera, "/access/v1/evaluations", { body: many });
    const { evaluations } = (await answer.json()) as {
      readonly evaluations: readonly { readonly decision: boolean }[];
    };
    assert.deepEqual(
      evaluations.map(({ decision }) => decision),
      [false, false],
    );
  });
});

describe("a task that would run as the engine's own user", () => {
  it("is one that a policy can tell from others", async () => {
    await open(`@id("walls") @why("Commands run in a sandbox.") @fix("Say sandbox: strict.")
forbid (principal, action == Maestro::Action::"task.execute", resource is Maestro::Task)
unless { resource has sandbox && resource.sandbox == "strict" };
`);
    const manifest = (name: string, runner: string): string => `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: shop, name: ${name}, version: 1.0.0 }
spec:
  type: demo
  purposes: [reporting]
  tasks:
    look: { uses: exec@1, with: { argv: ["cat", "${join(dir, "data", "installation")}"] }${runner} }
`;
    for (const [name, runner] of [
      ["bare", ", runner: { sandbox: none }"],
      ["silent", ""],
    ] as const) {
      const started = await ask(anna, "/v1/runs", { body: { manifest: manifest(name, runner) } });
      const { run } = (await started.json()) as { readonly run: { readonly id: string } };
      await opened().engine.idle();
      const shown = (await (await ask(anna, `/v1/runs/${run.id}`)).json()) as {
        readonly error: { readonly code: string; readonly message: string };
      };
      assert.deepEqual(
        [shown.error.code, shown.error.message],
        ["DENIED", "look: policy denied it: Commands run in a sandbox. Say sandbox: strict."],
      );
    }
  });
});

describe("a file that says who may do what", () => {
  it("is not believed where every user of the machine may write it", async () => {
    const data = join(dir, "data");
    const says = /every user of this machine may write it; close it with `chmod o-w`/;
    for (const name of ["policy.yaml", "policy/own.cedar"]) {
      await open(HIDE);
      await plane?.close();
      plane = undefined;
      chmodSync(join(data, name), 0o666);
      await assert.rejects(openControlPlane({ dataDir: data }), { code: "policy_unusable", message: says }, name);
      chmodSync(join(data, name), 0o664);
    }
    writeFileSync(join(data, "identity.yaml"), "issuers: []\n");
    chmodSync(join(data, "identity.yaml"), 0o666);
    await assert.rejects(loadIdentity(data), { code: "identity_unusable", message: says });
  });
});

describe("what was refused", () => {
  const refusals = async (): Promise<readonly string[]> => {
    const audit = await opened().asOwner(new Request("http://maestro.local/v1/audit?actor=idp:anna"));
    const { entries } = (await audit.json()) as {
      readonly entries: readonly {
        readonly entry: {
          readonly action: string;
          readonly kind: string;
          readonly allow: boolean;
          readonly code?: string;
        };
      }[];
    };
    return entries.flatMap(({ entry: { action, kind, allow, code } }) =>
      code === undefined ? [] : [`${action} ${kind} ${allow} ${code}`],
    );
  };

  it("is in the audit as refused, also where a stronger login would have been enough, or the engine said no", async () => {
    await open(`@id("strong") @obligation("step-up: { amr_values: [hwk] }")
permit (principal in Maestro::Role::"operator", action in [Maestro::Action::"run.cancel", Maestro::Action::"log.read"], resource);
`);
    const manifest = MANIFEST.replace("go: {", "ask: { uses: approval@1 }\n    go: { needs: [ask],");
    const started = await ask(anna, "/v1/runs", { body: { manifest } });
    const { run } = (await started.json()) as { readonly run: { readonly id: string; readonly planDigest: string } };
    await opened().engine.idle();
    const cancelled = await opened().handle(
      new Request(`http://maestro.local/v1/runs/${run.id}`, {
        method: "PATCH",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ action: "cancel" }),
      }),
      anna,
    );
    assert.equal(((await cancelled.json()) as { readonly code: string }).code, "step_up_required");
    assert.equal((await ask(anna, `/v1/runs/${run.id}/logs`)).status, 401);
    const approver = { ...anna, grants: [{ namespace: "shop", roles: ["approver"] }] };
    const { approvals } = (await (await ask(approver, `/v1/approvals?run=${run.id}`)).json()) as {
      readonly approvals: readonly { readonly id: string }[];
    };
    const vote = { verdict: "approve", plan: run.planDigest, reason: "mine" };
    const own = await ask(approver, `/v1/approvals/${approvals[0]?.id}`, { body: vote });
    assert.equal(((await own.json()) as { readonly code: string }).code, "denied");
    assert.deepEqual((await refusals()).toSorted(), [
      "approval.give refused false denied",
      "log.read refused false step_up_required",
      "run.cancel refused false step_up_required",
    ]);
  });
});

describe("the rules of the guide to the sandbox", () => {
  const guide = readFileSync(fileURLToPath(new URL("../../../docs/guides/sandbox.md", import.meta.url)), "utf8");
  const rules = Array.from(guide.matchAll(/^```cedar\n(.*?)^```/gms), ([, rule = ""]) => rule);

  it("let an operator start what was published, in the sandbox, and nothing else", async () => {
    assert.equal(rules.length, 2);
    await open(rules.join("\n"));
    const manifest = MANIFEST.replace("noop@1, with: { value", "exec@1, with: { argv: [echo, hello], stdin");
    const oscar = caller("idp:oscar", ["operator"]);
    assert.equal((await ask(anna, "/v1/workflows", { body: { manifest } })).status, 201);
    const own = await ask(oscar, "/v1/runs", { body: { manifest } });
    assert.match(await own.text(), /Operators start what authors have published/);
    const started = await ask(oscar, "/v1/runs", { body: { workflow: "shop/orders" } });
    const { run } = (await started.json()) as { readonly run: { readonly id: string } };
    await opened().engine.idle();
    const shown = await ask(oscar, `/v1/runs/${run.id}`);
    assert.match(await shown.text(), /policy denied it: Commands run in the sandbox/);
  });
});
