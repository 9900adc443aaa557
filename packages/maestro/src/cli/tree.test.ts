import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { RunView, StepStatus, TaskView } from "../engine/engine.ts";
import { displayWidth } from "./terminal/text.ts";
import { treeLines } from "./tree.ts";

const DIGEST = `sha256:${"9f2c81ab".repeat(8)}` as const;
const T0 = Date.UTC(2026, 10, 21, 12, 0, 0);

function task(id: string, status: StepStatus, more: Partial<TaskView> = {}): TaskView {
  const started = status === "pending" || status === "skipped" ? null : T0;
  const ended = status === "succeeded" || status === "failed" ? T0 + 4000 : null;
  return {
    id,
    phase: "main",
    uses: "exec@1",
    needs: [],
    status,
    startedAt: started,
    endedAt: ended,
    counts: { [status]: 1 },
    attempts: 1,
    fanOut: false,
    cachedFrom: null,
    error: null,
    waiting: null,
    steps: [],
    ...more,
  };
}

function view(tasks: readonly TaskView[], run: Partial<RunView["run"]> = {}): RunView {
  return {
    run: {
      id: "r_01kskvgq08k2f3abcdef",
      namespace: "platform",
      workflow: "release",
      version: "1.0.0",
      name: "release",
      planDigest: DIGEST,
      status: "running",
      waiting: null,
      initiator: "ada",
      purpose: "release",
      labels: {},
      priority: 0,
      createdAt: T0,
      startedAt: T0,
      endedAt: null,
      wakeAt: null,
      concurrencyKey: null,
      idempotencyKey: null,
      parentRun: null,
      tasksTotal: tasks.length,
      tasksDone: tasks.filter(({ status }) => status === "succeeded").length,
      error: null,
      seq: 1,
      head: DIGEST,
      ...run,
    },
    authority: "",
    inputs: {},
    outputs: null,
    error: null,
    tasks,
    used: { wallMs: 0, tasks: 0, usdMicros: 0 },
    receipts: [],
  };
}

const options = { width: 80, height: 12, now: T0 + 62_000, style: { colour: false, unicode: true } };

describe("treeLines()", () => {
  it("shows tasks in plan order, counts of fan-outs, why something waits, and what is queued as one line", () => {
    const lines = treeLines(
      view([
        task("checkout", "succeeded"),
        task("test", "running", { fanOut: true, counts: { succeeded: 300, running: 8, pending: 4 } }),
        task("approve-prod", "waiting", { waiting: { kind: "approval", text: "1 of 2 approvals by release-manager" } }),
        task("migrate", "pending"),
        task("rollout", "pending"),
      ]),
      options,
    );
    assert.deepEqual(lines, [
      "◐ release abcdef  running  1m02s  1 of 5 tasks  plan sha256:9f2c81ab9f2c…",
      "  ✓ checkout                  4.0s",
      "  ◐ test          300 of 312  1m02s",
      "  ◫ approve-prod              1m02s   1 of 2 approvals by release-manager",
      "  ○ 2 queued: migrate, rollout",
    ]);
  });

  it("says what failed, items of a fan-out below their task", () => {
    const error = { code: "EXIT", message: 'exit 1: relation "orders"\nalready exists' };
    const lines = treeLines(
      view(
        [
          task("check", "failed", {
            fanOut: true,
            counts: { succeeded: 8, failed: 2 },
            steps: [{ task: "check", item: 3, status: "failed", attempt: 2, error }],
          }),
          task("pack", "failed", { error }),
        ],
        { status: "failed", endedAt: T0 + 5000 },
      ),
      options,
    );
    assert.deepEqual(lines.slice(1), [
      "  ✗ check     10 of 10, 2 failed  4.0s",
      '    ✗ check[3]                      EXIT: exit 1: relation "orders" already exi…',
      '  ✗ pack                          4.0s    EXIT: exit 1: relation "orders" alrea…',
    ]);
  });

  it("shows refusals as denied, not as failed", () => {
    const lines = treeLines(
      view([task("publish", "failed", { error: { code: "APPROVAL_DENIED", message: "freeze" } })]),
      options,
    );
    assert.match(lines[1] ?? "", /^ {2}⊘ publish/);
  });

  it("folds what has passed into a count when there is no room, and keeps failed, waiting and running", () => {
    const tasks = [
      ...Array.from({ length: 50 }, (_, i) => task(`done-${i}`, "succeeded")),
      ...Array.from({ length: 20 }, (_, i) => task(`busy-${i}`, "running")),
      task("broken", "failed", { error: { code: "EXIT", message: "exit 2" } }),
      task("later", "pending"),
    ];
    const lines = treeLines(view(tasks), options);
    assert.equal(lines.length, 12);
    assert.match(lines[1] ?? "", /✓ 50 passed: done-0, done-1/);
    assert.ok(lines.some((line) => line.includes("✗ broken")));
    assert.match(lines.at(-2) ?? "", /◐ 13 more: busy-/);
    assert.match(lines.at(-1) ?? "", /○ 1 queued: later/);
  });

  it("uses ASCII shapes where the terminal has no others", () => {
    const lines = treeLines(view([task("a", "succeeded"), task("b", "failed"), task("c", "running")]), {
      ...options,
      style: { colour: false, unicode: false },
    });
    assert.deepEqual(
      lines.map((line) => line.trimStart().charAt(0)),
      [">", "+", "x", ">"],
    );
  });

  it("never draws more lines or columns than there are, whatever the names", () => {
    const status = fc.constantFrom<StepStatus>(
      "pending",
      "running",
      "waiting",
      "succeeded",
      "failed",
      "skipped",
      "cancelled",
    );
    const anyTask = fc
      .record({
        id: fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 }),
        status,
        message: fc.string({ unit: "binary", maxLength: 120 }),
        fanOut: fc.boolean(),
      })
      .map(({ id, status, message, fanOut }) =>
        task(id, status, {
          fanOut,
          error: status === "failed" ? { code: "EXIT", message } : null,
          waiting: status === "waiting" ? { kind: "approval", text: message } : null,
          steps: fanOut ? [{ task: id, item: 1, status: "failed", attempt: 1, error: { code: "X", message } }] : [],
        }),
      );
    fc.assert(
      fc.property(
        fc.array(anyTask, { maxLength: 40 }),
        fc.integer({ min: 20, max: 200 }),
        fc.integer({ min: 4, max: 20 }),
        (tasks, width, height) => {
          const lines = treeLines(view(tasks), { ...options, width, height });
          assert.ok(lines.length <= height, `${lines.length} lines in ${height}`);
          for (const line of lines) {
            assert.ok(displayWidth(line) <= width, `${JSON.stringify(line)} in ${width}`);
            // oxlint-disable-next-line no-control-regex -- nothing a terminal obeys may be left
            assert.doesNotMatch(line, /[\x00-\x1f\x7f-\x9f]/);
          }
        },
      ),
    );
  });
});
