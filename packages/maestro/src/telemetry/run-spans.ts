import { tally } from "../core/approval.ts";
import type { RunEvent, TaskError } from "../core/event.ts";
import { isSettled } from "../core/run.ts";
import type { SpanOf } from "../core/trace-context.ts";
import type { Told } from "./span-parts.ts";
import {
  RESULT,
  cachedFrom,
  detailsOf,
  linkToChild,
  parentOfStep,
  runOf,
  runSpan,
  span,
  taskAttributes,
  taskOf,
} from "./span-parts.ts";
import type { Span } from "./spans.ts";
import { endedAs, resultOf } from "./spans.ts";

type Of<K extends RunEvent["kind"]> = Extract<RunEvent, { kind: K }>;

/** An attempt, a child run, a wait or an approval that has begun and not ended. */
interface Open {
  readonly of: SpanOf;
  readonly task: string;
  readonly item: number;
  readonly at: number;
  readonly undo: boolean;
  readonly child?: string;
}

interface Touched {
  readonly tasks: Set<number>;
  readonly items: Map<number, Set<number>>;
}

/**
 * The spans of one run, made from its events as they are committed: a span is given when what it is of has ended. Keeps only
 * what is open. The same history gives the same spans with the same ids, in whatever portions it is told.
 */
export class RunSpans {
  /** Up to which event it has been told. */
  seq = 0;
  private begunAt = 0;
  private undoing = false;
  private readonly open = new Map<string, Open>();
  /** When each began, by index; and its items. */
  private readonly tasks = new Map<number, number>();
  private readonly items = new Map<number, Map<number, number>>();

  /** Events that were told already are passed over. */
  take(told: Told, events: readonly RunEvent[]): Span[] {
    const spans: Span[] = [];
    const touched: Touched = { tasks: new Set(), items: new Map() };
    for (const event of events) {
      if (event.seq <= this.seq) continue;
      this.seq = event.seq;
      this.one(told, event, touched, spans);
    }
    for (const [index, items] of touched.items) for (const item of items) this.settleItem(told, index, item, spans);
    for (const index of touched.tasks) this.settleTask(told, index, spans);
    // After what lies in it, so that a receiver that draws what it has draws whole trees.
    const last = events.at(-1);
    if (last?.kind === "run_ended" && last.seq === this.seq) this.end(told, last, spans);
    return spans;
  }

  private one(told: Told, event: RunEvent, touched: Touched, spans: Span[]): void {
    switch (event.kind) {
      case "run_created":
      case "run_reopened":
        this.begunAt = event.at;
        this.undoing = false;
        return;
      case "rollback_started":
        this.undoing = true;
        return;
      case "finally_started":
        this.undoing = false;
        return;
      case "attempt_started":
        this.begin("attempt", event, { kind: "attempt", ...stepOf(event), attempt: event.attempt });
        return this.touch(told, event, touched);
      case "attempt_finished":
        this.finishAttempt(told, event, spans);
        return this.touch(told, event, touched);
      case "child_started": {
        const step = told.run.tasks[told.program.index.get(event.task)!]!.steps[Math.max(0, event.item)];
        const of: SpanOf = { kind: "attempt", ...stepOf(event), attempt: step?.attempt ?? 1 };
        this.begin("child", event, of, event.childRun);
        return this.touch(told, event, touched);
      }
      case "child_finished":
        this.finishChild(told, event, spans);
        return this.touch(told, event, touched);
      case "wait_started":
        this.begin("wait", event, { kind: "wait", ...stepOf(event), opened: told.run.reopened });
        return this.touch(told, event, touched);
      case "wait_finished":
      case "step_failed":
      case "step_cancelled":
      case "step_cached":
      case "until_met":
      case "retry_scheduled":
      case "poll_scheduled":
        return this.touch(told, event, touched);
      case "approval_requested":
        this.open.set(approvalKey(event.task), {
          of: { kind: "approval", approval: event.approval },
          task: event.task,
          item: -1,
          at: event.at,
          undo: false,
        });
        return this.touch(told, event, touched);
      case "approval_given":
        this.takeVote(told, event, spans);
        return this.touch(told, event, touched);
      case "approval_expired":
        this.closeApproval(told, event.task, event.at, "expired", spans);
        return this.touch(told, event, touched);
      case "task_expanded":
      case "task_skipped":
      case "task_failed":
      case "task_reused":
        return this.touch(told, event, touched);
      case "cancel_requested":
      case "budget_exceeded":
      case "run_ended":
        // What waited was ended without an event of its own.
        for (const index of this.tasks.keys()) touched.tasks.add(index);
        for (const [index, items] of this.items) touched.items.set(index, new Set(items.keys()));
        return;
      case "policy_decided":
      case "run_started":
      case "signal_received":
        return;
    }
  }

