import type { RunEvent, TaskError } from "../core/event.ts";
import { clock, duration, shortId, stepName } from "./format.ts";
import { oneLine, safe } from "./terminal/text.ts";

/** A fan-out of more items than this is told in tenths, and by its failures. */
const EACH_ITEM = 20;

/**
 * A run's history as lines for logs and CI: one per transition, words first, particulars as `name=value`.
 * `12:01:07Z 8k2f3a migrate failed attempt=2 exit=1 took=19s`
 */
export class PlainLines {
  readonly #run: string;
  readonly #started = new Map<string, number>();
  /** Fan-outs that are told in tenths. */
  readonly #large = new Map<string, { readonly items: number; done: number }>();
  /** The error that the last line about a step has told. */
  readonly #told = new Map<string, string>();
  #createdAt: number | undefined;

  readonly #complete: boolean;

  /** `complete`: every transition of every item, for who asked for the history. */
  constructor(run: string, options: { readonly complete?: boolean } = {}) {
    this.#run = shortId(run);
    this.#complete = options.complete === true;
  }

  /** The event's line; undefined for events that are details of others. */
  line(event: RunEvent): string | undefined {
    const text = this.#text(event);
    return text === undefined ? undefined : `${clock(event.at)} ${this.#run} ${text}`;
  }

