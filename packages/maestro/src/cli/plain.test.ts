import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { EventBody, RunEvent, TaskError } from "../core/event.ts";
import { PlainLines } from "./plain.ts";

const ERROR: TaskError = { code: "LICENSE", message: "left-pad@1.3.0 is under WTFPL" };

describe("PlainLines", () => {
  it("tells a small fan-out item by item, and an error once", () => {
    assert.deepEqual(told(2, 1), [
      "check expanded items=2",
      "check[0] started attempt=1",
      "check[0] succeeded attempt=1 took=0.0s",
      "check[1] started attempt=1",
      "check[1] failed attempt=1 took=0.0s error=LICENSE: left-pad@1.3.0 is under WTFPL",
    ]);
  });

  it("tells a large fan-out in tenths, and every failure", () => {
    const lines = told(100, 41);
    assert.equal(lines[0], "check expanded items=100");
    assert.deepEqual(
      lines.filter((line) => / of /.test(line)),
      [10, 20, 30, 40, 50, 60, 70, 80, 90, 100].map((done) => `check ${done} of 100`),
    );
    assert.deepEqual(
      lines.filter((line) => /failed/.test(line)),
      ["check[41] failed attempt=1 error=LICENSE: left-pad@1.3.0 is under WTFPL"],
    );
    assert.equal(lines.length, 12);
  });

  it("tells how many items a list has that lies in the blob store", () => {
    for (const [blobs, line] of [
      [[{ path: ["items"], length: 12_000 }], "check expanded items=12000"],
      [[{ path: ["items"] }], "check expanded"],
    ] as const) {
      const lines = new PlainLines("r_000000");
      const stored = { ...event({ kind: "task_expanded", task: "check", items: [] }), items: null, blobs };
      assert.ok(lines.line(stored as unknown as RunEvent)?.endsWith(line));
      const started = event({ kind: "attempt_started", task: "check", item: 1, attempt: 1 });
      assert.equal(lines.line(started), undefined, "items of so many are not told one by one");
    }
  });

  it("leaves nothing out of a complete history", () => {
    assert.equal(told(100, 41, { complete: true }).length, 1 + 200 + 1);
  });

  it("tells why a step failed that had no attempt", () => {
    const lines = new PlainLines("r_000000");
    const line = lines.line(event({ kind: "step_failed", task: "a", item: -1, error: ERROR }));
    assert.match(line ?? "", /a failed error=LICENSE: /);
  });

  it("tells an error of several lines in one", () => {
    const error = { code: "EXIT", message: "sh exited with 3. Its last words:\n  one\n  two" };
    const line = new PlainLines("r_000000").line(event({ kind: "step_failed", task: "a", item: -1, error }));
    assert.match(line ?? "", /a failed error=EXIT: sh exited with 3\. Its last words: one two$/);
  });
});

/** The lines of a fan-out whose item `bad` fails, without time and run. */
function told(items: number, bad: number, options = {}): readonly string[] {
  const lines = new PlainLines("r_000000", options);
  const events = [
    event({ kind: "task_expanded", task: "check", items: Array.from({ length: items }, (_, i) => i) }),
    ...Array.from({ length: items }, (_, item) => [
      event({ kind: "attempt_started", task: "check", item, attempt: 1 }),
      event({
        kind: "attempt_finished",
        task: "check",
        item,
        attempt: 1,
        result: item === bad ? { ok: false, error: ERROR } : { ok: true, output: null },
      }),
      ...(item === bad ? [event({ kind: "step_failed", task: "check", item, error: ERROR })] : []),
    ]).flat(),
  ];
  return events.flatMap((one) => lines.line(one)?.split(" ").slice(2).join(" ") ?? []);
}

function event(body: EventBody): RunEvent {
  return { seq: 1, at: 0, ...body };
}
