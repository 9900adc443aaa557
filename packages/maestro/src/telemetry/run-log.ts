import type { RunEvent } from "../core/event.ts";
import { traceIdOf } from "../core/trace-context.ts";
import type { LiveRun } from "../engine/live.ts";
import type { EngineParts } from "../engine/parts.ts";
import type { Log, LogFields, LogLevel } from "./log.ts";

/** Runs whose request and trace are remembered, for lines about them that come from elsewhere. */
const MAX_REMEMBERED = 10_000;

/**
 * Lines about what happens to runs, and the ids that tie a line to its request and its trace. A run is told of at `info`
 * when it is recorded, when it waits for people and when it ends, its attempts at `debug`, what failed above that.
 */
export class RunLog {
  private readonly log: Log;
  private readonly traces: EngineParts["traces"];
  private readonly ids = new Map<string, LogFields>();

  constructor(log: Log, traces: EngineParts["traces"]) {
    this.log = log;
    this.traces = traces;
  }

  /** The ids that belong to the fields' run. */
  complete(fields: LogFields): LogFields {
    const ids = typeof fields["run"] === "string" ? this.ids.get(fields["run"]) : undefined;
    return ids === undefined ? fields : { ...fields, ...ids };
  }

  observe(live: LiveRun, events: readonly RunEvent[]): void {
    this.remember(live);
    if (!this.log.shows("info")) return;
    for (const event of events) this.tell(live, event);
  }

  private remember({ run: { id, created } }: LiveRun): void {
    if (this.ids.has(id)) return;
    const { origin } = created;
    const traced = origin?.traceparent !== undefined || this.traces?.(created) === true;
    if (!traced && origin?.request === undefined) return;
    if (this.ids.size >= MAX_REMEMBERED) this.ids.delete(this.ids.keys().next().value!);
    this.ids.set(id, {
      ...(origin?.request === undefined ? {} : { requestId: origin.request }),
      ...(traced ? { traceId: traceIdOf(created) } : {}),
    });
  }

  private tell(live: LiveRun, event: RunEvent): void {
    const { id: run, created, startedAt } = live.run;
    switch (event.kind) {
      case "run_created": {
        const { namespace, name, version } = live.program.plan.workflow;
        const parent = created.parent === undefined ? {} : { parent: created.parent.run };
        return this.line("info", "a run was recorded", {
          run,
          workflow: `${namespace}/${name}@${version}`,
          ...parent,
        });
      }
      case "policy_decided":
        if (event.decision.allow) return;
        return this.line("warn", "the gate said no", {
          run,
          action: event.action,
          ...(event.task === undefined ? {} : { task: event.task }),
          reason: event.decision.reasons.join("; "),
        });
      case "run_reopened":
        return this.line("info", "a run was opened again", { run });
      case "cancel_requested":
        return this.line("info", "a run is to be cancelled", { run, by: event.by.id });
      case "approval_requested":
        return this.line("info", "a task waits for approval", { run, task: event.task, approval: event.approval });
      case "attempt_started":
        return this.line("debug", "an attempt was started", { run, ...attemptOf(event) });
      case "attempt_finished": {
        const fields = { run, ...attemptOf(event) };
        if (event.result.ok) return this.line("debug", "an attempt succeeded", fields);
        return this.line("info", "an attempt failed", {
          ...fields,
          ...this.errorOf(live, event.task, event.result.error),
        });
      }
      case "run_ended": {
        const { status, error } = event;
        const failed = error === undefined ? {} : { code: error.code };
        const fields = { run, status, durationMs: event.at - (startedAt ?? live.run.createdAt), ...failed };
        return this.line(status === "failed" ? "warn" : "info", `a run ended`, fields);
      }
      default:
        return;
    }
  }

  /** What a sensitive task says of its failure may hold what it was given. */
  private errorOf(live: LiveRun, task: string, error: { readonly code: string; readonly message: string }): LogFields {
    const { plan } = live.program.tasks[live.program.index.get(task)!]!;
    return plan.sensitive === true ? { code: error.code } : { code: error.code, error: error.message };
  }

  private line(level: LogLevel, message: string, fields: LogFields): void {
    this.log.write(level, message, this.complete(fields));
  }
}

function attemptOf(event: { readonly task: string; readonly item: number; readonly attempt: number }): LogFields {
  const { task, item, attempt } = event;
  return { task, ...(item === -1 ? {} : { item }), attempt };
}
