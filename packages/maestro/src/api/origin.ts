import type { Origin } from "../core/event.ts";
import { readTraceContext } from "../core/trace-context.ts";
import type { ApiRequest } from "./api-request.ts";
import { requestIdOf } from "./request-id.ts";

/** What a run records of the request that asked for it: its id, and its place in a trace where it has a valid one. */
export function originOf(request: ApiRequest): Origin {
  const { headers } = request;
  return {
    request: requestIdOf(request),
    ...readTraceContext(headers.get("traceparent"), headers.get("tracestate")),
  };
}

/** Headers that routes which start runs understand. */
export const TRACE_HEADERS = [
  { name: "traceparent", description: "W3C trace context: the run belongs to the caller's trace." },
  { name: "tracestate", description: "W3C trace context, passed on as it is." },
] as const;
