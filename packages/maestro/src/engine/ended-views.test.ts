import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EngineBench } from "../../test/support/engine.ts";
import { OWNER, planOf } from "../../test/support/world.ts";
import { sha256 } from "../core/digest.ts";
import { sampleRun } from "../store/sample.ts";
import type { RunRow } from "../store/store.ts";
import { EndedViews } from "./ended-views.ts";
import type { RunView } from "./engine.ts";

const row = (n: number, changes: Partial<RunRow> = {}): RunRow =>
  sampleRun(n, { status: "succeeded", endedAt: 5, head: sha256(`head ${n}`), ...changes });
const view = (run: RunRow, text = ""): RunView => ({
  run,
  authority: "",
  inputs: { text },
  outputs: null,
  error: null,
  tasks: [],
  used: { wallMs: 0, tasks: 0, usdMicros: 0 },
  receipts: [],
});

describe("views of runs that have ended", () => {
  it("are found while the history is the same", () => {
    const views = new EndedViews();
    const run = row(1);
    const kept = view(run);
    assert.equal(views.find(run), undefined);
    views.keep(run, kept);
    assert.equal(views.find(run), kept);
    assert.equal(views.find({ ...run, head: sha256("another") }), undefined, "it went on and ended again");
    assert.equal(views.find({ ...run, endedAt: null }), undefined, "it was opened again");
    views.forget(run.id);
    assert.equal(views.find(run), undefined);
  });

  it("are not kept of runs that go on, nor what is large", () => {
    const views = new EndedViews();
    const [active, large] = [row(1, { endedAt: null }), row(2)];
    views.keep(active, view(active));
    views.keep(large, view(large, "x".repeat(32 * 1024)));
    assert.equal(views.find({ ...active, endedAt: 5 }), undefined);
    assert.equal(views.find(large), undefined);
  });

  it("go when there are too many, the longest not looked at first", () => {
    const views = new EndedViews();
    const runs = Array.from({ length: 300 }, (_, n) => row(n + 1));
    const text = "x".repeat(31 * 1024);
    for (const run of runs) {
      views.keep(run, view(run, text));
      assert.notEqual(views.find(runs[0]!), undefined, "the first is looked at all the time");
    }
    const kept = runs.filter((run) => views.find(run) !== undefined);
    assert.ok(kept.length > 200 && kept.length < 270, `${kept.length} are kept`);
    assert.deepEqual(
      kept.map((run) => run.id),
      [runs[0], ...runs.slice(1 - kept.length)].map((run) => run?.id),
    );
  });
});

describe("looking at a run that has ended", () => {
  it("reads its history once, sees that it was tried again, and nothing of it when it was removed", async () => {
    let reads = 0;
    const bench = await EngineBench.open({
      store: (store) =>
        new Proxy(store, {
          get(target, name) {
            if (name === "runEvents") reads += 1;
            const member: unknown = Reflect.get(target, name);
            return typeof member === "function" ? member.bind(target) : member;
          },
        }),
    });
    try {
      const { id } = await bench.run(planOf([{ id: "a", uses: "http" }]));
      await bench.finish("a", { ok: false, error: { code: "EXIT", message: "no" } });
      const first = await bench.engine.view(id);
      assert.equal(reads, 1);
      assert.deepEqual(await bench.engine.view(id), first);
      assert.equal(reads, 1);
      const sent = bench.engine.send(id, { kind: "retry", by: OWNER });
      await bench.settle();
      await sent;
      assert.equal((await bench.engine.view(id)).run.status, "running");
      await bench.finish("a");
      const second = await bench.engine.view(id);
      assert.deepEqual([second.run.status, second.receipts[0]?.ordinal], ["succeeded", 2]);
      const { seq, head } = await bench.row(id);
      const removal = {
        run: id,
        part: "events",
        seq,
        head,
        removedAt: 9,
        removedBy: "engine",
        policy: "events 1d",
      } as const;
      assert.equal((await bench.store.retention.remove([removal])).done.length, 1);
      await assert.rejects(bench.engine.view(id), { code: "removed" });
    } finally {
      await bench.close();
    }
  });
});
