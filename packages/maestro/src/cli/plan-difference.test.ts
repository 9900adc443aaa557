import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { planOf } from "../../test/support/world.ts";
import type { Plan } from "../core/plan.ts";
import { planDifference } from "./plan-difference.ts";

const texts = (a: Plan, b: Plan): readonly string[] => planDifference(a, b).map(({ text }) => text);

describe("planDifference()", () => {
  const base = planOf(
    [
      { id: "pack", with: { argv: ["npm", "pack"] } },
      { id: "sign", needs: ["pack"] },
    ],
    {
      inputs: { type: "object", properties: { path: { type: "string", default: "." } }, required: ["path"] },
      outputs: { digest: "${{ tasks.pack.output }}" },
    },
  );

  it("says nothing about a plan and itself, nor about digests that follow from the rest", () => {
    assert.deepEqual(planDifference(base, structuredClone(base)), []);
    const { workflow } = base;
    assert.deepEqual(texts(base, { ...base, workflow: { ...workflow, digest: "sha256:other" } }), []);
  });

  it("says in words what is new, gone and other, with paths for programs", () => {
    const [pack] = base.tasks;
    assert.ok(pack !== undefined);
    const after: Plan = {
      ...base,
      workflow: { ...base.workflow, version: "2.0.0" },
      purposes: ["release"],
      budget: { wallMs: 60_000 },
      inputs: {
        type: "object",
        properties: { path: { type: "string", default: "src" }, fast: { type: "boolean" } },
      },
      tasks: [
        { ...pack, with: { argv: ["npm", "pack", "--json"], cwd: "x" }, retry: undefined } as unknown as typeof pack,
        ...planOf([{ id: "check", uses: "validate", needs: ["pack"] }]).tasks,
      ],
      outputs: {},
    };
    assert.deepEqual(texts(base, after), [
      "test/sketch@1.0.0 is test/sketch@2.0.0",
      'purposes is ["release"], and was ["test"]',
      'budget is {"wallMs":60000}, and was not set',
      'input path.default is "src", and was "."',
      'input fast is new: {"type":"boolean"}',
      'required inputs is not set any more, and was ["path"]',
      "task sign is gone: noop@1",
      'task pack: with.argv is ["npm","pack","--json"], and was ["npm","pack"]',
      'task pack: with.cwd is "x", and was not set',
      "task check is new: validate@1 after pack",
      "output digest is gone",
    ]);
    assert.deepEqual(
      planDifference(base, after)
        .slice(6, 8)
        .map(({ path }) => path),
      ["tasks.sign", "tasks.pack.with.argv"],
    );
  });

  it("tells a runbook or task type that is another one under the same name, and another order", () => {
    const use = (digest: string) => ({ kind: "type" as const, name: "noop", version: 1, digest: digest as never });
    const of = (digest: string, ids: readonly string[]) => planOf(ids.map((id) => ({ id, uses: use(digest) })));
    assert.deepEqual(texts(of("sha256:a", ["x"]), of("sha256:b", ["x"])), [
      "task x uses noop@1 as before, which is another one by its digest",
    ]);
    assert.deepEqual(texts(of("sha256:a", ["x", "y"]), of("sha256:a", ["y", "x"])), ["the order of the tasks is y, x"]);
    const exec = planOf([{ id: "x", uses: "exec" }]);
    assert.equal(texts(planOf([{ id: "x" }]), exec)[0], "task x uses exec@1 instead of noop@1");
  });

  it("cuts long values in the words, and not in the data", () => {
    const long = "x".repeat(500);
    const [change] = planDifference(base, { ...base, description: long });
    assert.ok((change?.text.length ?? 0) < 130);
    assert.equal(change?.after, long);
  });
});
