import type { JsonObject, JsonValue } from "./json.ts";
import type { ApprovalRule, Budget, CommandLimits, RetryPolicy, Sandbox } from "./plan.ts";

/** A manifest read and normalised: every default filled in, durations in ms, sizes in bytes, money in millionths of a dollar. */
export interface Workflow {
  readonly metadata: {
    readonly namespace: string;
    readonly name: string;
    readonly version: string;
    readonly description?: string;
    readonly labels: Readonly<Record<string, string>>;
  };
  readonly type: "ops" | "data" | "cicd" | "chaos" | "demo";
  readonly purposes: readonly string[];
  readonly authority: { readonly required: boolean };
  readonly license: string;
  /** JSON Schema (2020-12, type object) of the inputs; defaults are in it. */
  readonly inputs: JsonObject;
  readonly budget?: Budget;
  readonly concurrency?: {
    readonly key: string;
    readonly max: number;
    readonly onConflict: "queue" | "cancel-running" | "reject";
  };
  readonly onFailure: "stop" | "rollback";
  /** In the order of the manifest, `finally` last. */
  readonly tasks: readonly WorkflowTask[];
  readonly outputs: JsonObject;
  readonly triggers: readonly Trigger[];
}

export interface WorkflowTask {
  readonly id: string;
  readonly phase: "main" | "finally";
  readonly description?: string;
  readonly uses: UseRef;
  readonly needs: readonly string[];
  readonly with: JsonObject;
  readonly when?: string;
  readonly forEach?: {
    readonly items: string;
    readonly as: string;
    readonly max: number;
    readonly onItemFailure: "stop" | "continue";
  };
  readonly retry?: RetryPolicy;
  readonly timeout?: { readonly queueMs?: number; readonly runMs?: number; readonly heartbeatMs?: number };
  readonly until?: { readonly condition: string; readonly everyMs: number; readonly max: number };
  readonly continueOnError: boolean;
  readonly cache?: { readonly key?: JsonValue; readonly ttlMs?: number; readonly files?: readonly string[] };
  readonly approvals?: ApprovalRule;
  readonly secrets: Readonly<Record<string, string>>;
  readonly identity?: { readonly audiences: readonly string[] };
  readonly sensitive: boolean;
  readonly runner?: { readonly kind: "process"; readonly sandbox: Sandbox; readonly limits?: CommandLimits };
  readonly artifacts: readonly string[];
  readonly undo?: { readonly uses: UseRef; readonly with: JsonObject };
}

/** What `uses` says, before it is pinned to a digest. */
export type UseRef =
  | { readonly kind: "type"; readonly name: string; readonly version: number }
  | { readonly kind: "runbook"; readonly ref: RunbookRef };

export type RunbookRef =
  | { readonly namespace: string; readonly name: string; readonly version: string }
  | { readonly digest: `sha256:${string}` };

export interface Trigger {
  readonly schedule: {
    readonly cron: string;
    readonly timezone: string;
    readonly catchUp: "latest" | "all" | "none";
    readonly overlap: "skip" | "queue" | "allow";
    readonly jitterMs: number;
  };
  readonly inputs: JsonObject;
  readonly purpose?: string;
}

export function formatUse(use: UseRef): string {
  if (use.kind === "type") return `${use.name}@${use.version}`;
  return "digest" in use.ref
    ? `runbook:${use.ref.digest}`
    : `runbook:${use.ref.namespace}/${use.ref.name}@${use.ref.version}`;
}
