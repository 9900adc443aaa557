import assert from "node:assert/strict";
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, describe, it } from "node:test";
import { EngineBench, stored } from "../../test/support/engine.ts";
import type { BenchOptions } from "../../test/support/engine.ts";
import { OWNER, planOf } from "../../test/support/world.ts";
import type { TaskSketch } from "../../test/support/world.ts";
import { digestOf } from "../core/digest.ts";
import type { Plan } from "../core/plan.ts";
import { MaestroError } from "../core/problem.ts";
import type { Commit, RunRow, Store } from "../store/store.ts";

let bench: EngineBench | undefined;
afterEach(async () => {
  await bench?.close();
  bench = undefined;
});

const hold = (id: string, rest: Omit<TaskSketch, "id"> = {}): TaskSketch => ({ id, uses: "http", ...rest });
const code = (wanted: string) => (error: unknown) => error instanceof MaestroError && error.code === wanted;

/** An engine that dies right after the commit that `fatal` recognises, before anything follows from it. */
async function open(
  options: BenchOptions = {},
): Promise<{ it: EngineBench; dieAfter: (fatal: (batch: Commit) => boolean) => void; fail: { error: Error | null } }> {
  const state: { fatal: ((batch: Commit) => boolean) | null } = { fatal: null };
  const fail: { error: Error | null } = { error: null };
  const store = (real: Store): Store =>
    new Proxy(real, {
      get(target, name) {
        if (name === "commit") {
          return async (batch: Commit) => {
            if (fail.error !== null) throw fail.error;
            const sealed = await target.commit(batch);
            if (state.fatal?.(batch) !== true) return sealed;
            state.fatal = null;
            it.engine.closed = true;
            return sealed;
          };
        }
        const value: unknown = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  const it = await EngineBench.open({ ...options, store });
  bench = it;
  return { it, fail, dieAfter: (fatal) => (state.fatal = fatal) };
}

const holds = (word: string) => (batch: Commit) =>
  batch.runs.some((run) => run.events.some((text) => text.includes(word)));
const childPlan = (task: TaskSketch): Plan =>
  planOf([task], { workflow: { namespace: "test", name: "child", version: "1.0.0", digest: digestOf("c") } });

async function parentOf(it: EngineBench, task: TaskSketch): Promise<Plan> {
  const child = stored(childPlan(task));
  await it.store.planPut(child);
  return planOf([
    {
      id: "c",
      uses: { kind: "runbook", namespace: "test", name: "child", version: "1.0.0", planDigest: child.digest },
    },
  ]);
}

/** Changes an event behind the engine's back, the way an editor of the file would. */
function editEvent(it: EngineBench, run: string): void {
  const db = new DatabaseSync(join(it.dir, "maestro.db"));
  const trigger = db.prepare("select sql from sqlite_master where name = 'event_no_update'").get()?.["sql"];
  db.exec(
    `drop trigger event_no_update; update event set text = replace(text, 'test', 'tost') where run_id = '${run}' and seq = 1; ${String(trigger)}`,
  );
  db.close();
}

describe("a crash between a commit and what follows from it", () => {
  it("lets the next in line for a concurrency key start", async () => {
    const { it, dieAfter } = await open();
    const keyed = planOf([hold("k")], { concurrency: { key: "'one'", max: 1, onConflict: "queue" } });
    const runs: RunRow[] = [];
    for (let i = 0; i < 3; i++) {
      runs.push(await it.run(keyed));
      await it.pass(1);
    }
    dieAfter(holds("run_ended"));
    await it.finish("k");
    await it.crash();
    const statuses = async (): Promise<string[]> => Promise.all(runs.map(async ({ id }) => (await it.row(id)).status));
    assert.deepEqual(await statuses(), ["succeeded", "running", "queued"]);
    await it.finish("k");
    assert.deepEqual(await statuses(), ["succeeded", "succeeded", "running"]);
    await it.finish("k");
    assert.deepEqual(await statuses(), ["succeeded", "succeeded", "succeeded"]);
  });

  it("cancels the run whose concurrency key a newer one takes", async () => {
    const { it, dieAfter } = await open();
    const keyed = planOf([hold("k")], { concurrency: { key: "'one'", max: 1, onConflict: "cancel-running" } });
    const first = await it.run(keyed);
    dieAfter(holds("run_created"));
    const second = await it.run(keyed);
    await it.crash();
    assert.equal((await it.row(first.id)).status, "cancelled");
    assert.equal((await it.row(second.id)).status, "running");
  });

  it("cancels the child of a run that was cancelled", async () => {
    const { it, dieAfter } = await open();
    const parent = await it.run(await parentOf(it, { id: "w", uses: "wait", with: { signal: "never" } }));
    dieAfter(holds("cancel_requested"));
    const sent = it.engine.send(parent.id, { kind: "cancel", by: OWNER, reason: "stop", force: false });
    await Promise.all([Promise.allSettled([sent]), it.settle()]);
    await it.crash();
    assert.equal((await it.row(parent.id)).status, "cancelled");
    const [child] = (await it.store.runList({ parentRun: parent.id, limit: 1 })).runs;
    assert.equal(child?.status, "cancelled");
  });

  it("keeps the result of a cacheable step that had to run again", async () => {
    const { it } = await open();
    const plan = planOf([hold("a", { cache: { ttlMs: 60_000 } })]);
    const first = await it.run(plan);
    await it.crash();
    while (it.working().length === 0) await it.settle();
    await it.finish("a", { ok: true, output: { v: 1 } });
    const second = await it.run(plan);
    assert.equal((await it.row(second.id)).status, "succeeded");
    assert.equal((await it.engine.view(second.id)).tasks[0]?.cachedFrom, first.id);
  });
});

describe("a run whose history was edited", () => {
  it("is named, and does not keep the engine from starting or other runs from going on", async () => {
    const { it } = await open();
    const bad = await it.run(planOf([hold("bad")]));
    const good = await it.run(planOf([hold("good")]));
    editEvent(it, bad.id);
    await it.crash();
    assert.deepEqual(it.working(), ["good"]);
    assert.match(it.logged.join("\n"), new RegExp(`error a run could not be loaded .*${bad.id}`));
    await it.finish("good");
    assert.equal((await it.row(good.id)).status, "succeeded");
    await assert.rejects(it.engine.view(bad.id), code("store_corrupt"));
    const row = await it.run(planOf([{ id: "new" }]));
    assert.equal((await it.row(row.id)).status, "succeeded");
  });

  it("does not stop the clock of others when it sleeps", async () => {
    const { it } = await open();
    const wait = planOf([{ id: "w", uses: "wait", with: { duration: "10m" } }]);
    const bad = await it.run(wait);
    const good = await it.run(wait);
    editEvent(it, bad.id);
    await it.pass(11 * 60_000);
    assert.equal((await it.row(good.id)).status, "succeeded");
    const later = await it.run(planOf([{ id: "w", uses: "wait", with: { duration: "2s" } }]));
    await it.pass(10_000);
    assert.equal((await it.row(later.id)).status, "succeeded");
  });

  it("and is the child of another: that one is told, and the engine lives", async () => {
    const { it, dieAfter } = await open();
    const parent = await it.run(await parentOf(it, hold("work")));
    const [child] = (await it.store.runList({ parentRun: parent.id, limit: 1 })).runs;
    dieAfter(holds("run_ended"));
    await it.finish("work");
    editEvent(it, child!.id);
    await it.crash();
    assert.equal((await it.row(parent.id)).status, "running");
    assert.match(it.logged.join("\n"), new RegExp(`error .*child run .*${child!.id}`));
  });
});

describe("a store that fails for a moment", () => {
  it("takes starts again when it works again, also where nothing else is going on", async () => {
    const { it, fail } = await open();
    fail.error = new MaestroError("storage_full", "no space");
    await assert.rejects(it.run(planOf([{ id: "a" }])), code("storage_full"));
    fail.error = null;
    await assert.rejects(it.run(planOf([{ id: "a" }])), code("storage_full"), "for a second the store is left alone");
    await it.pass(1000);
    const row = await it.run(planOf([{ id: "a" }]));
    assert.equal((await it.row(row.id)).status, "succeeded");
  });

  it("leaves no attempt behind, so that the engine becomes idle", async () => {
    const { it, fail } = await open();
    const row = await it.run(planOf([hold("a"), { id: "w", needs: ["a"], uses: "wait", with: { signal: "go" } }]));
    fail.error = new MaestroError("storage_full", "no space");
    await it.finish("a");
    fail.error = null;
    await it.pass(1000);
    assert.equal((await it.row(row.id)).waiting, "signal");
    assert.equal(it.engine.attempts.size, 0);
    await it.engine.idle();
  });

  it("does not fail a task whose child run could not be recorded then", async () => {
    const { it, fail } = await open();
    const plan = await parentOf(it, hold("work"));
    const first: TaskSketch = hold("first");
    const parent = await it.run({
      ...plan,
      tasks: [...planOf([first]).tasks, { ...plan.tasks[0]!, needs: ["first"] }],
    });
    const started = it.engine.subscribe(parent.id, (_, events) => {
      if (events.some((event) => event.kind === "child_started"))
        fail.error = new MaestroError("storage_full", "no space");
    });
    await it.finish("first");
    started();
    fail.error = null;
    await it.pass(5000);
    assert.deepEqual(it.working(), ["work"]);
    await it.finish("work");
    assert.equal((await it.row(parent.id)).status, "succeeded");
  });
});

describe("shutting down", () => {
  it("does not fail a task whose child run can no longer start", async () => {
    const { it } = await open();
    const plan = await parentOf(it, hold("work"));
    const parent = await it.run({
      ...plan,
      tasks: [...planOf([hold("first")]).tasks, { ...plan.tasks[0]!, needs: ["first"] }],
    });
    const drained = it.engine.drain(60_000);
    await it.finish("first");
    await drained;
    await it.crash();
    assert.deepEqual(it.working(), ["work"]);
    await it.finish("work");
    assert.equal((await it.row(parent.id)).status, "succeeded");
  });
});

describe("files of a cache key", () => {
  it("that cannot be read make no hit, and no harm", async () => {
    const { it } = await open();
    const base = join(it.dir, "base");
    mkdirSync(base);
    symlinkSync("nowhere", join(base, "dangling"));
    const plan = planOf([hold("a", { cache: { files: ["*"] } })]);
    const started = it.engine.start({
      plan: stored(plan),
      inputs: {},
      purpose: "test",
      authority: "",
      initiator: OWNER,
      base,
    });
    // The files are looked for outside of the turns.
    while (it.working().length === 0) await it.settle();
    assert.match(it.logged.join("\n"), /warn an earlier result could not be looked for/);
    await it.finish("a");
    assert.equal((await it.row((await started).id)).status, "succeeded");
  });
});
