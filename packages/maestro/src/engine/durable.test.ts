import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { EngineBench, stored } from "../../test/support/engine.ts";
import type { BenchOptions } from "../../test/support/engine.ts";
import { OWNER, planOf } from "../../test/support/world.ts";
import type { TaskSketch } from "../../test/support/world.ts";
import { digestOf } from "../core/digest.ts";
import type { Plan } from "../core/plan.ts";
import { MaestroError } from "../core/problem.ts";
import type { Store } from "../store/store.ts";
import { ASLEEP_FOREVER } from "../store/store.ts";
import { replayRun } from "./replay-run.ts";

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

describe("a run", () => {
  it("leaves its history, its row and a receipt in one transaction", async () => {
    const it = await open();
    const row = await it.run(planOf([{ id: "a" }, { id: "b", needs: ["a"] }], { outputs: { x: 1 } }));
    const ended = await it.row(row.id);
    assert.equal(ended.status, "succeeded");
    assert.equal(ended.tasksDone, 2);
    const receipt = await it.store.receiptGet(row.id);
    assert.equal(receipt?.ordinal, 1);
    const statement = JSON.parse(Buffer.from(JSON.parse(receipt.bundle).dsseEnvelope.payload, "base64").toString()) as {
      subject: { digest: { sha256: string } }[];
    };
    assert.equal(`sha256:${statement.subject[0]?.digest.sha256}`, ended.head);
    assert.deepEqual(await replayRun(it.engine, row.id), {
      run: row.id,
      events: ended.seq,
      head: ended.head,
      equal: true,
      difference: null,
      atSeq: null,
    });
  });

  it("that is denied starts nothing and still leaves a receipt", async () => {
    const it = await open();
    const row = await it.run(planOf([hold("a")]), { purpose: "mischief" });
    assert.equal(row.status, "denied");
    assert.match(row.error ?? "", /purpose mischief is not one of test/);
    assert.deepEqual(it.working(), []);
    assert.notEqual(await it.store.receiptGet(row.id), undefined);
  });

  it("with the same key is the run that was started first, even at once", async () => {
    const it = await open();
    const plan = planOf([hold("a")]);
    const [one, two] = await Promise.all([it.run(plan, { key: "k" }), it.run(plan, { key: "k" })]);
    const three = await it.run(plan, { key: "k" });
    assert.equal(one.id, two.id);
    assert.equal(one.id, three.id);
  });

  it("refuses inputs that break the schema, naming each", async () => {
    const it = await open();
    const inputs = {
      type: "object",
      properties: { n: { type: "integer" }, s: { type: "string" } },
      required: ["s"],
      additionalProperties: false,
    };
    await assert.rejects(it.run(planOf([{ id: "a" }], { inputs }), { inputs: { n: "x", z: 1 } }), (error: unknown) => {
      assert.ok(error instanceof MaestroError && error.code === "invalid_input");
      assert.match(error.message, /n/);
      assert.match(error.message, /s/);
      assert.match(error.message, /z/);
      return true;
    });
  });

  it("moves large values to blobs and brings them back", async () => {
    const it = await open({ execute: async () => ({ ok: true, output: { big: "x".repeat(100_000) } }) });
    const row = await it.run(
      planOf([hold("a"), { id: "b", uses: "http", needs: ["a"], with: { size: "${{ size(tasks.a.output.big) }}" } }]),
    );
    const texts = await it.store.runEvents(row.id, { afterSeq: 0, limit: 100 });
    assert.ok(texts.every((event) => event.text.length < 5000));
    assert.ok(
      (await it.events(row.id)).some(
        (event) => event.kind === "attempt_finished" && JSON.stringify(event).length > 100_000,
      ),
    );
    assert.equal((await replayRun(it.engine, row.id)).equal, true);
  });
});

