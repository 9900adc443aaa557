import type { Actor, Decision } from "../core/event.ts";
import type { JsonValue } from "../core/json.ts";
import type { Effect } from "../core/plan.ts";

/**
 * Asks the policy decision point. Every evaluator implements this; a gate never throws: whatever goes wrong inside it
 * is a deny whose reasons say so. An in-process evaluator answers at once, a remote one with a promise.
 */
export interface Gate {
  decide(request: GateRequest): Decision | Promise<Decision>;
}

/** OpenID AuthZEN Authorization API 1.0: subject, action, resource, context. */
export type GateRequest = {
  readonly subject: {
    readonly type: Actor["type"];
    readonly id: string;
    readonly properties: { readonly roles: readonly string[] };
  };
  readonly action: { readonly name: "run.start" | "task.execute" };
  readonly resource: {
    readonly type: "runbook" | "task";
    readonly id: string;
    readonly properties: {
      readonly namespace: string;
      readonly license: string;
      readonly effects: readonly Effect[];
      readonly sensitive: boolean;
      readonly [key: string]: JsonValue;
    };
  };
  readonly context: {
    readonly purpose: string;
    readonly authority: string;
    readonly run: string;
    readonly planDigest: string;
  };
};
