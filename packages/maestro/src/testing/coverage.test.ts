import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { TestCase } from "./case.ts";
import { branchesSeen, coverageOf } from "./coverage.ts";
import type { Coverage } from "./coverage.ts";
import { DEPLOY, folderWith } from "./example.ts";
import { runCase } from "./run-case.ts";

const FAKES = { "exec@1": {}, "http@1": { output: { status: 200 } } } as const;

describe("coverage", () => {
  it("grows with what cases do, up to everything that the manifest makes possible", async () => {
    await using folder = await folderWith({ "deploy.maestro.yaml": DEPLOY });
    const runbook = await folder.load("deploy.maestro.yaml");
    const seen = new Set<string>();
    const after = async (test: TestCase): Promise<Coverage> => {
      const { histories } = await runCase(runbook, test, folder.dir);
      for (const { plan, events } of histories) for (const branch of branchesSeen(plan, events)) seen.add(branch);
      return coverageOf(runbook.plan, seen);
    };
    const missing = ({ missing: goals }: Coverage): readonly string[] =>
      goals.map(({ task, branch }) => `${task} ${branch}`);

    assert.deepEqual(coverageOf(runbook.plan, seen).percent, 0);
    const first = await after({ fakes: FAKES, approvals: { gate: "approve" } });
    assert.deepEqual(
      [first.tasks, first.branches, first.percent],
      [{ total: 5, covered: 5 }, { total: 16, covered: 3 }, 38],
    );
    await after({ fakes: { ...FAKES, build: [{ fail: "DOWN" }, {}] }, approvals: { gate: "deny" } });
    await after({ fakes: FAKES, approvals: { gate: "expire" } });
    const third = await after({ inputs: { hosts: [] }, fakes: FAKES, approvals: { gate: "approve" } });
    assert.deepEqual(missing(third), [
      "build fails",
      "deploy fails",
      "deploy is undone",
      "check fails",
      "check is polled again",
    ]);
    await after({ fakes: { ...FAKES, build: { fail: "DOWN" } } });
    await after({ fakes: { ...FAKES, "deploy[1]": { fail: "DOWN" } }, approvals: { gate: "approve" } });
    const all = await after({
      fakes: { ...FAKES, check: [{ output: { status: 503 } }, { fail: "DOWN" }] },
      approvals: { gate: "approve" },
    });
    assert.deepEqual([missing(all), all.percent], [[], 100]);
  });

  it("asks for no empty list where the list is written out", async () => {
    const text = DEPLOY.replace("items: inputs.hosts", 'items: "[1, 2]"').replace('"${{ host }}"', '"x"');
    await using folder = await folderWith({ "deploy.maestro.yaml": text.replace('deploy, "${{ host }}"', "deploy") });
    const { plan } = await folder.load("deploy.maestro.yaml");
    assert.ok(!coverageOf(plan, new Set()).missing.some(({ branch }) => branch === "has no items"));
  });
});