describe("sleep", () => {
  it("leaves memory while a run waits, and wakes it in time", async () => {
    const it = await open();
    const row = await it.run(
      planOf([{ id: "w", uses: "wait", with: { duration: "1h" } }, hold("a", { needs: ["w"] })]),
    );
    const asleep = await it.row(row.id);
    assert.equal(asleep.wakeAt, it.now + 3_600_000);
    assert.equal(asleep.waiting, "timer");
    await it.pass(3_599_999);
    assert.deepEqual(it.working(), []);
    await it.pass(1);
    assert.deepEqual(it.working(), ["a"]);
  });

  it("wakes after a restart what fell due meanwhile", async () => {
    const it = await open();
    const rows = [];
    for (let i = 0; i < 5; i++)
      rows.push(await it.run(planOf([{ id: "w", uses: "wait", with: { duration: `${10 + i}m` } }])));
    it.now += 12 * 60_000;
    await it.crash();
    assert.deepEqual(await Promise.all(rows.map(async (row) => (await it.row(row.id)).status)), [
      "succeeded",
      "succeeded",
      "succeeded",
      "running",
      "running",
    ]);
    await it.pass(2 * 60_000);
    assert.equal((await it.row(rows[4]!.id)).status, "succeeded");
  });

  it("waits for a person for ever without a timer, and goes on when they answer", async () => {
    const it = await open();
    const row = await it.run(planOf([{ id: "s", uses: "wait", with: { signal: "go" } }]));
    assert.equal((await it.row(row.id)).wakeAt, ASLEEP_FOREVER);
    assert.equal(it.engine.nextAt(), undefined);
    const sent = it.engine.send(row.id, { kind: "signal", name: "go", payload: 1, by: OWNER });
    await it.settle();
    assert.equal((await sent).status, "succeeded");
  });
});

describe("a crash", () => {
  it("runs an attempt that was lost again, keeps what had ended, and counts each result once", async () => {
    const it = await open();
    const row = await it.run(planOf([hold("a"), hold("b", { needs: ["a"] })]));
    await it.finish("a", { ok: true, output: { v: 1 } });
    assert.deepEqual(it.working(), ["b"]);
    await it.crash();
    assert.deepEqual(it.working(), ["b"]);
    assert.equal(it.held[0]?.request.attempt, 2);
    await it.finish("b");
    const kinds = (await it.events(row.id)).map((event) => event.kind);
    assert.equal((await it.row(row.id)).status, "succeeded");
    assert.equal(kinds.filter((kind) => kind === "attempt_finished").length, 3);
    assert.equal((await replayRun(it.engine, row.id)).equal, true);
  });

  it("keeps retries, approvals, queued runs and concurrency keys", async () => {
    const it = await open();
    const retry = {
      attempts: 2,
      initialMs: 60_000,
      factor: 1,
      maxMs: 60_000,
      jitter: "none",
      onLost: "retry",
    } as const;
    const retried = await it.run(planOf([hold("r", { retry })]));
    await it.finish("r", { ok: false, error: { code: "UNAVAILABLE", message: "down" } });
    const asked = await it.run(
      planOf([hold("p", { approvals: { count: 1, roles: [], notRequester: false, expiresMs: 600_000 } })]),
    );
    const keyed = planOf([hold("k")], { concurrency: { key: "'one'", max: 1, onConflict: "queue" } });
    const first = await it.run(keyed);
    const second = await it.run(keyed);
    assert.equal(second.status, "queued");
    await it.crash();
    assert.deepEqual(it.working(), ["k"]);
    await it.pass(60_000);
    assert.deepEqual(it.working(), ["k", "r"]);
    const [approval] = await it.store.approvalList({ run: asked.id, limit: 10 });
    const sent = it.engine.send(asked.id, {
      kind: "approve",
      approval: approval!.id,
      verdict: "approve",
      by: OWNER,
      planDigest: approval!.planDigest,
      reason: "fine",
    });
    await it.settle();
    await sent;
    assert.deepEqual(await it.store.approvalList({ limit: 10 }), []);
    assert.deepEqual(it.working(), ["k", "r", "p"]);
    await it.finish("k");
    assert.equal((await it.row(first.id)).status, "succeeded");
    assert.equal((await it.row(second.id)).status, "running");
    await it.finish("r");
    assert.equal((await it.row(retried.id)).status, "succeeded");
  });
});

