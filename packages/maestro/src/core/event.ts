import type { Digest } from "./digest.ts";
import type { JsonObject, JsonValue } from "./json.ts";

/**
 * The history of a run: an append-only list of facts, past tense. A run is a function of its plan and these events
 * (`replay`), and so is its receipt. `seq` counts from 1 without gaps; `at` is epoch milliseconds.
 */
export type RunEvent = { readonly seq: number; readonly at: number } & EventBody;

export type EventBody =
  | RunCreated
  | PolicyDecided
  | { readonly kind: "run_started" }
  | { readonly kind: "task_expanded"; readonly task: string; readonly items: readonly JsonValue[] }
  | { readonly kind: "task_skipped"; readonly task: string; readonly reason: SkipReason }
  | { readonly kind: "task_failed"; readonly task: string; readonly error: TaskError }
  | {
      readonly kind: "task_reused";
      readonly task: string;
      readonly fromRun: string;
      readonly results: readonly StepResult[];
    }
  | ({
      readonly kind: "attempt_started";
      readonly attempt: number;
      readonly input?: Digest;
      readonly phase?: "undo";
    } & StepRef)
  | ({ readonly kind: "attempt_finished"; readonly attempt: number; readonly result: AttemptResult } & StepRef)
  | ({
      readonly kind: "retry_scheduled";
      readonly attempt: number;
      readonly dueAt: number;
      readonly random: number;
    } & StepRef)
  | ({ readonly kind: "poll_scheduled"; readonly dueAt: number; readonly round: number } & StepRef)
  | ({
      readonly kind: "step_cached";
      readonly key: Digest;
      readonly fromRun: string;
      readonly result: StepResult;
    } & StepRef)
  | ({ readonly kind: "until_met" } & StepRef)
  | ({ readonly kind: "step_failed"; readonly error: TaskError } & StepRef)
  /** An attempt that ended because the run was stopped. */
  | ({ readonly kind: "step_cancelled" } & StepRef)
  | ({ readonly kind: "wait_started"; readonly until?: number; readonly signal?: string } & StepRef)
  | ({ readonly kind: "wait_finished"; readonly output: JsonValue } & StepRef)
  | { readonly kind: "signal_received"; readonly name: string; readonly payload: JsonValue; readonly by: Actor }
  | ApprovalRequested
  | {
      readonly kind: "approval_given";
      readonly task: string;
      readonly approval: string;
      readonly verdict: "approve" | "deny";
      readonly by: Actor;
      readonly planDigest: Digest;
      readonly reason: string;
    }
  | { readonly kind: "approval_expired"; readonly task: string; readonly approval: string }
  | ({
      readonly kind: "child_started";
      readonly childRun: string;
      readonly input: JsonObject;
      readonly planDigest: Digest;
    } & StepRef)
  | ({
      readonly kind: "child_finished";
      readonly childRun: string;
      readonly status: RunStatus;
      readonly output: JsonValue;
      readonly receipt?: Digest;
      readonly error?: TaskError;
    } & StepRef)
  | { readonly kind: "cancel_requested"; readonly by: Actor; readonly reason: string; readonly force: boolean }
  | {
      readonly kind: "budget_exceeded";
      readonly dimension: "wall" | "tasks" | "usd";
      readonly limit: number;
      readonly used: number;
    }
  | { readonly kind: "rollback_started" }
  | { readonly kind: "finally_started" }
  | { readonly kind: "run_reopened"; readonly by: Actor; readonly tasks: readonly string[] }
  | {
      readonly kind: "run_ended";
      readonly status: TerminalStatus;
      readonly outputs: JsonObject;
      readonly error?: TaskError;
    };

export interface RunCreated {
  readonly kind: "run_created";
  readonly run: string;
  readonly name: string;
  readonly namespace: string;
  readonly planDigest: Digest;
  readonly inputs: JsonObject;
  readonly purpose: string;
  readonly authority: string;
  readonly initiator: Actor;
  readonly labels: Readonly<Record<string, string>>;
  readonly priority: number;
  readonly concurrencyKey?: string;
  /** Absolute folder that relative paths in inputs are meant from. */
  readonly base?: string;
  readonly parent?: { readonly run: string; readonly task: string; readonly item: number };
  /** How many runs lie above it. Absent: none. */
  readonly depth?: number;
  readonly rerunOf?: { readonly run: string; readonly from?: string };
  readonly origin?: Origin;
}

/** Where the request came from, for traces and logs. Nothing is decided by it. */
export interface Origin {
  /** The id of the request that started the run; child runs have that of their parent. */
  readonly request?: string;
  /** W3C trace context of the caller. */
  readonly traceparent?: string;
  readonly tracestate?: string;
  /** The trace context of the run that this one repeats. */
  readonly repeats?: string;
}

