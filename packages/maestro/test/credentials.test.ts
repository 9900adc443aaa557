import assert from "node:assert/strict";
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import type { AuditRow } from "../src/store/audit.ts";
import { openControlPlane } from "../src/serve.ts";
import type { ControlPlane } from "../src/serve.ts";
import { receiver } from "./support/receiver.ts";
import type { Receiver } from "./support/receiver.ts";

// A task that names a credential gets its value only where policy says so, and the audit knows before the task does.

const VALUE = Buffer.from("a key that nobody may see anywhere").toString("base64");
const FORBID = `@id("no-other-keys")
@why("Only the hook's own key is for this runbook.")
@fix("Name HOOK_KEY in the runbook.")
forbid (principal, action == Maestro::Action::"secret.lease", resource)
unless { resource has id && resource.id == "env:HOOK_KEY" };
`;

const manifest = (key: string): string => `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: t, name: tell-${key.toLowerCase().replaceAll("_", "-")}, version: 1.0.0 }
spec:
  type: demo
  purposes: [test]
  license: internal
  inputs: { url: { type: string } }
  tasks:
    tell:
      uses: notify@1
      with:
        to: { webhook: { url: "\${{ inputs.url }}", key: { env: ${key} } } }
        allowPrivate: ["127.0.0.1"]
        notification: { title: shipped }
`;

let dir: string;
let plane: ControlPlane;
let hook: Receiver;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), "maestro-credentials-"));
  await cp(fileURLToPath(new URL("../policies/default/cedar", import.meta.url)), join(dir, "policy"), {
    recursive: true,
  });
  await writeFile(join(dir, "policy", "own.cedar"), FORBID);
  await writeFile(join(dir, "policy.yaml"), "evaluator: { cedar: { folder: policy } }\n");
  for (const name of ["HOOK_KEY", "OTHER_KEY"]) process.env[name] = VALUE;
  plane = await openControlPlane({ dataDir: dir });
  hook = await receiver();
});
after(async () => {
  for (const name of ["HOOK_KEY", "OTHER_KEY"]) delete process.env[name];
  await hook[Symbol.asyncDispose]();
  await plane.close();
  await rm(dir, { recursive: true, force: true });
});

interface Ended {
  readonly run: { readonly id: string; readonly status: string; readonly error: string | null };
}

async function run(key: string): Promise<Ended["run"]> {
  const body = JSON.stringify({ manifest: manifest(key), inputs: { url: hook.url } });
  const headers = { "content-type": "application/json" };
  const started = await plane.asOwner(new Request("http://maestro.local/v1/runs", { method: "POST", headers, body }));
  const answer = (await started.json()) as Ended;
  assert.equal(started.status, 201, JSON.stringify(answer));
  const path = `http://maestro.local/v1/runs/${answer.run.id}`;
  const accept = { accept: "text/event-stream" };
  await (await plane.asOwner(new Request(`${path}/events`, { headers: accept }))).text();
  return ((await (await plane.asOwner(new Request(path))).json()) as Ended).run;
}

const leases = async (): Promise<readonly AuditRow[]> =>
  plane.engine.parts.store.audit.list({ action: "secret.lease", limit: 10 });

describe("a credential that a task names", () => {
  it("is read where policy allows it, and the audit says who, which and why", async () => {
    const { status, id } = await run("HOOK_KEY");
    assert.equal(status, "succeeded");
    assert.equal(hook.seen.length, 1);
    const [row] = await leases();
    assert.deepEqual(
      [row?.kind, row?.allow, row?.actor, row?.resource, row?.namespace],
      ["security", true, plane.owner.id, "secret/env:HOOK_KEY", "t"],
    );
    assert.ok(row?.text.includes(`"${id}"`), row?.text);
    assert.ok(row?.text.includes(VALUE) === false);
  });

  it("is not read where policy denies it: the task fails with the rule's words, and nothing was sent", async () => {
    const { status, error } = await run("OTHER_KEY");
    assert.equal(status, "denied");
    assert.match(error ?? "", /policy denies it the credential env:OTHER_KEY: Only the hook's own key/);
    assert.equal(hook.seen.length, 1);
    const [row] = await leases();
    assert.deepEqual([row?.kind, row?.allow, row?.resource], ["refused", false, "secret/env:OTHER_KEY"]);
  });
});
