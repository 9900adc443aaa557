import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { OWNER, planOf, snapshot, World } from "../../test/support/world.ts";
import { redecide, replay } from "./replay.ts";

const FAN = { items: "[1, 2, 3]", as: "n", max: 100, onItemFailure: "continue" } as const;

function retry(world: World, tasks?: readonly string[]): World {
  world.atWork.length = 0;
  return world.send({ kind: "retry", by: OWNER, ...(tasks === undefined ? {} : { tasks }) });
}

describe("a retried run", () => {
  it("spreads a fan-out anew where what gave it its items runs again", () => {
    const world = new World(
      planOf([
        { id: "a", continueOnError: true },
        {
          id: "f",
          needs: ["a"],
          when: "true",
          whenReadsStatus: true,
          forEach: { ...FAN, items: 'tasks.a.status == "failed" ? [1, 2] : tasks.a.output.list' },
        },
      ]),
    );
    world.end("a", { error: "EXIT" }).end("f", {}, 0).end("f", { error: "EXIT" }, 1);
    retry(world);
    assert.deepEqual(world.working(), ["a"]);
    world.end("a", { output: { list: [7, 8, 9] } });
    assert.deepEqual(world.working(), ["f[0]", "f[1]", "f[2]"]);
  });

  it("never uses the name of an attempt twice, also where a fan-out is spread anew", () => {
    const world = new World(planOf([{ id: "a" }, { id: "f", needs: ["a"], forEach: FAN }]));
    world.end("a").end("f", {}, 0).end("f", {}, 1).end("f", { error: "EXIT" }, 2);
    retry(world, ["a"]);
    world.end("a").end("f", {}, 0).end("f", {}, 1).end("f", {}, 2);
    const names = world.events.flatMap((event) =>
      event.kind === "attempt_started" ? [`${event.task}/${event.item}/${event.attempt}`] : [],
    );
    assert.equal(new Set(names).size, names.length, names.join());
    assert.equal(snapshot(replay(world.program, world.events)), snapshot(world.run));
  });

  it("can be one in which only a finally task failed", () => {
    const world = new World(planOf([{ id: "a" }, { id: "z", phase: "finally" }]));
    world.end("a").end("z", { error: "EXIT" });
    retry(world);
    assert.deepEqual(world.working(), ["z"]);
    world.end("z");
    assert.equal(world.run.status, "succeeded");
    assert.ok(redecide(world.program, world.events).agrees);
  });

  it("asks its condition about the time its needs settled, whenever it is looked at", () => {
    const rule = { count: 1, roles: [], notRequester: false, expiresMs: 9_000_000 };
    const world = new World(planOf([{ id: "a", when: 'now < timestamp("1970-01-01T00:17:00Z")', approvals: rule }]));
    const request = world.events.find((event) => event.kind === "approval_requested");
    assert.ok(request?.kind === "approval_requested");
    const again = World.resume(world);
    again.pass(3_600_000);
    again.send({
      kind: "approve",
      approval: request.approval,
      verdict: "approve",
      by: OWNER,
      planDigest: world.program.digest,
      reason: "",
    });
    assert.deepEqual(again.working(), ["a"]);
    again.end("a");
    assert.ok(redecide(again.program, again.events).agrees);
  });

  it("undoes each step that is undoable once, however often it was reopened", () => {
    const undo = {
      uses: { kind: "type", name: "noop", version: 1, digest: "sha256:x" },
      with: {},
      effects: [],
    } as const;
    const world = new World(
      planOf(
        [
          { id: "a", undo },
          { id: "b", needs: ["a"] },
        ],
        { onFailure: "stop" },
      ),
    );
    world.end("a").end("b", { error: "EXIT" });
    retry(world);
    world.end("b", { error: "EXIT" });
    retry(world, ["a"]);
    world.end("a").end("b");
    assert.equal(world.run.undoable.length, 1);
  });
});
