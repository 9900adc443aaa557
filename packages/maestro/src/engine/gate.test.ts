import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { EngineBench } from "../../test/support/engine.ts";
import type { BenchOptions } from "../../test/support/engine.ts";
import { digestOf } from "../core/digest.ts";
import type { JsonValue } from "../core/json.ts";
import { planOf } from "../../test/support/world.ts";
import type { TaskSketch } from "../../test/support/world.ts";

let bench: EngineBench | undefined;
afterEach(async () => {
  await bench?.close();
  bench = undefined;
});

async function open(options: BenchOptions = {}): Promise<EngineBench> {
  bench = await EngineBench.open(options);
  return bench;
}

const hold = (id: string, rest: Omit<TaskSketch, "id"> = {}): TaskSketch => ({ id, uses: "http", ...rest });

describe("a gate", () => {
  it("that answers late, or not at all, holds the step and then denies it", async () => {
    let answer: ((error: Error) => void) | undefined;
    let asked = 0;
    const it = await open({
      gate: {
        decide: (request) => {
          if (request.action.name === "run.start")
            return {
              id: "d",
              allow: true,
              reasons: [],
              rules: [],
              policyDigest: "sha256:p",
              requestDigest: "sha256:q",
              engine: "late",
            };
          asked += 1;
          return new Promise((_, reject) => {
            answer = reject;
          });
        },
      },
    });
    const row = await it.run(planOf([hold("a", { effects: ["network"] })]));
    assert.equal(asked, 1);
    assert.equal((await it.engine.view(row.id)).tasks[0]?.waiting?.kind, "gate");
    answer?.(new Error("unreachable"));
    await it.settle();
    const ended = await it.row(row.id);
    assert.equal(ended.status, "denied");
    assert.match(ended.error ?? "", /policy decision point failed: unreachable/);
  });

  it("that wants people asked opens an approval, which survives a restart, and what it was asked is kept", async () => {
    const allow = { allow: true, reasons: [], rules: ["r"], policyDigest: "sha256:p", engine: "test" } as const;
    const it = await open({
      gate: {
        decide: (request) => ({
          ...allow,
          id: "d",
          requestDigest: digestOf(request),
          ...(request.action.name === "run.start"
            ? {}
            : { obligations: [{ id: "two-eyes", type: "approval", properties: { roles: ["lead"] } }] }),
        }),
      },
    });
    const row = await it.run(planOf([hold("a", { effects: ["network"] })]));
    await it.settle();
    const [asked] = await it.store.approvalList({ limit: 10 });
    assert.deepEqual(
      [asked?.task, asked?.count, asked?.roles, asked?.notRequester, asked?.message],
      ["a", 1, ["lead"], true, "policy: two-eyes"],
    );
    console.error("A");
    await it.crash();
    console.error("B");
    await it.settle();
    assert.deepEqual(it.working(), []);
    const answered = it.engine.send(row.id, {
      kind: "approve",
      approval: asked?.id ?? "",
      verdict: "approve",
      by: { type: "user", id: "grace", roles: ["lead"] },
      planDigest: row.planDigest,
      reason: "fine",
    });
    await it.settle();
    await answered;
    assert.deepEqual(it.working(), ["a"]);
    assert.deepEqual(await it.store.approvalList({ limit: 10 }), []);
    const decided = (await it.events(row.id)).filter((event) => event.kind === "policy_decided");
    for (const { decision } of decided) {
      const question = await it.store.audit.question(decision.requestDigest);
      assert.equal(digestOf(JSON.parse(question?.text ?? "null") as JsonValue), decision.requestDigest);
    }
    assert.equal(decided.length, 2);
  });
});
