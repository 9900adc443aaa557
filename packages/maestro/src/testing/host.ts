import type { AttemptResult } from "../core/event.ts";
import { ExpressionError } from "../core/expression.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import type { PlanTask } from "../core/plan.ts";
import { MaestroError, messageOf } from "../core/problem.ts";
import { useText } from "../core/receipt-facts.ts";
import type { ExecuteRequest } from "../engine/parts.ts";
import type { AttemptDeps } from "../runner/attempt.ts";
import { executeAttempt } from "../runner/attempt.ts";
import { compileSchema } from "../task/json-schema.ts";
import type { TaskContext, TaskType } from "../task/task.ts";
import { TaskFailure } from "../task/task.ts";
import type { FakeRequest } from "./case.ts";
import type { Act, Fakes, PreparedBehaviour } from "./fakes.ts";
import { outputOf } from "./fakes.ts";
import { fillOutput } from "./fill-output.ts";
import { leaveArtifacts } from "./leave-artifacts.ts";
import { Pauses } from "./pauses.ts";

export interface HostOptions {
  readonly fakes: Fakes;
  readonly deps: AttemptDeps;
  /** The task as the plan of that run has it, and its name in the case (`deploy`, or `cleanup/remove` in a child run). */
  find(run: string, task: string): { readonly plan: PlanTask; readonly name: string };
  /** A task that works until the run is cancelled. */
  readonly during: string | undefined;
  readonly maxAttempts: number;
}

/**
 * Carries out the attempts of a world: the fakes of its case, or the task types themselves where those only compute. Both
 * go through the attempt host of production, so inputs, outputs, artifacts and failures are checked and reported alike.
 */
export class Host {
  readonly pauses: Pauses;
  /** What attempts were given, by `run/task/item`; the last one. */
  readonly inputs = new Map<string, JsonObject>();
  /** `cancel.during` has come. */
  reached = false;
  /** The engine is to die at the end of its turn. */
  crashing = false;
  /** A case that cannot go on: what its author has to mend. */
  trouble: Error | undefined;
  readonly #options: HostOptions;
  /** Attempts that compute, as opposed to those that wait for the world's time. */
  #busy = 0;
  #changed = Promise.withResolvers<void>();
  /** Results come in the order of starts, so that a case has one history. */
  #order: Promise<unknown> = Promise.resolve();

  constructor(options: HostOptions) {
    this.#options = options;
    this.pauses = new Pauses((change) => this.#count(change));
  }

  get busy(): boolean {
    return this.#busy > 0;
  }

  /** Resolves when an attempt has answered, paused or met trouble. */
  async changed(): Promise<void> {
    await this.#changed.promise;
  }

  fail(error: Error): void {
    this.trouble ??= error;
    this.#count(0);
  }

  async execute(request: ExecuteRequest): Promise<AttemptResult> {
    const before = this.#order;
    const answered = Promise.withResolvers<void>();
    this.#order = Promise.all([before, answered.promise]);
    this.#count(1);
    const { type, duplicate } = this.#typeFor(request, () => answered.resolve());
    const result = await executeAttempt(withType(request, type), this.#options.deps);
    answered.resolve();
    await before;
    this.#count(-1);
    if (duplicate) this.repeats.push({ request, result });
    return result;
  }

  /** Results to be delivered once more. */
  readonly repeats: { readonly request: ExecuteRequest; readonly result: AttemptResult }[] = [];

  #count(change: number): void {
    this.#busy += change;
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }

  /** The task type that this attempt gets: its own, or one with the same checks whose work is the fake's. */
  #typeFor(request: ExecuteRequest, paused: () => void): { readonly type: TaskType; readonly duplicate: boolean } {
    const { plan, name } = this.#options.find(request.run, request.task);
    const step = `${name}${request.item === -1 ? "" : `[${request.item}]`}`;
    this.inputs.set(`${request.run}/${request.task}/${request.item}`, request.input);
    try {
      this.#checkLimits(request, step);
      const act = this.#options.fakes.find(namesOf(request, plan, name), request.attempt);
      if (act === undefined || (act.kind === "behaviour" && act.said.real === true)) {
        if (act === undefined) refuseEffects(request, plan, step);
        return { type: this.#isDuring(step) ? this.#interrupted(request, paused) : request.type, duplicate: false };
      }
      if (act.kind === "behaviour") checkFault(act, plan, step);
      const work = (context: TaskContext): Promise<JsonValue> => this.#guarded(act, request, { context, step, paused });
      return {
        type: fakeType(request.type, work),
        duplicate: act.kind === "behaviour" && act.fault === "duplicate",
      };
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(messageOf(error), { cause: error }));
      const refuse = (): Promise<JsonValue> =>
        Promise.reject(new TaskFailure({ code: "INTERNAL", message: messageOf(error), final: true }));
      return { type: fakeType(request.type, refuse), duplicate: false };
    }
  }

