import type { Actor, Decision, Origin, RunEvent, StepRef, TaskError } from "../core/event.ts";
import type { RunInput } from "../core/input.ts";
import type { JsonObject } from "../core/json.ts";
import type { Digest } from "../core/digest.ts";
import type { RunRow, StoredPlan } from "../store/store.ts";

/** The durable engine as the control plane sees it. */
export interface Engine {
  /**
   * Asks the gate, then records the run. Resolves when it is durable, also for a denied run (its row says `denied` and
   * it has a receipt). Errors: `invalid_input`, `concurrency_limit`, `overloaded`, `shutting_down`, `storage_full`.
   */
  start(request: StartRequest): Promise<RunRow>;
  /** A dry run: the same checks and the same question to the gate, and nothing is recorded. Errors: as `start`. */
  preview(request: StartRequest): Promise<Preview>;
  /** Hands an input to a run; resolves when its effect is durable. Errors: `not_found`, `conflict`, `plan_changed`, `denied`, ... */
  send(run: string, input: RunInput): Promise<RunRow>;
  /**
   * The run's state with every task and, for what waits, why. From memory where it is live, else replayed. `known` is its row,
   * where it was read just now.
   */
  view(run: string, known?: RunRow): Promise<RunView>;
  /** Runs again: reuses what succeeded before `from`, or everything is new where `from` is absent. */
  rerun(
    run: string,
    request: {
      readonly from?: string;
      readonly inputs?: JsonObject;
      readonly initiator: Actor;
      readonly origin?: Origin;
      /** As of a start: the same key gives the run that was begun first. */
      readonly idempotencyKey?: string;
    },
  ): Promise<RunRow>;
  /** Called after each commit that touched the run, with the events it added. Returns how to stop. */
  subscribe(run: string | "*", listener: (run: string, events: readonly RunEvent[]) => void): () => void;
  /** Resolves when no attempt is in flight and nothing could be dispatched now. */
  idle(): Promise<void>;
  /** Stops taking work, gives attempts `graceMs` to end, hands the rest back to the next engine, and closes. */
  drain(graceMs: number): Promise<void>;
}

export interface StartRequest {
  readonly plan: StoredPlan;
  readonly inputs: JsonObject;
  readonly purpose: string;
  readonly authority: string;
  readonly initiator: Actor;
  /** Default: the workflow's name. */
  readonly name?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** -100 to 100, higher first; default 0. */
  readonly priority?: number;
  /** The same key in the same namespace gives the run that was started first. */
  readonly idempotencyKey?: string;
  /** Relative paths in inputs are meant from here. Absolute. */
  readonly base?: string;
  readonly origin?: Origin;
}

/** What a start would begin with. */
export interface Preview {
  /** Defaults filled in. */
  readonly inputs: JsonObject;
  readonly decision: Decision;
}

/** A run as `GET /v1/runs/{id}` and `maestro show` give it. */
export interface RunView {
  readonly run: RunRow;
  /** Under which mandate; "" where none was given, or its history was removed. */
  readonly authority: string;
  readonly inputs: JsonObject;
  readonly outputs: JsonObject | null;
  readonly error: TaskError | null;
  readonly tasks: readonly TaskView[];
  readonly used: { readonly wallMs: number; readonly tasks: number; readonly usdMicros: number };
  readonly receipts: readonly { readonly ordinal: number; readonly digest: Digest }[];
}

export interface TaskView {
  readonly id: string;
  readonly phase: "main" | "finally";
  readonly uses: string;
  readonly needs: readonly string[];
  readonly status: StepStatus;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  /** Counts by status; a task without fan-out counts as one. */
  readonly counts: Readonly<Partial<Record<StepStatus, number>>>;
  /** Attempts of a plain task. */
  readonly attempts: number;
  readonly fanOut: boolean;
  readonly cachedFrom: string | null;
  readonly error: TaskError | null;
  /** Why it waits, as kind and sentence; null when it does not. */
  readonly waiting: { readonly kind: string; readonly text: string } | null;
  /** The steps worth a line: running, waiting and failed ones, at most 50; all of them by their own page. */
  readonly steps: readonly (StepRef & {
    readonly status: StepStatus;
    readonly attempt: number;
    readonly error: TaskError | null;
  })[];
}

export type StepStatus = "pending" | "running" | "waiting" | "succeeded" | "failed" | "skipped" | "cancelled";
