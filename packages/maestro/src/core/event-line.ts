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