  #checkLimits(request: ExecuteRequest, step: string): void {
    const { maxAttempts } = this.#options;
    if (request.attempt <= maxAttempts) return;
    throw new MaestroError(
      "limit_exceeded",
      `${step} has been tried ${maxAttempts} times and the run does not end: its \`until\` or \`retry\` never gets what it waits for`,
      { fix: "Let the fake answer differently at last, or raise `limits.attempts` of the case." },
    );
  }

  /** Whatever a fake throws that is no failure of a task is a mistake in the case. */
  async #guarded(act: Act, request: ExecuteRequest, place: FakePlace): Promise<JsonValue> {
    try {
      return await this.#perform(act, request, place);
    } catch (error) {
      if (error instanceof TaskFailure) throw error;
      throw error instanceof MaestroError
        ? this.#mistake(error)
        : this.#mistake(
            new MaestroError("invalid_test", `the fake of ${place.step} threw ${messageOf(error)}`, { cause: error }),
          );
    }
  }

  async #perform(act: Act, request: ExecuteRequest, place: FakePlace): Promise<JsonValue> {
    const { context, step, paused } = place;
    if (this.#isDuring(step)) await this.#interrupt(request, paused);
    const ask: FakeRequest = {
      task: request.task,
      item: request.item,
      attempt: request.attempt,
      undo: request.undo,
      input: request.input,
      now: context.now(),
    };
    if (act.kind === "function") return checked(await act.call(ask), request, step);
    return this.#behave(act, ask, request, place);
  }

  #isDuring(step: string): boolean {
    const { during } = this.#options;
    return during === step || during === step.replace(/\[\d+\]$/, "");
  }

  #interrupted(request: ExecuteRequest, paused: () => void): TaskType {
    return fakeType(request.type, async () => {
      await this.#interrupt(request, paused);
      return null;
    });
  }

  /** The attempt works on until somebody cancels it, which is when this rejects. */
  async #interrupt(request: ExecuteRequest, paused: () => void): Promise<void> {
    this.reached = true;
    paused();
    await this.pauses.wait(request, Number.POSITIVE_INFINITY, { silent: false });
  }

  async #behave(
    { said, output, takesMs, fault }: PreparedBehaviour,
    ask: FakeRequest,
    request: ExecuteRequest,
    { context, step, paused }: FakePlace,
  ): Promise<JsonValue> {
    if (said.log !== undefined) context.emit({ kind: "log", stream: "stdout", bytes: said.log });
    if (takesMs > 0) {
      paused();
      await this.pauses.wait(request, context.now() + takesMs, { silent: fault === "silent" });
    }
    if (said.usage !== undefined) context.emit(usageOf(said.usage));
    if (fault === "timeout" || fault === "silent" || fault === "crash") {
      if (fault === "crash") this.crashing = true;
      paused();
      await this.pauses.wait(request, Number.POSITIVE_INFINITY, { silent: fault === "silent" });
    }
    if (fault === "lost") throw new TaskFailure({ code: "LOST", message: "the worker that carried it out was lost" });
    if (said.artifacts !== undefined) await leaveArtifacts(context, said.artifacts);
    const value = output === undefined ? undefined : evaluated(() => outputOf(output, ask), step);
    if (said.fail === undefined) return checked(value, request, step);
    const failure = typeof said.fail === "string" ? { code: said.fail } : said.fail;
    throw new TaskFailure({ message: "as the test says", ...failure }, value === undefined ? {} : { output: value });
  }

  #mistake(error: MaestroError): MaestroError {
    this.fail(error);
    return error;
  }
}