  private touch(
    { program }: Told,
    event: { readonly task: string; readonly item?: number; readonly at: number },
    touched: Touched,
  ): void {
    // What is undone has ended long ago.
    if (this.undoing) return;
    const index = program.index.get(event.task)!;
    if (!this.tasks.has(index)) this.tasks.set(index, event.at);
    touched.tasks.add(index);
    const { item = -1 } = event;
    if (item === -1) return;
    const begun = entry(this.items, index, () => new Map<number, number>());
    if (!begun.has(item)) begun.set(item, event.at);
    entry(touched.items, index, () => new Set<number>()).add(item);
  }

  private begin(
    kind: "attempt" | "child" | "wait",
    event: { readonly task: string; readonly item: number; readonly at: number },
    of: SpanOf,
    child?: string,
  ): void {
    const { task, item, at } = event;
    const open = { of, task, item, at, undo: this.undoing, ...(child === undefined ? {} : { child }) };
    this.open.set(stepKey(kind, event), open);
  }

  private finishAttempt(told: Told, event: Of<"attempt_finished">, spans: Span[]): void {
    const { result } = event;
    const more = {
      ...(result.exit === undefined ? {} : { "process.exit.code": result.exit }),
      ...(result.runner === undefined ? {} : { "cicd.worker.name": result.runner }),
      ...(result.isolation === undefined ? {} : { "maestro.isolation": result.isolation.measured }),
    };
    const error = result.ok ? null : result.error;
    this.close(told, stepKey("attempt", event), event.at, result.ok ? "succeeded" : "failed", error, more, spans);
  }

  private finishChild(told: Told, event: Of<"child_finished">, spans: Span[]): void {
    const { status } = event;
    const ended = status === "succeeded" || status === "cancelled" || status === "denied" ? status : "failed";
    this.close(told, stepKey("child", event), event.at, ended, event.error ?? null, {}, spans);
  }

  private takeVote(told: Told, event: Of<"approval_given">, spans: Span[]): void {
    const { approval } = told.run.tasks[told.program.index.get(event.task)!]!;
    if (approval === null || approval.request.approval !== event.approval) return;
    const stands = tally(approval.request, approval.votes);
    if (stands !== "open") this.closeApproval(told, event.task, event.at, stands, spans);
  }

  private closeApproval(
    told: Told,
    task: string,
    at: number,
    verdict: "approved" | "denied" | "expired",
    spans: Span[],
  ): void {
    const status = verdict === "approved" ? "succeeded" : "failed";
    const code = verdict === "denied" ? "APPROVAL_DENIED" : "APPROVAL_EXPIRED";
    const error = verdict === "approved" ? null : { code, message: `the approval was ${verdict}` };
    this.close(told, approvalKey(task), at, status, error, { "maestro.approval.verdict": verdict }, spans);
  }

