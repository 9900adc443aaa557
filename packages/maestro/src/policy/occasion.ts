import type { JsonObject } from "../core/json.ts";
import type { Occasion } from "./gate.ts";

/** What a decision point elsewhere is told of the moment, beside the request itself. */
export function occasionContext({ at, run, task }: Occasion): JsonObject {
  return {
    time: new Date(at).toISOString(),
    ...(run === undefined ? {} : { runId: run }),
    ...(task === undefined ? {} : { taskId: task }),
  };
}

/** AuthZEN 1.0, 10.1.3: the id of the request, which it gives back; W3C trace context. */
export function occasionHeaders({ request, traceparent }: Occasion): Readonly<Record<string, string>> {
  return {
    ...(request === undefined || !VISIBLE.test(request) ? {} : { "x-request-id": request }),
    ...(traceparent === undefined || !VISIBLE.test(traceparent) ? {} : { traceparent }),
  };
}

const VISIBLE = /^[\x21-\x7e]{1,200}$/;
