import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, it, mock } from "node:test";
import { canonical } from "../core/canonical.ts";
import { sha256 } from "../core/digest.ts";
import type { Decision } from "../core/event.ts";
import type { JsonObject } from "../core/json.ts";
import { MaestroError } from "../core/problem.ts";
import type { GateRequest } from "../policy/gate.ts";
import type { StoredAuditRow } from "../store/audit.ts";
import { openSqlite } from "../store/sqlite.ts";
import type { Store } from "../store/store.ts";
import type { AuditDeps, AuditEntry, AuditTrail } from "./audit.ts";
import { AUDIT_LIMITS, openAudit } from "./audit.ts";

const SOURCE = "https://example.com/installations/one";
const READ: AuditEntry = {
  kind: "read",
  actor: { type: "user", id: "idp:ada", roles: ["viewer"] },
  action: "run.read",
  resource: { type: "run", id: "r_1" },
  namespace: "shop",
  allow: true,
  run: "r_1",
};
const REFUSED: AuditEntry = {
  kind: "refused",
  actor: { type: "unknown", id: "" },
  action: "run.list",
  resource: { type: "namespace", id: "shop" },
  namespace: "shop",
  allow: false,
  from: "192.0.2.1",
  code: "unauthenticated",
};

describe("the audit trail", () => {
  let store: Store;
  let trail: AuditTrail;
  let now: number;
  let failures: unknown[];
  let commits: number;
  const open = (commit: AuditDeps["store"]["commit"] = async (batch) => store.commit(batch)): AuditTrail =>
    openAudit({
      store: {
        async commit(batch) {
          commits += 1;
          return commit(batch);
        },
      },
      source: SOURCE,
      now: () => now,
      randomBytes,
      failed: (error) => failures.push(error),
    });
  const rows = async (): Promise<readonly (StoredAuditRow & { readonly said: JsonObject })[]> =>
    (await store.audit.list({ limit: 1_000 }))
      .map((row) => ({ ...row, said: JSON.parse(row.text) as JsonObject }))
      .reverse();
  beforeEach(async () => {
    store = await openSqlite({ path: ":memory:" });
    now = 1_763_700_000_000;
    failures = [];
    commits = 0;
    trail = open();
  });
  afterEach(async () => {
    await trail.close();
    await store.close();
  });

  it("has written an entry, and its place in the ledger, when it says so", async () => {
    await trail.write({ ...READ, kind: "evidence", request: "req-1", traceparent: "00-1-2-01" });
    const [row, ...others] = await rows();
    assert.deepEqual(others, []);
    assert.equal(row!.text, canonical(row!.said));
    const { id, ...said } = row!.said;
    assert.deepEqual(said, {
      at: now,
      kind: "evidence",
      actor: { type: "user", id: "idp:ada", roles: ["viewer"] },
      action: "run.read",
      resource: { type: "run", id: "r_1" },
      namespace: "shop",
      allow: true,
      run: "r_1",
      request: "req-1",
      traceparent: "00-1-2-01",
    });
    assert.deepEqual([row!.actor, row!.resource, row!.namespace], ["idp:ada", "run/r_1", "shop"]);
    const [entry] = await store.ledger.entries({ run: "r_1", from: 0, limit: 10 });
    assert.equal(entry!.kind, "audit");
    const event = JSON.parse(entry!.text) as JsonObject;
    assert.deepEqual(event["data"], {
      action: "run.read",
      allow: true,
      count: 1,
      digest: sha256(row!.text),
      kind: "evidence",
    });
    assert.deepEqual([event["id"], event["subject"], event["source"]], [id, `audit/${id as string}`, SOURCE]);
    assert.ok(!entry!.text.includes("ada"), "the ledger names nobody");
  });

  it("writes what comes in one moment in one commit", async () => {
    await Promise.all(Array.from({ length: 50 }, async () => trail.write(READ)));
    assert.equal((await rows()).length, 50);
    assert.equal(commits, 1);
  });

  it("makes one row with a count of equal notes, and tells different ones apart", async () => {
    for (let i = 0; i < 1_000; i++) {
      now += 10;
      trail.note(READ);
    }
    trail.note({ ...READ, allow: false });
    trail.note({ ...READ, resource: { type: "run", id: "r_2" } });
    trail.note({ ...READ, actor: { type: "user", id: "idp:bob" } });
    assert.deepEqual(await rows(), []);
    await trail.flush();
    const all = await rows();
    assert.deepEqual(
      all.map(({ said }) => said["count"] ?? 1),
      [1_000, 1, 1, 1],
    );
    assert.equal(all[0]!.said["lastAt"], 1_763_700_010_000);
    assert.equal(commits, 1);
    assert.equal(await store.ledger.size(), 4);
  });

  it("writes what was noted within a minute, without being asked", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    trail.note(READ);
    trail.note(READ);
    t.mock.timers.tick(AUDIT_LIMITS.windowMs - 1);
    assert.equal(commits, 0);
    t.mock.timers.tick(1);
    await trail.flush();
    await trail.write({ ...READ, kind: "evidence" });
    assert.deepEqual(
      (await rows()).map(({ said }) => said["count"] ?? 1),
      [2, 1],
    );
  });

  it("does not let strangers fill the disk: few rows of each, few of all, the rest counted", async () => {
    for (let i = 0; i < 2_000; i++) trail.note({ ...REFUSED, resource: { type: "run", id: `r_${i}` } });
    for (let i = 0; i < 2_000; i++) trail.note({ ...REFUSED, from: `198.51.100.${i}` });
    await trail.flush();
    const all = await rows();
    assert.equal(all.length, AUDIT_LIMITS.strangers + 2);
    const rest = all.filter(({ action }) => action === "audit.rest");
    assert.deepEqual(
      rest.map(({ said }) => [said["from"], said["count"]]),
      [
        ["192.0.2.1", 2_000 - AUDIT_LIMITS.perStranger],
        [undefined, 2_000 - AUDIT_LIMITS.strangers + AUDIT_LIMITS.perStranger],
      ],
    );
    const counted = all.reduce((sum, { said }) => sum + Number(said["count"] ?? 1), 0);
    assert.equal(counted, 4_000, "every one is counted");
  });

  it("keeps to these numbers for a whole minute, however often it is read, and begins anew after it", async () => {
    for (let i = 0; i < 100; i++) {
      trail.note({ ...REFUSED, resource: { type: "run", id: `r_${i}` } });
      await trail.flush();
    }
    const own = async (): Promise<number> => (await rows()).filter(({ action }) => action === "run.list").length;
    assert.equal(await own(), AUDIT_LIMITS.perStranger);
    now += AUDIT_LIMITS.windowMs;
    trail.note(REFUSED);
    await trail.flush();
    assert.equal(await own(), AUDIT_LIMITS.perStranger + 1);
  });

  it("does not wait for the minute where too many different notes are in memory", async () => {
    for (let i = 0; i <= AUDIT_LIMITS.waiting; i++) trail.note({ ...READ, actor: { type: "user", id: `idp:${i}` } });
    await trail.write(READ);
    assert.equal((await rows()).length, AUDIT_LIMITS.waiting + 2);
  });

  it("keeps what the gate said, and once what it was asked", async () => {
    const question: GateRequest = {
      subject: { type: "user", id: "idp:ada", properties: { roles: ["viewer"] } },
      action: { name: "run.read" },
      resource: { type: "run", id: "r_1", properties: { namespace: "shop" } },
      context: { purpose: "", authority: "" },
    };
    const decision: Decision = {
      id: "d_1",
      allow: true,
      reasons: ["viewer may do run.read"],
      rules: ["role-viewer"],
      policyDigest: sha256("policy"),
      requestDigest: sha256(canonical(question)),
      engine: "builtin@1",
    };
    await trail.write({ ...READ, decision, question });
    await trail.write({ ...READ, decision: { ...decision, id: "d_2" }, question });
    assert.equal((await store.audit.question(decision.requestDigest))?.text, canonical(question));
    const [first] = await rows();
    assert.deepEqual(first!.said["decision"], decision);
    const [entry] = await store.ledger.entries({ from: 0, limit: 1 });
    assert.equal(((JSON.parse(entry!.text) as JsonObject)["data"] as JsonObject)["decision"], "d_1");
  });

  it("rejects a write that is not durable, and keeps a note for the next time", async () => {
    let isFull = true;
    await trail.close();
    trail = open(async (batch) => {
      if (isFull) throw new MaestroError("storage_full", "no room");
      return store.commit(batch);
    });
    await assert.rejects(trail.write(READ), (error) => error instanceof MaestroError && error.code === "storage_full");
    trail.note(READ);
    trail.note(READ);
    await assert.rejects(trail.flush(), /no room/);
    trail.note(READ);
    isFull = false;
    await trail.close();
    assert.deepEqual(
      (await rows()).map(({ said }) => said["count"]),
      [3],
    );
  });

  it("tells of a failure that nobody waits for", async () => {
    await trail.close();
    trail = open(async () => {
      throw new MaestroError("storage_failed", "gone");
    });
    trail.note(READ);
    await trail.close();
    assert.deepEqual(
      failures.map((error) => (error as MaestroError).code),
      ["storage_failed"],
    );
  });

  it("cuts what strangers send, however long and malformed it is", async () => {
    const long = "x".repeat(100_000);
    await trail.write({
      ...REFUSED,
      actor: { type: "unknown", id: `\ud800${long}` },
      resource: { type: "run", id: long },
      request: long,
      detail: { long },
    });
    const [row] = await rows();
    assert.ok(Buffer.byteLength(row!.text) < AUDIT_LIMITS.textBytes);
    assert.equal(row!.actor.length, AUDIT_LIMITS.idCharacters);
    assert.match(row!.said["left"] as string, /longer than an entry of the audit may be/);
    const [entry] = await store.ledger.entries({ from: 0, limit: 1 });
    assert.ok(Buffer.byteLength(entry!.text) < 2_000);
  });
});

describe("the clock of the audit", () => {
  it("may be set back without opening the gates or closing them for good", async () => {
    const store = await openSqlite({ path: ":memory:" });
    let now = 1_763_700_000_000;
    const failed = mock.fn();
    const trail = openAudit({ store, source: SOURCE, now: () => now, randomBytes, failed });
    trail.note(REFUSED);
    now -= 86_400_000;
    trail.note({ ...REFUSED, resource: { type: "run", id: "r_1" } });
    await trail.close();
    assert.equal(await store.audit.size(), 2);
    assert.equal(failed.mock.callCount(), 0);
    await store.close();
  });
});