/** Asked before the run starts and before every step whose type declares effects. */
export interface PolicyDecided {
  readonly kind: "policy_decided";
  readonly action: "run.start" | "task.execute";
  readonly task?: string;
  readonly item?: number;
  readonly decision: Decision;
}

/** The answer of the gate (AuthZEN: decision and context). Anything but a clean allow is a deny. */
export interface Decision {
  readonly id: string;
  readonly allow: boolean;
  readonly reasons: readonly string[];
  /** Ids of the rules that decided. */
  readonly rules: readonly string[];
  readonly policyDigest: Digest;
  readonly requestDigest: Digest;
  readonly engine: string;
  /** Absent: the policy was enforced. `break-glass`: it said no, and somebody had the right to go past it. */
  readonly mode?: "break-glass";
  /** What the answer depends on; whoever cannot carry one out must deny. */
  readonly obligations?: readonly Obligation[];
  /** What policies on trial would have said; they block nothing. */
  readonly shadow?: readonly ShadowVerdict[];
  /** JSON Pointers into the request that were masked before it was digested and kept. */
  readonly masked?: readonly string[];
}

/** AuthZEN obligations: `approval`, `step-up`, `redact`, `notify`. */
export interface Obligation {
  /** Of the rule that wants it. */
  readonly id: string;
  readonly type: string;
  readonly properties: JsonObject;
}

export interface ShadowVerdict {
  readonly policyDigest: Digest;
  readonly engine: string;
  readonly allow: boolean;
  readonly rules: readonly string[];
  readonly reasons: readonly string[];
}

export interface ApprovalRequested {
  readonly kind: "approval_requested";
  readonly task: string;
  readonly approval: string;
  readonly count: number;
  readonly roles: readonly string[];
  readonly notRequester: boolean;
  readonly expiresAt: number;
  readonly message: string;
  readonly planDigest: Digest;
}

/** One unit of execution: a task, or one item of a task that fans out. `item` is -1 where there is no fan-out. */
export interface StepRef {
  readonly task: string;
  readonly item: number;
}

export interface Actor {
  readonly type: "user" | "service" | "run" | "schedule";
  readonly id: string;
  readonly roles: readonly string[];
  /** What its identity provider says of it and policies may look at: `iss`, `acr`, `amr`, `org`, `clearance`. */
  readonly properties?: JsonObject;
}

export type RunStatus = "queued" | "running" | "cancelling" | TerminalStatus;
export type TerminalStatus = "succeeded" | "failed" | "cancelled" | "denied";
export type SkipReason = "condition" | "upstream_failed" | "upstream_skipped" | "cancelled" | "empty";

/** What an attempt came to. */
export type AttemptResult =
  | ({ readonly ok: true } & StepResult & AttemptFacts)
  | ({
      readonly ok: false;
      readonly error: TaskError;
      readonly output?: JsonValue;
      readonly artifacts?: readonly Artifact[];
    } & AttemptFacts);

export interface StepResult {
  readonly output: JsonValue;
  readonly artifacts?: readonly Artifact[];
}

export interface AttemptFacts {
  readonly usage?: { readonly usdMicros?: number; readonly tokens?: number };
  /** Exit code of a command. */
  readonly exit?: number;
  readonly isolation?: Isolation;
  /** Where it ran: `process@host`, a worker's name. */
  readonly runner?: string;
}

/** A file a step left behind, in the blob store under its digest. `path` is where it lay, for the attempts that follow. */
export interface Artifact {
  readonly name: string;
  readonly path: string;
  readonly digest: Digest;
  readonly size: number;
}

/** What was measured from inside the sandbox, never what was asked for. */
export interface Isolation {
  readonly declared: "strict" | "preferred" | "none";
  readonly measured: "strict" | "partial" | "none";
  readonly backend: "bubblewrap" | "none";
  readonly network: boolean;
  readonly writableRoot: boolean;
  readonly capabilities: boolean;
  readonly ownProcesses: boolean;
  readonly uid: number;
}

/**
 * Why a step failed. `code` is stable, for `retry.on`; `final` means that trying again cannot help.
 * Codes of the engine: EXIT, SIGNAL, TIMEOUT, QUEUE_TIMEOUT, HEARTBEAT, LOST, INPUT_INVALID, OUTPUT_INVALID, ISOLATION,
 * UNAVAILABLE, SECRET, DENIED, APPROVAL_DENIED, APPROVAL_EXPIRED, EXPRESSION, BUDGET, LIMIT, CHILD, UNTIL, CANCELLED, INTERNAL.
 * Task types add their own (HTTP_STATUS, SCHEMA, ...).
 */
export interface TaskError {
  readonly code: string;
  readonly message: string;
  readonly final?: boolean;
  readonly details?: JsonValue;
}
