import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { setImmediate as turnOfTheLoop } from "node:timers/promises";
import { EngineBench } from "../../test/support/engine.ts";
import { OWNER, planOf } from "../../test/support/world.ts";
import type { TaskSketch } from "../../test/support/world.ts";
import type { AttemptResult } from "../core/event.ts";
import { MaestroError } from "../core/problem.ts";
import type { Commit, Store } from "../store/store.ts";

// While one turn is being written the next is decided. The test lets commits through one by one.

interface Held {
  readonly batch: Commit;
  letGo(error?: Error): void;
}

let bench: EngineBench | undefined;
let held: Held[] = [];
let isHolding = false;
afterEach(async () => {
  isHolding = false;
  for (const commit of held.splice(0)) commit.letGo();
  await bench?.close();
  bench = undefined;
});

function holding(store: Store): Store {
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (name === "commit" && isHolding) {
        return async (batch: Commit) => {
          const error = await new Promise<Error | undefined>((letGo) => held.push({ batch, letGo }));
          if (error !== undefined) throw error;
          return target.commit(batch);
        };
      }
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

async function open(): Promise<EngineBench> {
  held = [];
  bench = await EngineBench.open({ store: holding, limits: { overlap: 0 } });
  return bench;
}

const hold = (id: string, rest: Omit<TaskSketch, "id"> = {}): TaskSketch => ({ id, uses: "http", ...rest });
const OK: AttemptResult = { ok: true, output: {} };

/** Ends the held attempt without giving a turn. */
async function end(it: EngineBench, run: string): Promise<void> {
  const at = it.held.findIndex(({ request }) => request.run === run);
  it.held.splice(at, 1)[0]?.finish(OK);
  await turnOfTheLoop();
}

/** Until something that needs several turns of the event loop has come about. */
async function until(what: () => boolean): Promise<void> {
  for (let tries = 0; !what(); tries++) {
    assert.ok(tries < 1_000, what.toString());
    await turnOfTheLoop();
  }
}

const written = (): readonly string[][] => held.map(({ batch }) => batch.runs.map(({ id }) => id));

describe("a turn that is being written", () => {
  it("lets the next one be written after it, and the one after that be decided", async () => {
    const it = await open();
    const runs = [];
    for (const id of ["a", "b", "c"]) runs.push((await it.run(planOf([hold(id)]))).id);
    const [one, two, three] = runs as [string, string, string];
    isHolding = true;
    for (const run of [one, two]) {
      await end(it, run);
      await it.engine.takeTurn();
    }
    assert.deepEqual(written(), [[one], [two]], "in the order they were decided");
    await end(it, three);
    const next = it.engine.takeTurn();
    await until(() => !it.engine.hasWork());
    for (let i = 0; i < 20; i++) await turnOfTheLoop();
    assert.deepEqual(written(), [[one], [two]], "no more than two at once");
    held.shift()?.letGo();
    await next;
    assert.deepEqual(written(), [[two], [three]]);
    assert.equal((await it.row(one)).status, "succeeded");
    assert.equal((await it.row(two)).status, "running", "not before it is durable");
    for (const one of held.splice(0)) one.letGo();
    await it.engine.settled;
    for (const run of [two, three]) assert.equal((await it.row(run)).status, "succeeded");
  });

  it("keeps its runs to itself: what comes for them waits until it is durable", async () => {
    const it = await open();
    const run = await it.run(planOf([hold("a"), hold("b", { needs: ["a"], effects: ["network"] })]));
    isHolding = true;
    await end(it, run.id);
    await it.engine.takeTurn();
    assert.deepEqual(it.working(), [], "b is not at work before its start is durable");
    const cancelled = it.engine.send(run.id, { kind: "cancel", by: OWNER, reason: "enough", force: false });
    const next = it.engine.takeTurn();
    for (let i = 0; i < 20; i++) await turnOfTheLoop();
    assert.deepEqual(written(), [[run.id]]);
    isHolding = false;
    held.shift()?.letGo();
    await next;
    await it.settle();
    await cancelled;
    assert.equal((await it.row(run.id)).status, "cancelled");
    const kinds = (await it.events(run.id)).map(({ kind }) => kind);
    assert.ok(kinds.indexOf("attempt_finished") < kinds.indexOf("cancel_requested"), kinds.join(" "));
  });

  it("and fails takes nothing from the one that was decided after it, and is tried again with what came for it", async () => {
    const it = await open();
    const [one, two] = [
      await it.run(planOf([hold("a"), hold("c", { needs: ["a"] })])),
      await it.run(planOf([hold("b")])),
    ];
    isHolding = true;
    await end(it, one.id);
    await it.engine.takeTurn();
    await end(it, two.id);
    const cancelled = it.engine.send(one.id, { kind: "cancel", by: OWNER, reason: "enough", force: false });
    await it.engine.takeTurn();
    assert.deepEqual(written(), [[one.id], [two.id]]);
    isHolding = false;
    held.shift()?.letGo(new MaestroError("storage_full", "no space"));
    held.shift()?.letGo();
    await it.engine.settled;
    assert.equal((await it.row(two.id)).status, "succeeded");
    assert.equal((await it.row(one.id)).status, "running");
    await it.pass(1_000);
    await cancelled;
    assert.equal((await it.row(one.id)).status, "cancelled");
    const finished = (await it.events(one.id)).filter(({ kind }) => kind === "attempt_finished");
    assert.equal(finished.length >= 1, true, "the result of a was kept");
  });

  it("is waited for when the engine is drained", async () => {
    const it = await open();
    const run = await it.run(planOf([hold("a")]));
    isHolding = true;
    await end(it, run.id);
    await it.engine.takeTurn();
    let isDrained = false;
    const drained = it.engine.drain(0).then(() => (isDrained = true));
    for (let i = 0; i < 20; i++) await turnOfTheLoop();
    assert.equal(isDrained, false);
    held.shift()?.letGo();
    await drained;
    assert.equal((await it.row(run.id)).status, "succeeded");
  });
});

describe("more than one turn's starts", () => {
  it("are all recorded, overlapping, by a thread that writes", async () => {
    const it = await open();
    const starts = Promise.all(
      Array.from({ length: 600 }, async (_, i) => it.run(planOf([{ id: "a" }]), { key: `k${i}` })),
    );
    const rows = await starts;
    assert.equal(new Set(rows.map(({ id }) => id)).size, 600);
    for (const row of rows) assert.equal((await it.row(row.id)).status, "succeeded");
  });
});
