import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ChangedRuns } from "./changed-runs.ts";
import { RunTexts } from "./run-texts.ts";
import { sampleRun } from "./sample.ts";

describe("the texts of runs", () => {
  /** Runs whose seq is what `seqs` says; counts what is read of them. */
  function make(name = "") {
    const table = { seq: 1, read: 0 };
    const texts = new RunTexts({
      slice: () => [],
      runs: (ids) => {
        table.read += ids.length;
        return ids.filter((id) => id !== "none").map((id) => sampleRun(1, { id, name, seq: table.seq }));
      },
    });
    const seqs = (...ids: readonly string[]): readonly unknown[] =>
      texts.runs(ids).map(({ text }) => (JSON.parse(text) as { readonly seq: number }).seq);
    return { table, texts, seqs };
  }

  it("are read once, and anew when their runs have changed", () => {
    const { table, texts, seqs } = make();
    assert.deepEqual(seqs("a", "b"), [1, 1]);
    table.seq = 2;
    assert.deepEqual(seqs("a", "b"), [1, 1]);
    texts.forget(["b", "c"]);
    assert.deepEqual(seqs("a", "b", "none"), [1, 2]);
    assert.equal(table.read, 4);
    texts.forgetAll();
    assert.deepEqual(seqs("a", "b"), [2, 2]);
  });

  it("go as others come, the oldest first", () => {
    const { table, seqs } = make("x".repeat(100_000));
    for (let n = 0; n < 200; n++) seqs(`r${n}`);
    seqs("r199");
    assert.equal(table.read, 200);
    seqs("r0");
    assert.equal(table.read, 201);
  });
});

describe("what has changed", () => {
  it("is told once, and by ids as long as there are few", () => {
    const changed = new ChangedRuns();
    assert.deepEqual(changed.take(), []);
    changed.add(["a", "b", "a"]);
    assert.deepEqual(changed.take(), ["a", "b"]);
    assert.deepEqual(changed.take(), []);
    changed.add(Array.from({ length: 5_000 }, (_, n) => `r${n}`));
    changed.add(["a"]);
    assert.equal(changed.take(), "any");
    changed.add(["a"]);
    assert.deepEqual(changed.take(), ["a"]);
  });
});
