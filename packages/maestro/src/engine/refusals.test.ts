import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { EngineBench, stored } from "../../test/support/engine.ts";
import type { BenchOptions } from "../../test/support/engine.ts";
import { OWNER, planOf } from "../../test/support/world.ts";
import type { TaskSketch } from "../../test/support/world.ts";
import { digestOf } from "../core/digest.ts";
import type { RunInput } from "../core/input.ts";
import type { Plan } from "../core/plan.ts";
import { MaestroError } from "../core/problem.ts";

let bench: EngineBench | undefined;
afterEach(async () => {
  await bench?.close();
  bench = undefined;
});

async function open(options: BenchOptions = {}): Promise<EngineBench> {
  bench = await EngineBench.open(options);
  return bench;
}

const code = (wanted: string) => (error: unknown) => error instanceof MaestroError && error.code === wanted;
const hold = (id: string, rest: Omit<TaskSketch, "id"> = {}): TaskSketch => ({ id, uses: "http", ...rest });
const cancel = { kind: "cancel", by: OWNER, reason: "enough", force: false } as const;

async function send(it: EngineBench, run: string, input: RunInput): Promise<unknown> {
  const [[outcome]] = await Promise.all([Promise.allSettled([it.engine.send(run, input)]), it.settle()]);
  if (outcome.status === "rejected") throw outcome.reason;
  return outcome.value;
}

describe("what cannot be stored and sealed", () => {
  it("is refused at the door, wherever it stands", async () => {
    const it = await open();
    const broken = "\ud800";
    const start = { plan: stored(planOf([hold("a")])), inputs: {}, purpose: "test", authority: "", initiator: OWNER };
    for (const part of [
      { inputs: { x: broken } },
      { purpose: broken },
      { authority: broken },
      { name: broken },
      { labels: { x: broken } },
      { base: `/${broken}` },
      { idempotencyKey: broken },
      { inputs: { x: Number.NaN } },
    ]) {
      await assert.rejects(it.engine.start({ ...start, ...part }), code("invalid_request"));
    }
    const { id } = await it.run(planOf([hold("a")]));
    await assert.rejects(
      it.engine.send(id, { kind: "signal", name: broken, payload: 1, by: OWNER }),
      code("invalid_request"),
    );
    await assert.rejects(
      it.engine.send(id, { kind: "signal", name: "go", payload: { x: [broken] }, by: OWNER }),
      code("invalid_request"),
    );
    await assert.rejects(it.engine.send(id, { ...cancel, reason: broken }), code("invalid_request"));
    await assert.rejects(
      it.engine.send(id, {
        kind: "approve",
        approval: "a",
        verdict: "deny",
        by: OWNER,
        planDigest: "sha256:x",
        reason: broken,
      }),
      code("invalid_request"),
    );
  });

  it("and a signal that is too large", async () => {
    const it = await open({ limits: { signalBytes: 100 } });
    const { id } = await it.run(planOf([hold("a")]));
    await assert.rejects(
      it.engine.send(id, { kind: "signal", name: "go", payload: "ä".repeat(60), by: OWNER }),
      code("payload_too_large"),
    );
  });

  it("stops the one run that has it, and no other", async () => {
    const results = [
      { ok: true as const, output: { x: "\ud800" } },
      { ok: true as const, output: { x: 1n as unknown as number } },
      { ok: true as const, output: {} },
    ];
    const it = await open({ execute: async () => results.shift() ?? { ok: true, output: {} } });
    const plan = planOf([hold("a", { effects: ["network"] })]);
    const sealed = await it.run(plan);
    const encoded = await it.run(plan);
    const other = await it.run(plan);
    assert.equal((await it.row(other.id)).status, "succeeded");
    for (const { id } of [sealed, encoded]) {
      assert.notEqual((await it.row(id)).status, "succeeded");
      await assert.rejects(send(it, id, cancel), code("internal"));
    }
    assert.equal(it.logged.filter((line) => line.includes("stands still")).length, 2);
    await it.engine.idle();
  });

  it("is not made by cutting a long error in two", async () => {
    const it = await open();
    const row = await it.run(planOf([hold("a")]));
    await it.finish("a", { ok: false, error: { code: "EXIT", message: `${"x".repeat(496)}${"😀".repeat(10)}` } });
    assert.equal((await it.row(row.id)).status, "failed");
  });
});

