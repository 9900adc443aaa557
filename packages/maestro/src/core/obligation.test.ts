import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ALLOW, OWNER, planOf, World } from "../../test/support/world.ts";
import type { TaskSketch } from "../../test/support/world.ts";
import type { Actor, Decision } from "./event.ts";
import { explainRun, explainTask } from "./explain.ts";
import type { JsonObject } from "./json.ts";
import { owedBy } from "./obligation.ts";
import { replay } from "./replay.ts";

const wants = (properties: JsonObject, id = "two-eyes"): Decision => ({
  ...ALLOW,
  obligations: [{ id, type: "approval", properties }],
});
const ADA: Actor = { type: "user", id: "ada", roles: ["approver"] };
const NETWORK = { effects: ["network"] } as const;

class Approved {
  readonly world: World;
  constructor(tasks: readonly TaskSketch[], decision: Decision, rest: Parameters<typeof planOf>[1] = {}) {
    this.world = new World(planOf(tasks, rest), { gate: () => decision });
  }

  vote(by: Actor, verdict: "approve" | "deny" = "approve"): void {
    const { world } = this;
    const request = world.events.findLast((event) => event.kind === "approval_requested");
    assert.ok(request?.kind === "approval_requested");
    const { approval, planDigest } = request;
    world.send({ kind: "approve", approval, verdict, by, planDigest, reason: "seen" });
  }

  code(task: string): string | undefined {
    const index = this.world.program.index.get(task) ?? -1;
    return this.world.run.tasks[index]?.error?.code;
  }
}

describe("an approval that a policy asks for", () => {
  it("holds the step until somebody with the role agreed, who is not the requester", () => {
    const it = new Approved([{ id: "deploy", ...NETWORK }], wants({ roles: ["approver"], expiresMs: 60_000 }));
    const { world } = it;
    assert.deepEqual(world.working(), []);
    assert.deepEqual(explainTask(world.program, world.run, world.run.tasks[0]!, world.now), {
      kind: "approval",
      text: "0 of 1 approvals by approver; expires in 1m",
    });
    assert.equal(explainRun(world.program, world.run, world.now), "approval");
    assert.throws(() => it.vote(OWNER), { code: "denied" });
    assert.throws(() => it.vote({ ...ADA, roles: [] }), { code: "denied" });
    it.vote(ADA);
    assert.deepEqual(world.working(), ["deploy"]);
    assert.throws(() => it.vote({ ...ADA, id: "eve" }), { code: "conflict" });
  });

  it("is one for all items of a fan-out, those that come later too", () => {
    const it = new Approved(
      [{ id: "deploy", ...NETWORK, forEach: { items: "[1, 2, 3]", as: "n", max: 2, onItemFailure: "continue" } }],
      wants({}),
    );
    const { world } = it;
    assert.equal(world.events.filter(({ kind }) => kind === "approval_requested").length, 1);
    assert.equal(explainTask(world.program, world.run, world.run.tasks[0]!, world.now)?.kind, "approval");
    it.vote(ADA);
    assert.deepEqual(world.working(), ["deploy[0]", "deploy[1]"]);
    world.end("deploy", {}, 0);
    assert.deepEqual(world.working(), ["deploy[1]", "deploy[2]"]);
    assert.equal(world.events.filter(({ kind }) => kind === "approval_requested").length, 1);
  });

  it("is a no when it is denied or when time is up", () => {
    const denied = new Approved([{ id: "deploy", ...NETWORK }], wants({}));
    denied.vote(ADA, "deny");
    assert.deepEqual([denied.world.run.status, denied.code("deploy")], ["denied", "APPROVAL_DENIED"]);
    const late = new Approved([{ id: "deploy", ...NETWORK }], wants({ expiresMs: 1000 }));
    late.world.pass(1000);
    assert.deepEqual([late.world.run.status, late.code("deploy")], ["denied", "APPROVAL_EXPIRED"]);
    const items = new Approved(
      [{ id: "deploy", ...NETWORK, forEach: { items: "[1, 2]", as: "n", max: 1, onItemFailure: "continue" } }],
      wants({ expiresMs: 1000 }),
    );
    items.world.pass(1000);
    assert.deepEqual([items.world.run.status, items.code("deploy")], ["denied", "APPROVAL_EXPIRED"]);
  });

  it("is content with what the runbook asks for, where that is no less", () => {
    const own = { count: 2, roles: ["approver"], notRequester: true, expiresMs: 60_000 };
    const enough = new Approved([{ id: "deploy", ...NETWORK, approvals: own }], wants({ roles: ["approver", "lead"] }));
    enough.vote(ADA);
    enough.vote({ ...ADA, id: "grace" });
    assert.deepEqual(enough.world.working(), ["deploy"]);
    assert.equal(enough.world.events.filter(({ kind }) => kind === "approval_requested").length, 1);
    for (const more of [{ count: 3 }, { roles: ["lead"] }]) {
      const less = new Approved([{ id: "deploy", ...NETWORK, approvals: own }], wants(more));
      less.vote(ADA);
      less.vote({ ...ADA, id: "grace" });
      assert.deepEqual([less.world.working(), less.code("deploy")], [[], "DENIED"]);
    }
  });

  it("is not asked for while the step is denied for another reason, and closes with a cancel", () => {
    const it = new Approved([{ id: "deploy", ...NETWORK }], wants({}));
    it.world.send({ kind: "cancel", by: OWNER, reason: "enough", force: false });
    assert.equal(it.world.run.status, "cancelled");
    assert.throws(() => it.vote(ADA), { code: "conflict" });
  });

  it("replays to the same run, in the middle and at the end", () => {
    const it = new Approved([{ id: "deploy", ...NETWORK }], wants({ count: 2 }));
    it.vote(ADA);
    const half = new World(planOf([{ id: "deploy", ...NETWORK }]), {}, it.world.events);
    half.settle();
    assert.deepEqual(half.working(), []);
    it.vote({ ...ADA, id: "grace" });
    it.world.end("deploy");
    assert.equal(replay(it.world.program, it.world.events).status, "succeeded");
  });

  it("lets nothing pass whose obligation nobody understands", () => {
    for (const bad of [
      { count: 0 },
      { count: 1.5 },
      { count: "2" },
      { roles: "approver" },
      { expiresMs: -1 },
    ] as const) {
      assert.equal(owedBy(wants(bad)), "unclear", JSON.stringify(bad));
      const it = new Approved([{ id: "deploy", ...NETWORK }], wants(bad));
      assert.deepEqual([it.world.run.status, it.code("deploy")], ["denied", "DENIED"]);
    }
    const { obligations = [] } = wants({ roles: ["a"] });
    const two = { ...ALLOW, obligations: [...obligations, ...(wants({ roles: ["b"] }).obligations ?? [])] };
    assert.equal(owedBy(two), "unclear");
    assert.equal(owedBy({ ...ALLOW, obligations: [{ id: "tell", type: "notify", properties: {} }] }), null);
  });

  it("that was never asked for keeps an undo from being taken back under another policy", () => {
    let decision = ALLOW;
    const undo = {
      uses: { kind: "type", name: "noop", version: 1, digest: "sha256:x" },
      with: {},
      effects: ["network"],
    } as const;
    const world = new World(
      planOf(
        [
          { id: "make", ...NETWORK, undo },
          { id: "check", needs: ["make"] },
        ],
        { onFailure: "rollback" },
      ),
      { gate: () => decision },
    );
    world.end("make");
    decision = wants({});
    world.end("check", { error: "DOWN" });
    assert.equal(world.run.tasks[0]?.steps[0]?.status, "undo_failed");
  });
});