describe("concurrency keys", () => {
  const keyed = (onConflict: "queue" | "cancel-running" | "reject"): Plan =>
    planOf([hold("k")], { concurrency: { key: "inputs.k", max: 1, onConflict } });

  it("queue in order, per value", async () => {
    const it = await open();
    const plan = keyed("queue");
    const a = await it.run(plan, { inputs: { k: "x" } });
    const b = await it.run(plan, { inputs: { k: "x" } });
    const other = await it.run(plan, { inputs: { k: "y" } });
    assert.deepEqual([a.status, b.status, other.status], ["running", "queued", "running"]);
    assert.equal((await it.engine.view(b.id)).tasks[0]?.waiting?.kind, "key");
    await it.finish("k");
    assert.equal((await it.row(b.id)).status, "running");
  });

  it("reject what comes second", async () => {
    const it = await open();
    await it.run(keyed("reject"), { inputs: { k: "x" } });
    await assert.rejects(it.run(keyed("reject"), { inputs: { k: "x" } }), code("concurrency_limit"));
  });

  it("cancel the one that runs", async () => {
    const it = await open();
    const a = await it.run(keyed("cancel-running"), { inputs: { k: "x" } });
    const b = await it.run(keyed("cancel-running"), { inputs: { k: "x" } });
    assert.equal((await it.row(a.id)).status, "cancelled");
    assert.equal((await it.row(b.id)).status, "running");
  });
});

describe("limits", () => {
  it("share slots fairly between namespaces and put higher priority first", async () => {
    const it = await open({ limits: { inline: 2, running: 2 } });
    const many = Array.from({ length: 20 }, (_, n) => n);
    const wide = planOf([
      hold("w", { forEach: { items: JSON.stringify(many), as: "n", max: 100, onItemFailure: "stop" } }),
    ]);
    const small = planOf([hold("s")], {
      workflow: { namespace: "other", name: "small", version: "1.0.0", digest: digestOf("s") },
    });
    await it.run(wide);
    await it.run(small);
    const low = await it.run(planOf([hold("low")]));
    const high = await it.run(planOf([hold("high")]), { priority: 10 });
    assert.deepEqual(it.working(), ["w[0]", "w[1]"]);
    await it.finish("w", undefined, 0);
    assert.deepEqual(it.working(), ["w[1]", "s"]);
    await it.finish("w", undefined, 1);
    assert.deepEqual(it.working(), ["s", "high"]);
    assert.equal((await it.engine.view(low.id)).tasks[0]?.waiting?.kind, "slot");
    assert.equal((await it.row(high.id)).status, "running");
  });

  it("refuse a start beyond the mailbox, and take it when there is room", async () => {
    const it = await open({ limits: { mailbox: 3 } });
    const request = {
      plan: stored(planOf([{ id: "a" }])),
      inputs: {},
      purpose: "test",
      authority: "",
      initiator: OWNER,
    };
    const starts = Promise.allSettled(Array.from({ length: 10 }, async () => it.engine.start(request)));
    await it.settle();
    const results = await starts;
    const refused = results.filter((result) => result.status === "rejected");
    assert.equal(refused.length, 7);
    for (const result of refused) assert.ok(code("overloaded")(result.reason));
    assert.equal((await it.run(planOf([{ id: "a" }]))).status, "succeeded");
  });

  it("refuse inputs that are too large", async () => {
    const it = await open({ limits: { inputBytes: 100 } });
    await assert.rejects(it.run(planOf([{ id: "a" }]), { inputs: { x: "y".repeat(200) } }), code("payload_too_large"));
  });
});

describe("timeouts", () => {
  it("stop an attempt that runs too long, and one that gives no sign of life", async () => {
    const it = await open();
    const slow = await it.run(planOf([hold("a", { timeout: { runMs: 5000 } })]));
    const silent = await it.run(planOf([hold("b", { timeout: { heartbeatMs: 2000 } })]));
    await it.pass(1500);
    it.held.find(({ request }) => request.task === "b")?.request.beat();
    await it.pass(1000);
    assert.deepEqual(it.working(), ["a", "b"]);
    await it.pass(2500);
    assert.match((await it.row(silent.id)).error ?? "", /sign of life/);
    await it.pass(1000);
    assert.match((await it.row(slow.id)).error ?? "", /longer than timeout.run/);
  });

  it("assume the result of an attempt that does not stop", async () => {
    const it = await open({ execute: async () => new Promise(() => undefined) });
    const row = await it.run(planOf([hold("a", { timeout: { runMs: 1000 } })]));
    await it.pass(1000 + 10_000 + 15_000);
    assert.equal((await it.row(row.id)).status, "failed");
  });
});

