import { sha256 } from "./digest.ts";
import type { RunCreated } from "./event.ts";

/** Where a span lies: W3C Trace Context, level 1. Ids in lower-case hex. */
export interface SpanContext {
  readonly traceId: string;
  readonly spanId: string;
  readonly sampled: boolean;
}

/** What one program tells the next one: the values of the headers, or of the variables of the environment. */
export interface TraceContext {
  readonly traceparent: string;
  readonly tracestate?: string;
}

/** Longer ones may be dropped, says the recommendation (3.3.1.5). */
const MAX_STATE = 512;

/**
 * What a `traceparent` says; undefined where it is not valid, which by the recommendation means: as if there was none.
 * Of a later version than 00 that which we know is read.
 */
export function parseTraceparent(text: string): SpanContext | undefined {
  const match = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(text.trim());
  if (match === null) return undefined;
  const [, version = "", traceId = "", spanId = "", flags = "", more] = match;
  if (version === "ff" || (version === "00" && more !== undefined)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

export function formatTraceparent({ traceId, spanId, sampled }: SpanContext): string {
  return `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`;
}

/** The two values as somebody sent them, as far as they are valid; `tracestate` means nothing without the other. */
export function readTraceContext(traceparent: string | null, tracestate: string | null): TraceContext | undefined {
  const parent = traceparent === null ? undefined : parseTraceparent(traceparent);
  if (parent === undefined) return undefined;
  const state = tracestate?.trim() ?? "";
  const sane = state !== "" && state.length <= MAX_STATE && /^[\x20-\x7e]*$/.test(state);
  return { traceparent: formatTraceparent(parent), ...(sane ? { tracestate: state } : {}) };
}

/** The trace that a run belongs to: its caller's, or one of its own that follows from its id, for every engine the same. */
export function traceIdOf(created: Pick<RunCreated, "run" | "origin">): string {
  return parentOf(created)?.traceId ?? hex(`trace ${created.run}`, 32);
}

/** The span that the run was asked for in. */
export function parentOf({ origin }: Pick<RunCreated, "origin">): SpanContext | undefined {
  return origin?.traceparent === undefined ? undefined : parseTraceparent(origin.traceparent);
}

/** What of a run has a span. A run that was retried has one for each time it was opened. */
export type SpanOf =
  | { readonly kind: "run"; readonly opened: number }
  | { readonly kind: "task"; readonly task: string; readonly opened: number }
  | { readonly kind: "item"; readonly task: string; readonly item: number; readonly opened: number }
  | { readonly kind: "attempt"; readonly task: string; readonly item: number; readonly attempt: number }
  | { readonly kind: "wait"; readonly task: string; readonly item: number; readonly opened: number }
  | { readonly kind: "approval"; readonly approval: string };

/** Follows from the run and what the span is of, so that whoever tells of it twice tells of the same span. */
export function spanIdOf(run: string, of: SpanOf): string {
  switch (of.kind) {
    case "run":
      return hex(`span ${run} run ${of.opened}`, 16);
    case "task":
      return hex(`span ${run} task ${of.task} ${of.opened}`, 16);
    case "item":
    case "wait":
      return hex(`span ${run} ${of.kind} ${of.task} ${of.item} ${of.opened}`, 16);
    case "attempt":
      return hex(`span ${run} attempt ${of.task} ${of.item} ${of.attempt}`, 16);
    case "approval":
      return hex(`span ${run} approval ${of.approval}`, 16);
  }
}

/** An id of zeros would be invalid; of a digest it will not be met. */
function hex(text: string, digits: number): string {
  return sha256(text).slice("sha256:".length, "sha256:".length + digits);
}

/**
 * What a program that works for this span is told. `sampled` undefined: no spans are made here, and whoever takes no part
 * in a trace passes on what it was given.
 */
export function contextFor(
  created: Pick<RunCreated, "run" | "origin">,
  of: SpanOf,
  sampled: boolean | undefined,
): TraceContext | undefined {
  const { traceparent, tracestate } = created.origin ?? {};
  const state = tracestate === undefined ? {} : { tracestate };
  if (sampled === undefined) return traceparent === undefined ? undefined : { traceparent, ...state };
  const spanId = spanIdOf(created.run, of);
  return { traceparent: formatTraceparent({ traceId: traceIdOf(created), spanId, sampled }), ...state };
}
