import type { Digest } from "./digest.ts";
import type { JsonObject, JsonValue } from "./json.ts";

/**
 * A compiled workflow: immutable, complete, content-addressed. It is pure JSON, so that its digest
 * (`digestOf(plan)`) is what is signed, approved and recorded, and so that any later version can read it.
 * Expressions stay source text here; `link()` in program.ts turns them into functions, once per digest.
 */
export interface Plan {
  readonly format: "maestro.plan/v1";
  readonly workflow: WorkflowRef;
  readonly type: "ops" | "data" | "cicd" | "chaos" | "demo";
  readonly description?: string;
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
  /** Topological order, ties in manifest order: every need precedes its dependents. `finally` tasks come last. */
  readonly tasks: readonly PlanTask[];
  /** Output name to template. */
  readonly outputs: JsonObject;
  readonly triggers: readonly JsonObject[];
}

export interface WorkflowRef {
  readonly namespace: string;
  readonly name: string;
  readonly version: string;
  /** Digest of the manifest's canonical form. */
  readonly digest: Digest;
}

export interface Budget {
  readonly wallMs?: number;
  /** Attempts started, retries included. */
  readonly tasks?: number;
  /** Millionths of a US dollar, so that sums stay exact. */
  readonly usdMicros?: number;
}

export interface PlanTask {
  readonly id: string;
  readonly phase: "main" | "finally";
  readonly uses: TaskUse;
  /** Ids; explicit `needs` and those that references imply, sorted in plan order. */
  readonly needs: readonly string[];
  /** CEL. Absent means: run when every need succeeded. */
  readonly when?: string;
  /** `when` looks at the status or counts of a need, so it is asked even if a need failed or was skipped. */
  readonly whenReadsStatus?: true;
  readonly forEach?: {
    readonly items: string;
    readonly as: string;
    readonly max: number;
    readonly onItemFailure: "stop" | "continue";
  };
  readonly with: JsonValue;
  readonly retry?: RetryPolicy;
  readonly timeout?: { readonly queueMs?: number; readonly runMs?: number; readonly heartbeatMs?: number };
  readonly until?: { readonly condition: string; readonly everyMs: number; readonly max: number };
  readonly continueOnError?: true;
  /** `key` is a template; absent: digest of type, input and declared files. */
  readonly cache?: { readonly key?: JsonValue; readonly ttlMs?: number; readonly files?: readonly string[] };
  readonly approvals?: ApprovalRule;
  /** Environment name to secret name. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** Whom its attempts may get tokens for: names of audiences, sorted. */
  readonly identity?: { readonly audiences: readonly string[] };
  readonly sensitive?: true;
  /** Sorted. What the task type declares, plus `deploy` where the manifest says `sensitive` on a writing task. */
  readonly effects: readonly Effect[];
  readonly runner?: { readonly kind: "process"; readonly sandbox: Sandbox; readonly limits?: CommandLimits };
  /** Globs, relative to the attempt's folder. */
  readonly artifacts?: readonly string[];
  readonly undo?: { readonly uses: TaskUse; readonly with: JsonValue; readonly effects: readonly Effect[] };
  /** The input reads `task.dir`, the attempt's own folder. */
  readonly usesDir?: true;
}

/** What a task runs: a task type of this installation or another runbook (a child run). */
export type TaskUse =
  | { readonly kind: "type"; readonly name: string; readonly version: number; readonly digest: Digest }
  | {
      readonly kind: "runbook";
      readonly namespace: string;
      readonly name: string;
      readonly version: string;
      readonly planDigest: Digest;
    };

export interface RetryPolicy {
  /** Tries in all, the first included. */
  readonly attempts: number;
  readonly initialMs: number;
  readonly factor: number;
  readonly maxMs: number;
  readonly jitter: "none" | "full" | "equal";
  /** CEL over `error`; absent: every error that is not final by its nature (denied, invalid input). */
  readonly on?: string;
  /** An attempt whose engine or worker died: try again (the default) or count it as a failure. */
  readonly onLost: "retry" | "fail";
}

export interface ApprovalRule {
  readonly count: number;
  readonly roles: readonly string[];
  readonly notRequester: boolean;
  /** After this long without the count reached the answer is no. */
  readonly expiresMs: number;
  readonly message?: JsonValue;
}

export type Effect = "network" | "write" | "process" | "deploy" | "secret" | "spend";
export type Sandbox = "strict" | "preferred" | "none";

/** Limits of one child process tree. Absent means the stated default of the runner. */
export interface CommandLimits {
  readonly memoryBytes?: number;
  readonly cpuSeconds?: number;
  readonly fileBytes?: number;
  readonly processes?: number;
}
