import type { EventBody, RunStatus } from "./event.ts";
import type { StepState } from "./run.ts";

type Kind = EventBody["kind"];

/** (run status, event) -> run status. What is not in the table is an illegal transition; this is the only place that knows. */
export const RUN_TRANSITIONS: Readonly<Record<RunStatus, Partial<Record<Kind, RunStatus>>>> = {
  queued: {
    policy_decided: "queued",
    task_reused: "queued",
    signal_received: "queued",
    run_started: "running",
    cancel_requested: "cancelling",
    run_ended: "denied",
  },
  running: {
    ...always("running"),
    cancel_requested: "cancelling",
    run_ended: "succeeded",
  },
  cancelling: {
    ...always("cancelling"),
    cancel_requested: "cancelling",
    run_ended: "cancelled",
  },
  succeeded: {},
  failed: { run_reopened: "running" },
  cancelled: { run_reopened: "running" },
  denied: { run_reopened: "running" },
};

function always(status: RunStatus): Partial<Record<Kind, RunStatus>> {
  const kinds: readonly Kind[] = [
    "policy_decided",
    "task_expanded",
    "task_skipped",
    "task_failed",
    "attempt_started",
    "attempt_finished",
    "retry_scheduled",
    "poll_scheduled",
    "step_cached",
    "until_met",
    "step_failed",
    "step_cancelled",
    "wait_started",
    "wait_finished",
    "signal_received",
    "approval_requested",
    "approval_given",
    "approval_expired",
    "child_started",
    "child_finished",
    "budget_exceeded",
    "rollback_started",
    "finally_started",
  ];
  return Object.fromEntries(kinds.map((kind) => [kind, status]));
}

/** (step state, event) -> step state, for the events that name a step. `attempt_finished` and `child_finished` have two ends. */
export const STEP_TRANSITIONS: Readonly<Record<StepState, Partial<Record<Kind, StepState>>>> = {
  pending: {
    policy_decided: "pending",
    attempt_started: "running",
    step_cached: "succeeded",
    wait_started: "waiting",
    wait_finished: "succeeded",
    child_started: "child",
    step_failed: "failed",
  },
  running: { attempt_finished: "judging" },
  judging: {
    retry_scheduled: "retrying",
    poll_scheduled: "polling",
    until_met: "succeeded",
    step_failed: "failed",
    step_cancelled: "cancelled",
  },
  retrying: { attempt_started: "running", child_started: "child", step_failed: "failed" },
  polling: { attempt_started: "running", child_started: "child", step_failed: "failed" },
  waiting: { wait_finished: "succeeded", step_failed: "failed" },
  child: { child_finished: "judging" },
  succeeded: { attempt_started: "undoing", step_failed: "undo_failed", policy_decided: "succeeded" },
  failed: {},
  cancelled: {},
  undoing: { attempt_finished: "undo_judging" },
  undo_judging: { retry_scheduled: "undo_retrying", step_failed: "undo_failed" },
  undo_retrying: { attempt_started: "undoing", step_failed: "undo_failed" },
  undone: {},
  undo_failed: {},
};
