import type { JsonValue } from "../../../src/core/json.ts";
import type { RunEvent } from "../../../src/core/event.ts";

/**
 * What a history says when everything that a kill may rightly change is taken out: ids, times, numbers of attempts, and
 * attempts that were lost with the retries that followed them. Steps are told apart, because those that do not depend on
 * one another may come in any order.
 */
export function essence(events: readonly RunEvent[]): { readonly [track: string]: readonly string[] } {
  const tracks = new Map<string, string[]>();
  const lost = new Set<string>();
  for (const event of events) {
    if (event.kind === "attempt_finished" && isLost(event)) lost.add(stepName(event));
    else if (event.kind === "retry_scheduled" && lost.delete(stepName(event))) continue;
    else {
      const said = saying(event);
      if (said === undefined) continue;
      const track = "task" in event && event.task !== undefined ? stepName(event) : "run";
      const list = tracks.get(track) ?? [];
      tracks.set(track, list);
      list.push(said);
    }
  }
  return Object.fromEntries([...tracks].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** What a run came to, whatever way it took. */
export function outcome(events: readonly RunEvent[]): JsonValue {
  const last = events.at(-1);
  return last?.kind === "run_ended" ? [last.status, last.outputs, last.error?.code ?? null] : ["open"];
}

export function isLost(event: RunEvent): boolean {
  return event.kind === "attempt_finished" && !event.result.ok && event.result.error.code === "LOST";
}

export function stepName(event: { readonly task?: string; readonly item?: number }): string {
  return event.item === undefined || event.item === -1 ? `${event.task}` : `${event.task}[${event.item}]`;
}

function saying(event: RunEvent): string | undefined {
  switch (event.kind) {
    // As many as there are results, unless they were lost.
    case "attempt_started":
      return undefined;
    case "attempt_finished":
      return text(
        event.kind,
        event.result.ok ? event.result.output : [event.result.error.code, event.result.exit ?? null],
      );
    case "policy_decided":
      return text(event.kind, [event.action, event.decision.allow]);
    case "task_expanded":
      return text(event.kind, [...event.items]);
    case "task_skipped":
      return text(event.kind, event.reason);
    case "task_failed":
    case "step_failed":
      return text(event.kind, event.error.code);
    case "wait_finished":
      return text(event.kind, isWaited(event.output) ? "time" : event.output);
    case "wait_started":
      return text(event.kind, event.signal ?? "time");
    case "poll_scheduled":
      return text(event.kind, event.round);
    case "step_cached":
      return text(event.kind, event.result.output);
    case "signal_received":
      return text(event.kind, [event.name, event.payload]);
    case "approval_given":
      return text(event.kind, [event.verdict, event.by.id]);
    case "child_finished":
      return text(event.kind, [event.status, event.output, event.receipt !== undefined]);
    case "budget_exceeded":
      return text(event.kind, event.dimension);
    case "run_ended":
      return text(event.kind, [event.status, event.outputs, event.error?.code ?? null]);
    default:
      return event.kind;
  }
}

function isWaited(output: JsonValue): boolean {
  return typeof output === "object" && output !== null && "waitedMs" in output;
}

function text(kind: string, value: JsonValue): string {
  return `${kind} ${JSON.stringify(value)}`;
}
