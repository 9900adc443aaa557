import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { OWNER, planOf, World } from "../../test/support/world.ts";
import type { Actor } from "./event.ts";
import { explainTask } from "./explain.ts";
import { MaestroError } from "./problem.ts";

describe("approvals", () => {
  const RULE = { count: 2, roles: ["release-manager"], notRequester: true, expiresMs: 60_000 };
  const person = (id: string, roles: readonly string[] = ["release-manager"]): Actor => ({ type: "user", id, roles });
  const ask = (): {
    world: World;
    vote: (by: Actor, verdict?: "approve" | "deny", plan?: World["program"]["digest"]) => World;
  } => {
    const world = new World(planOf([{ id: "deploy", approvals: RULE }]));
    const request = world.events.find((event) => event.kind === "approval_requested");
    assert.ok(request?.kind === "approval_requested");
    return {
      world,
      vote: (by, verdict = "approve", plan = world.program.digest) =>
        world.send({ kind: "approve", approval: request.approval, verdict, by, planDigest: plan, reason: "seen" }),
    };
  };

  it("runs after enough different people with the role approved this plan", () => {
    const { world, vote } = ask();
    assert.equal(
      explainTask(world.program, world.run, world.run.tasks[0]!, world.now)?.text,
      "0 of 2 approvals by release-manager; expires in 1m",
    );
    vote(person("ada"));
    assert.deepEqual(world.working(), []);
    vote(person("grace"));
    assert.deepEqual(world.working(), ["deploy"]);
  });

  it("refuses the requester, a stranger, a second vote and another plan", () => {
    const { vote } = ask();
    const refused = (code: string) => (error: unknown) => error instanceof MaestroError && error.code === code;
    assert.throws(() => vote(OWNER), refused("denied"));
    assert.throws(() => vote(person("eve", [])), refused("denied"));
    assert.throws(() => vote(person("ada"), "approve", "sha256:other"), refused("plan_changed"));
    vote(person("ada"));
    assert.throws(() => vote(person("ada")), refused("conflict"));
  });

  it("takes one denial, and silence, for a no", () => {
    const denied = ask();
    denied.vote(person("ada"), "deny");
    assert.equal(denied.world.run.status, "denied");
    const silent = ask();
    silent.world.pass(60_000);
    assert.equal(silent.world.run.status, "denied");
    assert.equal(silent.world.run.error?.code, "APPROVAL_EXPIRED");
    assert.throws(
      () => silent.vote(person("ada")),
      (error: unknown) => error instanceof MaestroError && error.code === "conflict",
    );
  });

  it("serves as a task of its own", () => {
    const world = new World(
      planOf([{ id: "ok", uses: "approval", with: { count: 1, expires: "1h" } }], {
        outputs: { by: "${{ tasks.ok.output.approvals[0].by }}" },
      }),
    );
    const request = world.events.find((event) => event.kind === "approval_requested");
    assert.ok(request?.kind === "approval_requested");
    world.send({
      kind: "approve",
      approval: request.approval,
      verdict: "approve",
      by: person("ada"),
      planDigest: world.program.digest,
      reason: "",
    });
    assert.deepEqual(world.run.outputs, { by: "ada" });
  });
});
