import type { RunEvent } from "./event.ts";

/** An event in one line, as tests name it: `attempt_finished deploy failed TIMEOUT`. */
export function eventLine(event: RunEvent): string {
  const step =
    "task" in event && event.task !== undefined
      ? `${event.task}${"item" in event && event.item !== undefined && event.item !== -1 ? `[${event.item}]` : ""}`
      : "";
  return [event.kind, step, ...detailsOf(event)].filter((word) => word !== "").join(" ");
}

function detailsOf(event: RunEvent): readonly string[] {
  switch (event.kind) {
    case "policy_decided":
      return [event.decision.allow ? "allow" : "deny", ...(event.task === undefined ? [event.action] : [])];
    case "task_skipped":
      return [event.reason];
    case "task_failed":
    case "step_failed":
      return [event.error.code];
    case "attempt_started":
      return event.phase === "undo" ? ["undo"] : [];
    case "attempt_finished":
      return event.result.ok ? ["succeeded"] : ["failed", event.result.error.code];
    case "wait_started":
      return event.signal === undefined ? [] : [event.signal];
    case "signal_received":
      return [event.name];
    case "approval_given":
      return [event.verdict, event.by.id];
    case "child_finished":
      return [event.status];
    case "budget_exceeded":
      return [event.dimension];
    case "run_ended":
      return [event.status];
    default:
      return [];
  }
}

/** What the second word of an event's line is: its task, a task or what was decided of the run, something else or nothing. */
export const EVENT_SUBJECTS: Readonly<Record<RunEvent["kind"], "task" | "decision" | "other">> = {
  run_created: "other",
  policy_decided: "decision",
  run_started: "other",
  task_expanded: "task",
  task_skipped: "task",
  task_failed: "task",
  task_reused: "task",
  attempt_started: "task",
  attempt_finished: "task",
  retry_scheduled: "task",
  poll_scheduled: "task",
  step_cached: "task",
  until_met: "task",
  step_failed: "task",
  step_cancelled: "task",
  wait_started: "task",
  wait_finished: "task",
  signal_received: "other",
  approval_requested: "task",
  approval_given: "task",
  approval_expired: "task",
  child_started: "task",
  child_finished: "task",
  cancel_requested: "other",
  budget_exceeded: "other",
  rollback_started: "other",
  finally_started: "other",
  run_reopened: "other",
  run_ended: "other",
};