describe("a request that a run refuses", () => {
  it("leaves a sleeping run asleep, and it wakes in time", async () => {
    const it = await open();
    const { id } = await it.run(planOf([{ id: "w", uses: "wait", with: { duration: "1h" } }]));
    await assert.rejects(
      send(it, id, {
        kind: "approve",
        approval: "a_none",
        verdict: "approve",
        by: OWNER,
        planDigest: "sha256:x",
        reason: "",
      }),
      code("not_found"),
    );
    await it.pass(3_600_000);
    assert.equal((await it.row(id)).status, "succeeded");
  });

  it("leaves no ended run in memory", async () => {
    const it = await open({ limits: { activeRuns: 1 } });
    const { id } = await it.run(planOf([{ id: "a" }]));
    await assert.rejects(send(it, id, cancel), code("conflict"));
    assert.equal((await it.run(planOf([{ id: "a" }]))).status, "succeeded");
  });
});

describe("a full engine", () => {
  it("still takes a cancel", async () => {
    const it = await open({ limits: { activeRuns: 1 } });
    const { id } = await it.run(planOf([hold("a")]));
    await assert.rejects(it.run(planOf([hold("b")])), code("overloaded"));
    await send(it, id, cancel);
    assert.equal((await it.row(id)).status, "cancelled");
  });

  it("does not spin while sleepers wait for room", async () => {
    const it = await open({ limits: { activeRuns: 1 } });
    const asleep = await it.run(planOf([{ id: "w", uses: "wait", with: { duration: "1h" } }]));
    await it.run(planOf([hold("a")]));
    it.now += 3_600_000;
    await it.engine.tick();
    assert.ok(it.engine.nextAt()! > it.now);
    await it.finish("a");
    await it.pass(1000);
    assert.equal((await it.row(asleep.id)).status, "succeeded");
  });
});

describe("a task that needs a secret", () => {
  it("does not run without it, and says which is missing", async () => {
    const it = await open();
    const row = await it.run(
      planOf([
        hold("a", {
          secrets: { TOKEN: "release" },
          retry: { attempts: 3, initialMs: 1, factor: 1, maxMs: 1, jitter: "none", onLost: "retry" },
        }),
      ]),
    );
    const view = await it.engine.view(row.id);
    assert.equal(view.error?.code, "SECRET");
    assert.match(view.error?.message ?? "", /release/);
    assert.deepEqual(it.working(), []);
    assert.equal(view.tasks[0]?.attempts, 1);
  });
});

describe("child runs", () => {
  it("go no deeper than the limit, and the one that would says why", async () => {
    const it = await open({ limits: { depth: 2 } });
    const flow = (name: string, tasks: readonly TaskSketch[]): Plan =>
      planOf(tasks, { workflow: { namespace: "test", name, version: "1.0.0", digest: digestOf(name) } });
    const nest = (name: string, of: Plan): Plan =>
      flow(name, [
        {
          id: "c",
          uses: {
            kind: "runbook",
            namespace: "test",
            name: of.workflow.name,
            version: "1.0.0",
            planDigest: stored(of).digest,
          },
        },
      ]);
    const leaf = flow("leaf", [{ id: "a" }]);
    const two = nest("two", nest("one", leaf));
    for (const plan of [leaf, nest("one", leaf), two]) await it.store.planPut(stored(plan));
    assert.equal((await it.row((await it.run(two)).id)).status, "succeeded");
    const deep = await it.run(nest("three", two));
    assert.equal((await it.row(deep.id)).status, "failed");
    assert.match((await it.row(deep.id)).error ?? "", /child run/);
    const rows = (await it.store.runList({ workflow: "one", limit: 10 })).runs;
    assert.ok(
      rows.some((row) => /2 .*limits\.depth/.test(row.error ?? "")),
      rows.map((row) => row.error).join(),
    );
  });
});

describe("a retry", () => {
  it("waits for nobody's key: it is refused while another run holds it", async () => {
    const it = await open();
    const keyed = planOf([hold("k")], { concurrency: { key: "'one'", max: 1, onConflict: "queue" } });
    const first = await it.run(keyed);
    await it.finish("k", { ok: false, error: { code: "EXIT", message: "no" } });
    await it.run(keyed);
    await assert.rejects(send(it, first.id, { kind: "retry", by: OWNER }), code("concurrency_limit"));
    await it.finish("k");
    await send(it, first.id, { kind: "retry", by: OWNER });
    assert.equal((await it.run(keyed)).status, "queued");
  });

  it("in the same breath as a cancel leaves both receipts", async () => {
    const it = await open();
    const { id } = await it.run(planOf([{ id: "w", uses: "wait", with: { duration: "1h" } }]));
    const both = Promise.all([
      it.engine.send(id, cancel),
      it.engine.send(id, { kind: "retry", by: OWNER }),
      it.settle(),
    ]);
    await both;
    await it.pass(3_600_000);
    assert.equal((await it.row(id)).status, "succeeded");
    assert.equal((await it.store.receiptGet(id))?.ordinal, 2);
  });
});
