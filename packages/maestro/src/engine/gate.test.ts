import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { EngineBench } from "../../test/support/engine.ts";
import type { BenchOptions } from "../../test/support/engine.ts";
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
});
