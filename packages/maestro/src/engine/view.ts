import type { StepRef } from "../core/event.ts";
import { explainTask } from "../core/explain.ts";
import type { ProgramTask } from "../core/program.ts";
import { useText } from "../core/receipt-facts.ts";
import type { Step, StepState, TaskState } from "../core/run.ts";
import type { RunView, StepStatus, TaskView } from "./engine.ts";
import type { LiveRun } from "./live.ts";

const MAX_STEPS = 50;

/** A run as people see it. */
export function viewOf(live: LiveRun, now: number): RunView {
  const { run, program } = live;
  if (live.row === null) throw new TypeError(`run ${run.id} is not durable yet`);
  const end = run.endedAt ?? now;
  return {
    run: { ...live.row, tasksDone: run.tasks.length - run.openMain - run.openFinally },
    authority: run.created.authority,
    inputs: run.created.inputs,
    outputs: run.outputs,
    error: run.error,
    tasks: program.tasks.map((task) => taskView(live, task, run.tasks[task.index]!, now)),
    used: {
      wallMs: run.startedAt === null ? 0 : Math.max(0, end - run.wallFrom),
      tasks: run.usedTasks,
      usdMicros: run.usedUsdMicros,
    },
    receipts: live.lastReceipt === null ? [] : [{ ordinal: live.lastReceipt.ordinal, digest: live.lastReceipt.digest }],
  };
}

function taskView(live: LiveRun, linked: ProgramTask, task: TaskState, now: number): TaskView {
  const { plan } = linked;
  const fanOut = linked.items !== undefined;
  const waiting = explainTask(live.program, live.run, task, now);
  const status = taskStatus(task, waiting !== null);
  return {
    id: plan.id,
    phase: plan.phase,
    uses: useText(plan.uses),
    needs: plan.needs,
    status,
    startedAt: task.startedAt,
    endedAt: task.endedAt,
    counts: countsOf(task, status),
    attempts: fanOut ? 0 : (task.steps[0]?.attempt ?? 0),
    fanOut,
    cachedFrom: task.reusedFrom ?? (fanOut ? null : (task.steps[0]?.cachedFrom ?? null)),
    error: task.error,
    waiting,
    steps: worthALine(task, plan.id),
  };
}

function taskStatus(task: TaskState, waits: boolean): StepStatus {
  switch (task.status) {
    case "pending":
      return task.approval !== null || (task.steps[0] !== undefined && task.steps[0].status !== "pending")
        ? "waiting"
        : "pending";
    case "active":
      return waits ? "waiting" : "running";
    default:
      return task.status;
  }
}

function countsOf(task: TaskState, status: StepStatus): TaskView["counts"] {
  if (task.items === null) return { [status]: 1 };
  const counts: Partial<Record<StepStatus, number>> = {};
  if (task.succeeded > 0) counts.succeeded = task.succeeded;
  if (task.failed > 0) counts.failed = task.failed;
  if (task.cancelled > 0) counts.cancelled = task.cancelled;
  let running = 0;
  let waiting = 0;
  if (task.active > 0) {
    for (const step of task.steps) {
      if (step.status === "running") running += 1;
      else if (
        step.status === "retrying" ||
        step.status === "polling" ||
        step.status === "waiting" ||
        step.status === "child"
      )
        waiting += 1;
    }
  }
  if (running > 0) counts.running = running;
  if (waiting > 0) counts.waiting = waiting;
  const pending = task.open - running - waiting;
  if (pending > 0) counts.pending = pending;
  return counts;
}

function worthALine(task: TaskState, id: string): TaskView["steps"] {
  const lines: (StepRef & { status: StepStatus; attempt: number; error: Step["error"] })[] = [];
  for (const step of task.steps) {
    const status = stepStatus(step.status);
    if (status !== "running" && status !== "waiting" && status !== "failed") continue;
    lines.push({ task: id, item: step.item, status, attempt: step.attempt, error: step.error });
    if (lines.length === MAX_STEPS) break;
  }
  return lines;
}

function stepStatus(state: StepState): StepStatus {
  switch (state) {
    case "pending":
      return "pending";
    case "running":
    case "judging":
    case "undoing":
    case "undo_judging":
      return "running";
    case "retrying":
    case "polling":
    case "waiting":
    case "child":
    case "undo_retrying":
      return "waiting";
    case "succeeded":
    case "undone":
      return "succeeded";
    case "failed":
    case "undo_failed":
      return "failed";
    case "cancelled":
      return "cancelled";
  }
}
