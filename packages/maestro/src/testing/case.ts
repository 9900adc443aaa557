import type { JsonObject, JsonValue } from "../core/json.ts";

/**
 * A test of a workflow: how the run starts, what stands in for the world, and what must come of it. YAML cases and
 * TypeScript tests say it in the same words; durations are texts such as `30s`.
 */
export interface TestCase {
  readonly inputs?: JsonObject;
  /** Default: the first purpose of the runbook. */
  readonly purpose?: string;
  /** Default: `TEST` where the runbook requires one. */
  readonly authority?: string;
  /** Who starts it. Default: `tester`. */
  readonly by?: Person;
  readonly labels?: Readonly<Record<string, string>>;
  /** Files of the folder the run is started in, by their path; it is empty otherwise and gone afterwards. */
  readonly files?: Readonly<Record<string, string>>;
  /** A folder to start in instead, relative to the test file. */
  readonly folder?: string;
  /** Variables that credentials of tasks are read from. The real environment is never read. */
  readonly environment?: Readonly<Record<string, string>>;
  /** By task (`deploy`), item (`check[2]`), undo (`deploy.undo`), task of a child run (`cleanup/remove`) or type (`http@1`). */
  readonly fakes?: Readonly<Record<string, Fake>>;
  /** By task. */
  readonly approvals?: Readonly<Record<string, Answer>>;
  readonly signals?: readonly SignalScript[];
  readonly cancel?: CancelScript;
  /** What policy denies: task ids, or `run.start`. */
  readonly deny?: readonly string[];
  /** When it starts, ISO 8601. Default: 2026-01-01T00:00:00Z. */
  readonly at?: string;
  /** Of everything random (jitter, ids). Default 1. */
  readonly seed?: number;
  readonly limits?: CaseLimits;
}

export interface CaseLimits {
  /** Attempts of one step. Default 1,000. */
  readonly attempts?: number;
  /** Events of the world. Default 2,000,000. */
  readonly events?: number;
  /** Time that may pass in the world. Default 3650d. */
  readonly time?: string;
  /** Time that may pass on this machine. Default 30s. */
  readonly real?: string;
}

/** A name, or a name with roles. */
export type Person = string | { readonly id: string; readonly roles?: readonly string[] };

/** What stands in for a task: the same each time, or one behaviour after the other (attempt by attempt; the last stays), or a function. */
export type Fake = Behaviour | readonly Behaviour[] | FakeFunction;

/** Gives the output; throws what `fail()` makes to fail. */
export type FakeFunction = (request: FakeRequest) => JsonValue | Promise<JsonValue>;

export interface FakeRequest {
  readonly task: string;
  /** -1 where the task does not fan out. */
  readonly item: number;
  readonly attempt: number;
  readonly undo: boolean;
  readonly input: JsonObject;
  /** The world's time, epoch milliseconds. */
  readonly now: number;
}

export interface Behaviour {
  /** May hold `${{ … }}` over `input`, `task`, `item`, `attempt` and `now`. */
  readonly output?: JsonValue;
  /** It fails: a code, or code and message. */
  readonly fail?: string | Failure;
  readonly fault?: Fault;
  /** How long it works, in the world's time. */
  readonly takes?: string;
  /** Files it leaves, by name. */
  readonly artifacts?: Readonly<Record<string, string>>;
  readonly usage?: { readonly usd?: number; readonly tokens?: number };
  /** What it writes to its log. */
  readonly log?: string;
  /** Carry out the task type itself, with its effects. */
  readonly real?: boolean;
  /** For so many attempts. Default: one in a list, and all of them at its end. */
  readonly times?: number;
}

export interface Failure {
  readonly code: string;
  readonly message?: string;
  /** Trying again cannot help. */
  readonly final?: boolean;
  readonly details?: JsonValue;
}

/**
 * `timeout`: it never answers. `silent`: it does not even give a sign of life. `lost`: the worker is gone.
 * `duplicate`: its result is delivered twice. `crash`: the engine dies while it works, and another one takes over.
 */
export const FAULTS = ["timeout", "silent", "lost", "duplicate", "crash"] as const;
export type Fault = (typeof FAULTS)[number];

/** `approve` and `deny`: by as many invented people as are asked for. `expire`: nobody answers. Or who says what, in order. */
export type Answer = "approve" | "deny" | "expire" | Vote | readonly Vote[];

export interface Vote {
  readonly verdict?: "approve" | "deny";
  /** Default: an invented person with the roles that are asked for. */
  readonly by?: Person;
  readonly reason?: string;
  /** How long after it was asked. */
  readonly after?: string;
  /** The vote must be refused, with this code (`denied`, `conflict`). */
  readonly refused?: string;
}

export interface SignalScript {
  readonly name: string;
  readonly payload?: JsonValue;
  readonly by?: Person;
  /** After the start. Default: as soon as something waits for it. */
  readonly after?: string;
}

export interface CancelScript {
  /** After the start. */
  readonly after?: string;
  /** While this task is at work, or waits. */
  readonly during?: string;
  readonly by?: Person;
  readonly reason?: string;
  readonly force?: boolean;
}

/** What must have come of a run. Maps are compared by the keys that are named, lists as a whole. */
export interface Expect {
  readonly status?: string;
  /** A code, or code and a part of the message. `null`: there is none. */
  readonly error?: ExpectedError;
  readonly outputs?: JsonObject;
  /** By task; a text is the status. */
  readonly tasks?: Readonly<Record<string, string | ExpectTask>>;
  /** Steps that were undone, in that order. */
  readonly undone?: readonly string[];
  readonly decisions?: readonly ExpectDecision[];
  /** Events that happened in this order; others may lie between. See `events` of a run. */
  readonly events?: readonly string[];
  /** Events that did not happen. */
  readonly never?: readonly string[];
  readonly plan?: ExpectPlan;
  readonly cost?: { readonly attempts?: number; readonly usd?: number; readonly tokens?: number };
  /** The world's time from start to end, exactly or within bounds. */
  readonly took?: string | { readonly atLeast?: string; readonly atMost?: string };
  /** CEL expressions that must be true, over the members of a run. */
  readonly that?: readonly string[];
}

export type ExpectedError = null | string | { readonly code?: string; readonly message?: string };

export interface ExpectTask {
  readonly status?: string;
  readonly attempts?: number;
  readonly output?: JsonValue;
  /** Of the last attempt. */
  readonly input?: JsonValue;
  readonly error?: ExpectedError;
  readonly skipped?: string | null;
  readonly items?: { readonly succeeded?: number; readonly failed?: number; readonly cancelled?: number };
  readonly artifacts?: readonly string[];
  readonly waited?: readonly string[];
  readonly cached?: boolean;
  readonly undo?: "succeeded" | "failed" | null;
}

export interface ExpectDecision {
  readonly action?: "run.start" | "task.execute";
  readonly task?: string;
  readonly allow?: boolean;
}

export interface ExpectPlan {
  readonly digest?: string;
  readonly tasks?: readonly string[];
  readonly effects?: readonly string[];
  /** Tasks that ask people. */
  readonly approvals?: readonly string[];
}
