import type { JsonObject } from "../core/json.ts";
import type { CommandLimits, Sandbox } from "../core/plan.ts";
import { type TraceContext, contextFor } from "../core/trace-context.ts";
import type { Lessee } from "../identity/lease-desk.ts";
import type { Workload } from "../identity/workload.ts";
import type { TaskType } from "../task/task.ts";
import type { DurableEngine } from "./durable.ts";
import type { Execution } from "./effects.ts";
import type { ExecuteRequest } from "./parts.ts";
import { DEFAULT_SANDBOX, leaseQuestion } from "./questions.ts";
import { workloadOf } from "./workload.ts";

/** When the engine shuts down, commands have this long between SIGTERM and SIGKILL. */
const SHUTDOWN_GRACE_MS = 2000;

/**
 * What the runner is asked to carry out for a step. What few tasks look at is made when they do; a class, because an object
 * with accessors of its own takes 2.5 µs to make. Without `#` members, so that another object can stand in for it (Object.create).
 */
export class StepRequest implements ExecuteRequest {
  readonly run: string;
  readonly namespace: string;
  readonly task: string;
  readonly item: number;
  readonly attempt: number;
  readonly undo: boolean;
  readonly type: TaskType;
  readonly input: JsonObject;
  readonly sandbox: Sandbox;
  readonly limits: CommandLimits;
  readonly artifacts: readonly string[];
  readonly deadline?: number;
  private readonly engine: DurableEngine;
  private readonly execution: Pick<Execution, "live" | "attempt" | "command">;

  constructor(engine: DurableEngine, execution: Pick<Execution, "live" | "attempt" | "command">, type: TaskType) {
    const { live, attempt, command } = execution;
    const { plan } = live.program.tasks[live.program.index.get(command.task)!]!;
    this.engine = engine;
    this.execution = execution;
    this.run = attempt.run;
    this.namespace = attempt.namespace;
    this.task = command.task;
    this.item = command.item;
    this.attempt = command.attempt;
    this.undo = command.undo;
    this.type = type;
    this.input = command.input;
    this.sandbox = plan.runner?.sandbox ?? DEFAULT_SANDBOX;
    this.limits = plan.runner?.limits ?? NO_LIMITS;
    this.artifacts = command.undo ? [] : (plan.artifacts ?? []);
    if (plan.timeout?.runMs !== undefined) this.deadline = engine.parts.clock.now() + plan.timeout.runMs;
  }

  get dir(): string {
    const { attempt, command } = this.execution;
    return this.engine.dirOf(attempt.run, command, command.attempt);
  }

  get base(): string {
    return this.execution.live.run.created.base ?? this.engine.parts.workDir;
  }

  get lent(): readonly string[] {
    return [...this.execution.live.run.lent];
  }

  get trace(): TraceContext | undefined {
    const { created } = this.execution.live.run;
    const { task, item, attempt } = this;
    return contextFor(created, { kind: "attempt", task, item, attempt }, this.engine.parts.traces?.(created));
  }

  get requestId(): string | undefined {
    return this.execution.live.run.created.origin?.request;
  }

  get workload(): Workload | undefined {
    const { live, command } = this.execution;
    return workloadOf(live, command, this.engine.parts.environment);
  }

  get graceMs(): number {
    return this.engine.closed ? SHUTDOWN_GRACE_MS : this.engine.parts.limits.graceMs;
  }

  get signal(): AbortSignal {
    return this.execution.attempt.signal;
  }

  lessee(secret: string): Pick<Lessee, "actor" | "origin" | "question"> {
    const { live } = this.execution;
    const { initiator, origin } = live.run.created;
    return {
      actor: initiator,
      origin,
      question: leaseQuestion(live.program, live.run, secret, this.engine.parts.environment),
    };
  }

  beat(): void {
    this.execution.attempt.lastBeat = this.engine.parts.clock.now();
  }
}

const NO_LIMITS: CommandLimits = {};