  #text(event: RunEvent): string | undefined {
    switch (event.kind) {
      case "run_created":
        this.#createdAt = event.at;
        return `created ${fields({ name: event.name, plan: event.planDigest, by: event.initiator.id })}`;
      case "policy_decided":
        return event.decision.allow
          ? undefined
          : `${event.task === undefined ? "" : `${event.task} `}denied by policy: ${safe(event.decision.reasons.join("; "))}`;
      case "run_started":
        return "running";
      case "task_expanded":
        return this.#expanded(event);
      case "task_skipped":
        return `${event.task} skipped ${fields({ reason: event.reason })}`;
      case "task_failed":
        return `${event.task} failed ${errorText(event.error)}`;
      case "task_reused":
        return `${event.task} reused ${fields({ run: event.fromRun })}`;
      case "attempt_started":
        if (this.#large.has(event.task)) return undefined;
        this.#started.set(attemptKey(event), event.at);
        return `${stepName(event)} started${event.phase === "undo" ? " undo" : ""} attempt=${event.attempt}`;
      case "attempt_finished":
        return this.#finished(event);
      case "retry_scheduled":
        return `${stepName(event)} retries in ${duration(event.dueAt - event.at)} after attempt=${event.attempt}`;
      case "step_cached":
        if (this.#large.has(event.task)) return this.#tenth(event.task);
        return `${stepName(event)} cached ${fields({ run: event.fromRun })}`;
      case "step_failed":
        return this.#failed(event);
      case "step_cancelled":
        if (this.#large.has(event.task)) return this.#tenth(event.task);
        return `${stepName(event)} cancelled`;
      case "wait_started":
        return `${stepName(event)} waits ${fields({ until: event.until === undefined ? undefined : new Date(event.until).toISOString(), signal: event.signal })}`;
      case "wait_finished":
        return `${stepName(event)} goes on`;
      case "signal_received":
        return `signal ${fields({ name: event.name, by: event.by.id })}`;
      case "approval_requested":
        return `${event.task} waits for approval ${fields({ approval: event.approval, count: String(event.count), roles: event.roles.join(","), plan: event.planDigest })}`;
      case "approval_given":
        return `${event.task} ${event.verdict === "approve" ? "approved" : "denied"} ${fields({ by: event.by.id, reason: event.reason })}`;
      case "approval_expired":
        return `${event.task} approval expired`;
      case "child_started":
        return `${stepName(event)} started ${fields({ run: event.childRun })}`;
      case "child_finished":
        return `${stepName(event)} ${event.status} ${fields({ run: event.childRun })}`;
      case "cancel_requested":
        return `cancelling ${fields({ by: event.by.id, reason: event.reason, force: event.force ? "true" : undefined })}`;
      case "budget_exceeded":
        return `budget exceeded ${fields({ dimension: event.dimension, limit: String(event.limit), used: String(event.used) })}`;
      case "rollback_started":
        return "rolling back";
      case "run_reopened":
        return `retried ${fields({ by: event.by.id, tasks: event.tasks.join(",") })}`;
      case "run_ended":
        return `${event.status}${this.#createdAt === undefined ? "" : ` took=${duration(event.at - this.#createdAt)}`}${event.error === undefined ? "" : ` ${errorText(event.error)}`}`;
      default:
        return undefined;
    }
  }

  #expanded(event: Extract<RunEvent, { kind: "task_expanded" }>): string {
    const items = itemsOf(event);
    // A list that only the blob store has is no small one.
    if ((items ?? Infinity) > EACH_ITEM && !this.#complete)
      this.#large.set(event.task, { items: items ?? Infinity, done: 0 });
    return `${event.task} expanded${items === undefined ? "" : ` items=${items}`}`;
  }

  #finished(event: Extract<RunEvent, { kind: "attempt_finished" }>): string | undefined {
    const { result } = event;
    if (result.ok && this.#large.has(event.task)) return this.#tenth(event.task);
    const started = this.#started.get(attemptKey(event));
    this.#started.delete(attemptKey(event));
    if (!result.ok) this.#told.set(stepName(event), errorText(result.error));
    const facts = [
      `attempt=${event.attempt}`,
      ...(result.exit === undefined ? [] : [`exit=${result.exit}`]),
      ...(started === undefined ? [] : [`took=${duration(event.at - started)}`]),
      ...(result.ok ? [] : [errorText(result.error)]),
    ];
    return `${stepName(event)} ${result.ok ? "succeeded" : "failed"} ${facts.join(" ")}`;
  }

  /** What its last attempt has said already is not said again. */
  #failed(event: Extract<RunEvent, { kind: "step_failed" }>): string | undefined {
    const name = stepName(event);
    const text = errorText(event.error);
    const told = this.#told.get(name) === text && !this.#complete;
    this.#told.delete(name);
    const tenth = this.#large.has(event.task) ? this.#tenth(event.task) : undefined;
    return told ? tenth : `${name} failed ${text}`;
  }

  #tenth(task: string): string | undefined {
    const large = this.#large.get(task);
    if (large === undefined) return undefined;
    const before = Math.floor((large.done * 10) / large.items);
    large.done += 1;
    return Math.floor((large.done * 10) / large.items) > before ? `${task} ${large.done} of ${large.items}` : undefined;
  }
}

/** How many there are. A list too large for its event is in the blob store, and the event says how long it is. */
function itemsOf(event: Extract<RunEvent, { kind: "task_expanded" }>): number | undefined {
  const { items, blobs = [] } = event as {
    readonly items: readonly unknown[] | null;
    readonly blobs?: readonly { readonly path: readonly string[]; readonly length?: number }[];
  };
  return items?.length ?? blobs.find(({ path }) => path[0] === "items")?.length;
}

function attemptKey({
  task,
  item,
  attempt,
}: {
  readonly task: string;
  readonly item: number;
  readonly attempt: number;
}): string {
  return `${task}[${item}]#${attempt}`;
}

function errorText({ code, message }: TaskError): string {
  const line = oneLine(message);
  return `error=${safe(code)}: ${line.length > 300 ? `${line.slice(0, 300)}…` : line}`;
}

function fields(values: Readonly<Record<string, string | undefined>>): string {
  return Object.entries(values)
    .flatMap(([name, value]) =>
      value === undefined || value === ""
        ? []
        : [`${name}=${/[\s"]/.test(value) ? JSON.stringify(value) : safe(value)}`],
    )
    .join(" ");
}
