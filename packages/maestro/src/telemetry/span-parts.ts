import type { RunEvent } from "../core/event.ts";
import type { Program } from "../core/program.ts";
import { useText } from "../core/receipt-facts.ts";
import type { Run } from "../core/run.ts";
import { parentOf, parseTraceparent, spanIdOf, traceIdOf } from "../core/trace-context.ts";
import type { SpanOf } from "../core/trace-context.ts";
import type { Span, SpanLink } from "./spans.ts";
import { endedAs, resultOf } from "./spans.ts";

/** A run and its program, in the state after the events that are told. */
export interface Told {
  readonly run: Run;
  readonly program: Program;
}

export const RESULT = "cicd.pipeline.task.run.result";

type Body = Pick<Span, "name" | "startAt" | "endAt" | "attributes"> & Partial<Span>;

/** The span of the run itself, since it was opened the last time. */
export function runSpan(told: Told, startAt: number, event: Extract<RunEvent, { kind: "run_ended" }>): Span {
  const { run, program } = told;
  const { created } = run;
  const { workflow } = program.plan;
  const error = event.error ?? null;
  const sensitive = error !== null && program.tasks.some(({ plan }) => plan.sensitive === true);
  const ended = endedAs("cicd.pipeline.result", resultOf(event.status, error), error, sensitive);
  return span(told, { kind: "run", opened: run.reopened }, parentOf(created)?.spanId, {
    name: `RUN ${workflow.name}`,
    kind: "server",
    startAt,
    endAt: event.at,
    attributes: {
      "cicd.pipeline.name": workflow.name,
      "cicd.pipeline.run.id": run.id,
      "cicd.pipeline.action.name": "RUN",
      "maestro.namespace": created.namespace,
      "maestro.workflow.version": workflow.version,
      "maestro.plan.digest": program.digest,
      "maestro.run.status": event.status,
      ...(created.origin?.request === undefined ? {} : { "maestro.request.id": created.origin.request }),
      ...(created.parent === undefined ? {} : { "maestro.parent.run.id": created.parent.run }),
      ...ended.attributes,
    },
    failure: ended.failure,
    links: linksOf(run),
  });
}

export function span({ run }: Told, of: SpanOf, parentSpanId: string | undefined, body: Body): Span {
  return {
    traceId: traceIdOf(run.created),
    spanId: spanIdOf(run.id, of),
    parentSpanId,
    kind: "internal",
    failure: undefined,
    links: [],
    ...body,
  };
}

export function runOf({ run }: Told): string {
  return spanIdOf(run.id, { kind: "run", opened: run.reopened });
}

export function taskOf({ run }: Told, task: string): string {
  return spanIdOf(run.id, { kind: "task", task, opened: run.reopened });
}

export function parentOfStep(told: Told, task: string, item: number): string {
  if (item === -1) return taskOf(told, task);
  return spanIdOf(told.run.id, { kind: "item", task, item, opened: told.run.reopened });
}

export function taskAttributes({ run, program }: Told, task: string, item: number): Span["attributes"] {
  const { plan } = program.tasks[program.index.get(task)!]!;
  return {
    "cicd.pipeline.task.name": task,
    "cicd.pipeline.task.run.id": `${run.id}/${task}${item === -1 ? "" : `/${item}`}`,
    "maestro.task.uses": useText(plan.uses),
    ...(item === -1 ? {} : { "maestro.item": item }),
  };
}

export function detailsOf(of: SpanOf, child: string | undefined): Span["attributes"] {
  return {
    ...(of.kind === "attempt" ? { "maestro.attempt": of.attempt } : {}),
    ...(of.kind === "approval" ? { "maestro.approval.id": of.approval } : {}),
    ...(child === undefined ? {} : { "maestro.child.run.id": child }),
  };
}

export function cachedFrom(run: string | null): Span["attributes"] {
  return run === null ? {} : { "maestro.reused_from.run.id": run };
}

/** A child that this engine starts belongs to the trace of its parent. */
export function linkToChild({ run }: Told, child: string): SpanLink {
  const spanId = spanIdOf(child, { kind: "run", opened: 0 });
  return { relation: "child", context: { traceId: traceIdOf(run.created), spanId, sampled: true } };
}

function linksOf({ id, created, reopened }: Run): SpanLink[] {
  const links: SpanLink[] = [];
  const repeats = created.origin?.repeats === undefined ? undefined : parseTraceparent(created.origin.repeats);
  if (repeats !== undefined) links.push({ relation: "rerun_of", context: repeats });
  if (reopened > 0) {
    const spanId = spanIdOf(id, { kind: "run", opened: reopened - 1 });
    links.push({ relation: "retry_of", context: { traceId: traceIdOf(created), spanId, sampled: true } });
  }
  return links;
}