  private close(
    told: Told,
    key: string,
    endAt: number,
    status: Parameters<typeof resultOf>[0],
    error: TaskError | null,
    more: Span["attributes"],
    spans: Span[],
  ): void {
    const open = this.open.get(key);
    if (open === undefined) return;
    this.open.delete(key);
    const { of, task, item, at, undo, child } = open;
    const { plan } = told.program.tasks[told.program.index.get(task)!]!;
    const ended = endedAs(RESULT, resultOf(status, error), error, plan.sensitive === true);
    const attributes = { ...taskAttributes(told, task, item), ...detailsOf(of, child), ...more, ...ended.attributes };
    spans.push(
      span(told, of, undo ? runOf(told) : parentOfStep(told, task, item), {
        name: `${task} ${undo ? "undo" : child === undefined ? of.kind : "child run"}`,
        startAt: at,
        endAt,
        attributes: undo ? { ...attributes, "maestro.undo": true } : attributes,
        failure: ended.failure,
        links: child === undefined ? [] : [linkToChild(told, child)],
      }),
    );
  }

  private settleItem(told: Told, index: number, item: number, spans: Span[]): void {
    const startAt = this.items.get(index)?.get(item);
    const step = told.run.tasks[index]!.steps[item];
    if (startAt === undefined || step === undefined || !isSettled(step.status)) return;
    const task = told.program.ids[index]!;
    const endAt = step.endedAt ?? startAt;
    const status = step.status === "failed" || step.status === "cancelled" ? step.status : "succeeded";
    this.closeStep(told, task, item, endAt, status, step.error, spans);
    this.items.get(index)!.delete(item);
    const { plan } = told.program.tasks[index]!;
    const ended = endedAs(RESULT, resultOf(status, step.error), step.error, plan.sensitive === true);
    spans.push(
      span(told, { kind: "item", task, item, opened: told.run.reopened }, taskOf(told, task), {
        name: `${task} item`,
        startAt,
        endAt,
        attributes: { ...taskAttributes(told, task, item), ...cachedFrom(step.cachedFrom), ...ended.attributes },
        failure: ended.failure,
      }),
    );
  }

  private settleTask(told: Told, index: number, spans: Span[]): void {
    const startAt = this.tasks.get(index);
    const state = told.run.tasks[index]!;
    const { status, error } = state;
    if (startAt === undefined || status === "pending" || status === "active") return;
    const endAt = state.endedAt ?? startAt;
    for (const item of this.items.get(index)?.keys() ?? []) this.settleItem(told, index, item, spans);
    this.items.delete(index);
    this.tasks.delete(index);
    const task = told.program.ids[index]!;
    this.closeStep(told, task, -1, endAt, status, error, spans);
    this.close(told, approvalKey(task), endAt, status, error, {}, spans);
    const { plan, items } = told.program.tasks[index]!;
    const ended = endedAs(RESULT, resultOf(status, error), error, plan.sensitive === true);
    spans.push(
      span(told, { kind: "task", task, opened: told.run.reopened }, runOf(told), {
        name: task,
        startAt,
        endAt,
        attributes: {
          ...taskAttributes(told, task, -1),
          ...(items === undefined
            ? cachedFrom(state.steps[0]?.cachedFrom ?? null)
            : { "maestro.items": state.steps.length }),
          ...(state.skipReason === null ? {} : { "maestro.skip_reason": state.skipReason }),
          ...ended.attributes,
        },
        failure: ended.failure,
      }),
    );
  }

  /** A step has ended: so has its wait. An attempt that still works is told to stop and ends by itself, or with the run. */
  private closeStep(
    told: Told,
    task: string,
    item: number,
    at: number,
    status: Parameters<typeof resultOf>[0],
    error: TaskError | null,
    spans: Span[],
  ): void {
    this.close(told, stepKey("wait", { task, item }), at, status, error, {}, spans);
  }

  private end(told: Told, event: Of<"run_ended">, spans: Span[]): void {
    // Whatever has not come back by now will not be heard any more.
    for (const key of this.open.keys()) this.close(told, key, event.at, "cancelled", null, {}, spans);
    spans.push(runSpan(told, this.begunAt, event));
  }
}

function stepOf({ task, item }: { readonly task: string; readonly item: number }): { task: string; item: number } {
  return { task, item };
}

function stepKey(kind: string, { task, item }: { readonly task: string; readonly item: number }): string {
  return `${kind} ${task} ${item}`;
}

function approvalKey(task: string): string {
  return `approval ${task}`;
}

function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
