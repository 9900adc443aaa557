import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { TaskError } from "../core/event.ts";
import type { RunView, TaskView } from "../engine/engine.ts";
import { PLAIN } from "./terminal/style.ts";
import { viewLines } from "./view-lines.ts";

describe("show", () => {
  it("tells how long a run has been at work", () => {
    assert.match(shown({ status: "running", endedAt: null }, [])[0] ?? "", / 12s {2}0 of 2 tasks/);
    assert.match(shown({ status: "succeeded", endedAt: 3000 }, [])[0] ?? "", / 2\.0s {2}0 of 2 tasks/);
  });

  it("tells why a task was skipped", () => {
    const tasks = [
      task("bad", { status: "failed" }),
      task("good", { status: "succeeded" }),
      task("after", { status: "skipped", needs: ["good", "bad"] }),
      task("later", { status: "skipped", needs: ["after"] }),
      task("unless", { status: "skipped", needs: ["good"] }),
      task("each", { status: "skipped", needs: ["good"], fanOut: true }),
    ];
    const why = shown({ status: "failed", endedAt: 3000 }, tasks).map((line) => line.split(/ {2,}/).at(-1));
    assert.deepEqual(why.slice(-4), [
      "bad failed",
      "after was skipped",
      "its condition was false",
      "its condition was false, or its list is empty",
    ]);
    const cancelled = shown({ status: "cancelled", endedAt: 3000 }, [task("a", { status: "skipped" })]);
    assert.match(cancelled.at(-1) ?? "", /skipped {2}noop@1$/);
  });

  it("does not send anybody to retry what a retry cannot mend", () => {
    const error: TaskError = { code: "PROGRAM_CHANGED", message: "another program was added", final: true };
    const failed = { status: "failed", endedAt: 3000 } as const;
    const next = (code: string): string =>
      shown(failed, [task("a", { status: "failed", error: { ...error, code } })]).join("\n");
    assert.match(next("EXIT"), /maestro retry 000001/);
    assert.match(next("EXIT"), /maestro logs 000001 --failed/);
    // Its program was not started, and so printed nothing.
    assert.doesNotMatch(next("PROGRAM_CHANGED"), /maestro (?:retry|logs)/);
    assert.match(next("PROGRAM_CHANGED"), /maestro task list -o wide/);
  });

  it("has the mandate, and all of why a run was denied, however narrow the terminal is", () => {
    const error = {
      code: "DENIED",
      message: "policy denied the run: no purpose is given; the runbook requires an authority and none is given",
    };
    const lines = shown({ status: "denied", endedAt: 2000 }, [], { error, authority: "OPS-7", width: 60 });
    const why = lines.findIndex((line) => line.startsWith("  why "));
    const next = lines.findIndex((line) => line.startsWith("  next "));
    const said = lines.slice(why, next).map((line) => line.slice(11));
    assert.equal(said.join(" "), `DENIED: ${error.message}`);
    assert.ok(said.length > 1 && lines.includes("  authority OPS-7"), lines.join("\n"));
  });
});

function shown(
  run: Partial<RunView["run"]>,
  tasks: readonly TaskView[],
  { width = 120, ...rest }: Partial<RunView> & { readonly width?: number } = {},
): readonly string[] {
  const row = {
    id: "r_000001",
    name: "hello",
    namespace: "t",
    workflow: "hello",
    version: "1.0.0",
    planDigest: "sha256:1",
  };
  const when = { createdAt: 1000, startedAt: 1000, tasksDone: 0, tasksTotal: 2, labels: {} };
  const view: Partial<RunView> = {
    run: { ...row, ...when, initiator: "ada", purpose: "", parentRun: null, ...run } as RunView["run"],
    used: { tasks: 1, usdMicros: 0 } as RunView["used"],
    authority: "",
    inputs: {},
    outputs: {},
    error: null,
    receipts: [],
    tasks,
    ...rest,
  };
  return viewLines(view as RunView, { style: PLAIN, proof: null, width, now: 13_000 });
}

function task(id: string, rest: Partial<TaskView>): TaskView {
  const made = { id, uses: "noop@1", needs: [], counts: {}, attempts: 1, fanOut: false, steps: [] };
  const nothing = { startedAt: null, endedAt: null, cachedFrom: null, error: null, waiting: null };
  return { phase: "main", status: "pending", ...made, ...nothing, ...rest };
}
