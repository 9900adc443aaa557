import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { JsonObject } from "../src/core/json.ts";
import type { Caller } from "../src/identity/caller.ts";
import { ownerCaller } from "../src/identity/caller.ts";
import { serveNetwork } from "../src/api/listen.ts";
import { openControlPlane, openStore } from "../src/serve.ts";
import type { ControlPlane } from "../src/serve.ts";
import type { StoredAuditRow } from "../src/store/audit.ts";

// Who did, saw or was refused what through the API, as the audit has it afterwards.

const MANIFEST = `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: t, name: short, version: 1.0.0 }
spec:
  type: demo
  purposes: [test]
  tasks:
    only: { uses: noop@1, with: { value: 1 } }
`;

function caller(id: string, roles: readonly string[], more: Partial<Caller> = {}): Caller {
  return { type: "user", id, grants: [{ namespace: "t", roles }], properties: {}, via: "oidc", ...more };
}

interface Row extends StoredAuditRow {
  readonly said: JsonObject;
}

describe("the audit of the API", () => {
  let dir = "";
  let plane: ControlPlane;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "maestro-audit-"));
    plane = await openControlPlane({ dataDir: join(dir, "data") });
  });
  afterEach(async () => rm(dir, { recursive: true, force: true, maxRetries: 5 }));

  const call = async (who: Caller, method: string, path: string, body?: object, headers: object = {}) =>
    plane.handle(
      new Request(`http://maestro.local${path}`, {
        method,
        headers: { "content-type": "application/json", ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
      who,
    );

  /** Closes the control plane: what was only counted is written then. Oldest first. */
  async function rows(): Promise<readonly Row[]> {
    await plane.close();
    const store = await openStore(join(dir, "data", "maestro.db"));
    try {
      const found = await store.audit.list({ limit: 1_000 });
      return found.toReversed().map((row) => ({ ...row, said: JSON.parse(row.text) as JsonObject }));
    } finally {
      await store.close();
    }
  }

  const shape = ({ kind, actor, action, namespace, resource, allow }: Row): readonly unknown[] => [
    kind,
    actor,
    action,
    namespace,
    resource,
    allow,
  ];

  it("has a change and a look at evidence before they are answered, with who, by which decision and in which session", async () => {
    const operator = caller("idp:olga", ["operator"], { session: "s_1", via: "session" });
    const started = await call(
      operator,
      "POST",
      "/v1/runs",
      { manifest: MANIFEST },
      {
        "x-request-id": "req-1",
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      },
    );
    const { run } = (await started.json()) as { readonly run: { readonly id: string } };
    await plane.engine.idle();
    // As somebody else reads the file, with the control plane at work.
    const file = new DatabaseSync(join(dir, "data", "maestro.db"), { readOnly: true });
    const first = file.prepare("select * from audit").get() ?? {};
    file.close();
    assert.deepEqual(
      ["kind", "actor", "action", "namespace", "resource", "allow"].map((column) => first[column]),
      ["change", "idp:olga", "run.start", "t", `run/${run.id}`, 1],
    );
    const said = JSON.parse(String(first["text"])) as JsonObject;
    assert.deepEqual(
      [said["request"], said["run"], said["traceparent"], said["actor"], said["detail"]],
      [
        "req-1",
        run.id,
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        { type: "user", id: "idp:olga", roles: ["operator"] },
        { operation: "startRun", via: "session", session: "s_1" },
      ],
    );
    const listed = await call(operator, "GET", "/v1/receipts");
    assert.equal(listed.status, 200);
    const [, evidence] = await rows();
    assert.ok(evidence);
    assert.deepEqual(shape(evidence), ["evidence", "idp:olga", "receipt.read", "t", "namespace/t", true]);
    const decision = JSON.stringify(evidence.said["decision"]);
    assert.match(decision, /"id":"d_\w{19}"/);
    assert.match(decision, /"policyDigest":"sha256:\w{64}"/);
  });

  it("counts what is merely read, and has nothing of what the owner reads on this machine", async () => {
    const viewer = caller("idp:vera", ["viewer"]);
    for (let n = 0; n < 5; n++) assert.equal((await call(viewer, "GET", "/v1/runs")).status, 200);
    await plane.asOwner(new Request("http://maestro.local/v1/runs"));
    await call(ownerCaller("owner", "token"), "GET", "/v1/approvals");
    const found = await rows();
    assert.deepEqual(found.map(shape), [
      ["read", "idp:vera", "run.list", "t", "namespace/t", true],
      ["read", "owner", "approval.list", null, "namespace/*", true],
    ]);
    assert.equal(found[0]?.said["count"], 5);
  });

  it("has refusals, and evidence that was asked for in vain", async () => {
    const viewer = caller("idp:vera", ["viewer"]);
    assert.equal((await call(viewer, "POST", "/v1/retention/passes", { dryRun: true })).status, 403);
    assert.equal((await call(viewer, "GET", "/v1/runs/r_0123456789012345678/receipt")).status, 404);
    assert.equal((await call(viewer, "GET", "/v1/runs/r_0123456789012345678")).status, 404);
    const found = await rows();
    assert.deepEqual(found.map(shape), [
      ["refused", "idp:vera", "retention.run", null, "installation/*", false],
      ["evidence", "idp:vera", "receipt.export", null, "request//v1/runs/r_0123456789012345678/receipt", false],
    ]);
    assert.deepEqual(
      found.map(({ said }) => said["code"]),
      ["denied", "not_found"],
    );
  });

  it("has no change where there was none: a preview is a look", async () => {
    const operator = caller("idp:olga", ["operator"]);
    const answer = await call(operator, "POST", "/v1/runs", { manifest: MANIFEST, dryRun: true });
    assert.equal(answer.status, 200);
    assert.deepEqual(
      [...new Set((await rows()).map(({ kind, action }) => `${kind} ${action}`))],
      ["read plan.compile"],
    );
  });

  it("has who proved to be nobody, by where they come from", async () => {
    const server = await serveNetwork({
      address: { host: "127.0.0.1", port: 0 },
      authenticate: await plane.authenticate(),
      handle: plane.handle,
    });
    for (let n = 0; n < 9; n++)
      await fetch(`${server.url}/v1/runs`, { headers: { authorization: "Bearer wrong" } }).then(async (one) =>
        one.text(),
      );
    await server.close(0);
    const found = await rows();
    assert.deepEqual(
      found.map(({ kind, action, allow, said }) => [kind, action, allow, said["from"], said["code"], said["count"]]),
      [["refused", "session.prove", false, "127.0.0.1", "unauthorized", 9]],
    );
  });
});
