import type { TaskError } from "../core/event.ts";
import type { SpanContext } from "../core/trace-context.ts";

/** One piece of a run's time, as OpenTelemetry wants to know it. */
export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly name: string;
  /** `server`: it answers to somebody's request. */
  readonly kind: "server" | "internal";
  /** Epoch milliseconds. */
  readonly startAt: number;
  readonly endAt: number;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  /** Set: the span failed, and this is why. */
  readonly failure: string | undefined;
  readonly links: readonly SpanLink[];
}

export interface SpanLink {
  readonly context: SpanContext;
  /** What the other span is to this one. */
  readonly relation: "child" | "retry_of" | "rerun_of";
}

/** What became of spans. */
export interface ExportCounts {
  exported: number;
  failed: number;
  dropped: number;
}

/** The results that the semantic conventions for CI/CD name. */
export type Result = "success" | "failure" | "error" | "timeout" | "cancellation" | "skip";

/** Codes that say that the system failed and not what it was asked to do. */
const SYSTEM: ReadonlySet<string> = new Set(["LOST", "INTERNAL", "UNAVAILABLE", "ISOLATION", "SECRET", "LIMIT"]);
const LATE: ReadonlySet<string> = new Set(["TIMEOUT", "HEARTBEAT", "QUEUE_TIMEOUT", "APPROVAL_EXPIRED"]);

export function resultOf(
  status: "succeeded" | "failed" | "cancelled" | "denied" | "skipped",
  error: TaskError | null,
): Result {
  switch (status) {
    case "succeeded":
      return "success";
    case "cancelled":
      return "cancellation";
    case "skipped":
      return "skip";
    case "denied":
      return "failure";
    case "failed":
      if (error?.code === "CANCELLED") return "cancellation";
      if (error !== null && LATE.has(error.code)) return "timeout";
      return error !== null && SYSTEM.has(error.code) ? "error" : "failure";
  }
}

/** Of an error's message; what a sensitive task says of its failure may hold what it was given. */
const MAX_MESSAGE = 300;

/** Members of a span that ended like that. A cancelled one did not fail: it did as it was told. */
export function endedAs(
  attribute: "cicd.pipeline.result" | "cicd.pipeline.task.run.result",
  result: Result,
  error: TaskError | null,
  sensitive = false,
): { readonly attributes: Span["attributes"]; readonly failure: string | undefined } {
  const failed = result === "failure" || result === "error" || result === "timeout";
  const code = error?.code ?? (failed ? result : undefined);
  const said = error === null || sensitive ? (code ?? "") : `${error.code}: ${error.message}`;
  return {
    attributes: { [attribute]: result, ...(failed && code !== undefined ? { "error.type": code } : {}) },
    failure: failed ? said.slice(0, MAX_MESSAGE).toWellFormed() : undefined,
  };
}