interface FakePlace {
  readonly context: TaskContext;
  readonly step: string;
  /** To be called before it waits for the world's time. */
  readonly paused: () => void;
}

function evaluated(work: () => JsonValue, step: string): JsonValue {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    throw new MaestroError("invalid_test", `the output of the fake of ${step}: ${error.message}`, { cause: error });
  }
}

/** An output that the task type could not give is a mistake of the case, not a failure of the run. */
function checked(output: JsonValue | undefined, { type }: ExecuteRequest, step: string): JsonValue {
  const { description } = type;
  const whole = fillOutput(output, description.output);
  const wrong = compileSchema(description.output)(whole);
  if (wrong.length === 0) return whole;
  const what = wrong.map((one) => `output${one.path} ${one.message}`).join("; ");
  throw new MaestroError(
    "invalid_test",
    `the fake of ${step} gives what ${description.name}@${description.version} cannot give: ${what}`,
  );
}

/** The same request for another type; its getters are still read only when they are needed. */
function withType(request: ExecuteRequest, type: TaskType): ExecuteRequest {
  return Object.create(request, { type: { value: type, enumerable: true } }) as ExecuteRequest;
}

function namesOf({ item, undo }: ExecuteRequest, plan: PlanTask, name: string): readonly string[] {
  const own = undo ? `${name}.undo` : name;
  const uses = useText(undo ? plan.undo!.uses : plan.uses);
  return item === -1 ? [own, uses] : [`${own}[${item}]`, own, uses];
}

/** A test never does to the world what it was not told to do. */
function refuseEffects({ type, undo }: ExecuteRequest, plan: PlanTask, step: string): void {
  const { name, version, runs, program } = type.description;
  const effects = undo ? plan.undo!.effects : plan.effects;
  if (effects.length === 0 && runs === "inline" && program === undefined) return;
  const what = effects.length === 0 ? "it starts a program" : `effects: ${effects.join(", ")}`;
  throw new MaestroError(
    "invalid_test",
    `${step}${undo ? ".undo" : ""} uses ${name}@${version} (${what}), and the case has no fake for it; nothing of it was run`,
    { fix: `Say what stands in for it under \`fakes\`, or \`real: true\` to carry it out.` },
  );
}

function checkFault({ fault }: PreparedBehaviour, plan: PlanTask, step: string): void {
  const { timeout } = plan;
  if (fault === "timeout" && timeout?.runMs === undefined) throw endless(step, "timeout", "timeout.run");
  if (fault === "silent" && timeout?.heartbeatMs === undefined && timeout?.runMs === undefined)
    throw endless(step, "silent", "timeout.heartbeat");
}

function endless(step: string, fault: string, field: string): MaestroError {
  return new MaestroError(
    "invalid_test",
    `the fake of ${step} never answers (fault: ${fault}), and the task has no \`${field}\` that would end it`,
    { fix: `Give the task a \`${field}\`: without one it would wait for ever in production too.` },
  );
}

function fakeType(real: TaskType, work: (context: TaskContext) => Promise<JsonValue>): TaskType {
  return {
    description: real.description,
    init(context) {
      const task = real.init(context);
      return { validate: (input) => task.validate(input), execute: () => work(context) };
    },
  };
}

function usageOf({ usd, tokens }: { readonly usd?: number; readonly tokens?: number }): {
  readonly kind: "usage";
  readonly usdMicros?: number;
  readonly tokens?: number;
} {
  return {
    kind: "usage",
    ...(usd === undefined ? {} : { usdMicros: Math.round(usd * 1e6) }),
    ...(tokens === undefined ? {} : { tokens }),
  };
}
