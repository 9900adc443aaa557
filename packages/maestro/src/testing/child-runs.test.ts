import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { folderWith } from "./example.ts";
import { runCase } from "./run-case.ts";

const CLEAN = `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: shop, name: clean, version: 2.1.0, description: Removes what is old. }
spec:
  purposes: [operations]
  inputs: { path: { type: string, description: Where } }
  budget: { wall: 1h }
  tasks:
    ask: { uses: wait@1, with: { signal: clean, timeout: 10m } }
    remove: { needs: [ask], uses: exec@1, with: { argv: [rm, "\${{ inputs.path }}"] } }
  outputs: { exit: "\${{ tasks.remove.output.exit }}" }
`;

const PARENT = `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: shop, name: nightly, version: 1.0.0, description: Every night. }
spec:
  purposes: [operations]
  budget: { wall: 1h }
  tasks:
    cleanup:
      forEach: { items: "['/a', '/b']", as: path, onItemFailure: continue }
      uses: runbook:shop/clean@2
      with: { path: "\${{ path }}" }
  outputs: { exits: "\${{ tasks.cleanup.output.map(one, one.exit) }}" }
`;

describe("child runs under test", () => {
  it("are runs of the runbook beside the manifest, whose tasks are faked by path or type", async () => {
    await using folder = await folderWith({ "nightly.maestro.yaml": PARENT, "clean.maestro.yaml": CLEAN });
    const runbook = await folder.load("nightly.maestro.yaml");
    const { record, children, histories } = await runCase(
      runbook,
      {
        fakes: {
          "exec@1": { output: { exit: 9 } },
          "cleanup/remove": ({ input }) => ({ exit: (input["argv"] as readonly string[])[1] === "/a" ? 0 : 1 }),
        },
        signals: [{ name: "clean" }, { name: "clean" }],
      },
      folder.dir,
    );
    assert.equal(record.status, "succeeded");
    assert.deepEqual(record.outputs, { exits: [0, 1] });
    assert.deepEqual(record.tasks["cleanup"]?.waited, ["child"]);
    assert.equal(children["cleanup"]?.tasks["remove"]?.attempts, 1);
    assert.equal(histories.length, 3);
  });

  it("fail in the parent where nobody sends what they wait for", async () => {
    await using folder = await folderWith({ "nightly.maestro.yaml": PARENT, "clean.maestro.yaml": CLEAN });
    const { record } = await runCase(
      await folder.load("nightly.maestro.yaml"),
      { fakes: { "exec@1": {} }, signals: [{ name: "clean" }] },
      folder.dir,
    );
    assert.deepEqual(record.tasks["cleanup"]?.items, { succeeded: 1, failed: 1, cancelled: 0 });
    assert.equal(record.tookMs, 600_000);
  });

  it("say what is wrong with a manifest that uses a runbook nobody has", async () => {
    await using folder = await folderWith({ "nightly.maestro.yaml": PARENT });
    await assert.rejects(folder.load("nightly.maestro.yaml"), {
      code: "invalid_manifest",
      message: /nightly\.maestro\.yaml has 1 problem\. First, line 10: there is no runbook/,
    });
    await assert.rejects(folder.load("none.maestro.yaml"), { code: "not_found" });
  });
});