describe("a store that fails", () => {
  const failing =
    (fail: { error: Error | null }) =>
    (store: Store): Store =>
      new Proxy(store, {
        get(target, name) {
          if (name === "commit" && fail.error !== null) return async () => Promise.reject(fail.error);
          const value: unknown = Reflect.get(target, name);
          return typeof value === "function" ? value.bind(target) : value;
        },
      });

  it("loses nothing: the result is kept, starts are refused with the cause, and all goes on", async () => {
    const fail: { error: Error | null } = { error: null };
    const it = await open({ store: failing(fail) });
    const row = await it.run(planOf([hold("a")]));
    fail.error = new MaestroError("storage_full", "no space");
    await it.finish("a", { ok: true, output: { v: 7 } });
    assert.equal((await it.row(row.id)).status, "running");
    await assert.rejects(it.run(planOf([{ id: "b" }])), code("storage_full"));
    fail.error = null;
    await it.pass(1000);
    assert.equal((await it.row(row.id)).status, "succeeded");
    const finished = (await it.events(row.id)).filter((event) => event.kind === "attempt_finished");
    assert.equal(finished.length, 1);
    assert.equal((await it.run(planOf([{ id: "b" }]))).status, "succeeded");
  });

  it("lets another writer win and goes on from what is stored", async () => {
    const fail: { error: Error | null } = { error: null };
    const it = await open({ store: failing(fail) });
    const row = await it.run(planOf([hold("a")]));
    fail.error = new MaestroError("run_conflict", "another was first", { facts: { run: row.id } });
    const held = it.held[0]!;
    it.held.length = 0;
    held.finish({ ok: true, output: {} });
    await it.engine.tick();
    fail.error = null;
    await it.settle();
    assert.equal((await it.row(row.id)).status, "succeeded");
  });
});

describe("children", () => {
  it("are runs of their own, and their end reaches the parent even over a crash", async () => {
    const it = await open();
    const child = planOf([hold("work")], {
      workflow: { namespace: "test", name: "child", version: "1.0.0", digest: digestOf("c") },
      outputs: { y: "${{ tasks.work.output.y }}" },
    });
    await it.store.planPut(stored(child));
    const uses = {
      kind: "runbook",
      namespace: "test",
      name: "child",
      version: "1.0.0",
      planDigest: stored(child).digest,
    } as const;
    const parent = await it.run(planOf([{ id: "c", uses }], { outputs: { z: "${{ tasks.c.output.y }}" } }));
    assert.deepEqual(it.working(), ["work"]);
    await it.crash();
    await it.finish("work", { ok: true, output: { y: 5 } });
    const view = await it.engine.view(parent.id);
    assert.deepEqual(view.outputs, { z: 5 });
    const children = await it.store.runList({ parentRun: parent.id, limit: 10 });
    assert.equal(children.runs.length, 1);
    assert.notEqual(await it.store.receiptGet(children.runs[0]!.id), undefined);
  });

  it("are cancelled with their parent", async () => {
    const it = await open();
    const child = planOf([hold("work")], {
      workflow: { namespace: "test", name: "child", version: "1.0.0", digest: digestOf("c") },
    });
    await it.store.planPut(stored(child));
    const parent = await it.run(
      planOf([
        {
          id: "c",
          uses: {
            kind: "runbook",
            namespace: "test",
            name: "child",
            version: "1.0.0",
            planDigest: stored(child).digest,
          },
        },
      ]),
    );
    const sent = it.engine.send(parent.id, { kind: "cancel", by: OWNER, reason: "stop", force: false });
    await it.settle();
    await sent;
    assert.equal((await it.row(parent.id)).status, "cancelled");
    const [run] = (await it.store.runList({ parentRun: parent.id, limit: 1 })).runs;
    assert.equal(run?.status, "cancelled");
  });
});

describe("a thousand submissions at once", () => {
  it("all run", async () => {
    const it = await open();
    const request = {
      plan: stored(planOf([{ id: "a" }, { id: "b", needs: ["a"] }])),
      inputs: {},
      purpose: "test",
      authority: "",
      initiator: OWNER,
    };
    const starts = Promise.all(Array.from({ length: 1000 }, async () => it.engine.start(request)));
    await it.settle();
    const rows = await starts;
    assert.equal(new Set(rows.map((row) => row.id)).size, 1000);
    for (const row of rows) assert.equal((await it.row(row.id)).status, "succeeded");
  });
});
