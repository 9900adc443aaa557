import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ALLOW, OWNER, planOf, World } from "../../test/support/world.ts";
import type { Plan } from "./plan.ts";
import { receiptFacts } from "./receipt-facts.ts";
import { redecide } from "./replay.ts";
import { reusable } from "./reuse.ts";

const undo = { uses: { kind: "type", name: "noop", version: 1, digest: "sha256:x" }, with: {}, effects: [] } as const;
const RETRY = { attempts: 3, initialMs: 1000, factor: 1, maxMs: 1000, jitter: "none", onLost: "retry" } as const;

/** A run whose first task is being undone because the second failed. */
function undoing(first: Partial<Plan["tasks"][number]> = {}, rest: Partial<Plan> = {}): World {
  const world = new World(
    planOf(
      [
        { id: "a", undo, ...first },
        { id: "b", needs: ["a"] },
      ],
      { onFailure: "rollback", ...rest },
    ),
  );
  world.end("a").end("b", { error: "EXIT" });
  assert.deepEqual(
    world.atWork.map((command) => command.undo),
    [true],
  );
  return world;
}

describe("a rollback", () => {
  it("gives an undo its own tries, and an undo that is lost again and again comes to its end", () => {
    const tried = new World(
      planOf(
        [
          { id: "a", undo, retry: RETRY },
          { id: "b", needs: ["a"] },
        ],
        { onFailure: "rollback" },
      ),
    );
    tried
      .end("a", { error: "EXIT" })
      .pass(1000)
      .end("a", { error: "EXIT" })
      .pass(1000)
      .end("a")
      .end("b", { error: "EXIT" });
    tried.end("a", { error: "EXIT" }).pass(1000).end("a", { error: "EXIT" }).pass(1000).end("a");
    assert.equal(tried.run.tasks[0]!.steps[0]!.status, "undone");
    const lost = undoing();
    for (let i = 0; i < 20 && lost.atWork.length > 0; i++) lost.end("a", { error: "LOST" }).pass(0);
    assert.equal(lost.run.status, "failed");
    assert.equal(lost.run.tasks[0]!.steps[0]!.status, "undo_failed");
  });

  it("is not cut short by the wall budget", () => {
    const world = undoing({}, { budget: { wallMs: 1000 } });
    world.pass(5000);
    assert.equal(world.run.budgetError, null);
    world.end("a");
    assert.equal(world.run.tasks[0]!.steps[0]!.status, "undone");
    assert.ok(redecide(world.program, world.events).agrees);
  });

  it("that was cancelled is called failed in the receipt, not untold", () => {
    const world = undoing({ retry: RETRY });
    world.end("a", { error: "EXIT" });
    world.send({ kind: "cancel", by: OWNER, reason: "enough", force: false });
    assert.equal(world.run.status, "cancelled");
    const facts = receiptFacts(world.program, world.run, { head: "sha256:h", builder: { id: "b", version: "1" } });
    assert.equal(facts.tasks[0]?.undo, "failed");
  });

  it("leaves nothing that a later run could reuse", () => {
    const world = undoing();
    world.end("a");
    assert.deepEqual(reusable(world.program, world.run, "b"), []);
  });
});

describe("what a later run reuses", () => {
  it("excludes what was built on a task that must run again", () => {
    const world = new World(
      planOf([{ id: "a", continueOnError: true }, { id: "b", needs: ["a"] }, { id: "c" }, { id: "d", needs: ["c"] }]),
    );
    world.end("a", { error: "EXIT" }).end("b").end("c").end("d");
    assert.deepEqual(
      reusable(world.program, world.run, "d").map((event) => event.task),
      ["c"],
    );
  });

  it("waits with everything else while the run is queued", () => {
    const earlier = new World(
      planOf([{ id: "a" }, { id: "b", needs: ["a"] }, { id: "c", needs: ["b"], when: "inputs.x == 1" }]),
      { inputs: { x: 2 } },
    );
    earlier.end("a").end("b");
    const world = new World(earlier.program.plan, {
      queued: true,
      inputs: { x: 2 },
      reuse: reusable(earlier.program, earlier.run, "c"),
    });
    assert.equal(world.run.status, "queued");
    world.send({ kind: "admitted" });
    assert.equal(world.run.status, "succeeded");
    assert.ok(redecide(world.program, world.events).agrees);
  });
});

describe("the gate", () => {
  it("is asked again before an undo, and its no ends the undo", () => {
    const world = new World(
      planOf(
        [
          { id: "a", undo: { ...undo, effects: ["network"] } },
          { id: "b", needs: ["a"] },
        ],
        { onFailure: "rollback" },
      ),
      {
        gate: () => ({ ...ALLOW, allow: false, reasons: ["not now"] }),
      },
    );
    world.end("a").end("b", { error: "EXIT" });
    assert.equal(world.run.tasks[0]!.steps[0]!.status, "undo_failed");
    assert.equal(world.run.status, "failed");
  });
});
