import { advance, wakeAt } from "../../src/core/advance.ts";
import { applyEvent, createRun } from "../../src/core/apply.ts";
import { canonical } from "../../src/core/canonical.ts";
import { digestOf, sha256 } from "../../src/core/digest.ts";
import type { Actor, AttemptResult, Decision, RunCreated, RunEvent } from "../../src/core/event.ts";
import { makeId } from "../../src/core/id.ts";
import type { RunInput } from "../../src/core/input.ts";
import type { JsonObject, JsonValue } from "../../src/core/json.ts";
import type { Plan, PlanTask } from "../../src/core/plan.ts";
import type { Program } from "../../src/core/program.ts";
import { link } from "../../src/core/program.ts";
import { receive } from "../../src/core/receive.ts";
import { replay } from "../../src/core/replay.ts";
import type { reusable } from "../../src/core/reuse.ts";
import type { Run } from "../../src/core/run.ts";
import { startNext } from "../../src/core/start.ts";
import type { Command, Facts } from "../../src/core/turn.ts";
import { beginTurn } from "../../src/core/turn.ts";

export const OWNER: Actor = { type: "user", id: "owner", roles: ["owner", "release-manager"] };
export const ALLOW: Decision = {
  id: "d_1",
  allow: true,
  reasons: ["test"],
  rules: ["test"],
  policyDigest: sha256("policy"),
  requestDigest: sha256("request"),
  engine: "test",
};

export type TaskSketch = Partial<Omit<PlanTask, "id" | "uses">> & {
  readonly id: string;
  readonly uses?: PlanTask["uses"] | string;
};

/** A plan from the parts a test cares about. */
export function planOf(tasks: readonly TaskSketch[], rest: Partial<Plan> = {}): Plan {
  return {
    format: "maestro.plan/v1",
    workflow: { namespace: "test", name: "sketch", version: "1.0.0", digest: sha256("sketch") },
    type: "demo",
    purposes: ["test"],
    authority: { required: false },
    license: "internal",
    inputs: { type: "object" },
    onFailure: "stop",
    outputs: {},
    triggers: [],
    ...rest,
    tasks: tasks.map(taskOf),
  };
}

function taskOf(sketch: TaskSketch): PlanTask {
  const { uses, ...rest } = sketch;
  return {
    phase: "main",
    needs: [],
    with: {},
    effects: [],
    ...rest,
    uses: typeof uses === "object" ? uses : typeUse(uses ?? "noop"),
  };
}

function typeUse(name: string): PlanTask["uses"] {
  return { kind: "type", name, version: 1, digest: sha256(name) };
}

export interface WorldOptions {
  readonly inputs?: JsonObject;
  readonly decision?: Decision;
  readonly queued?: boolean;
  readonly initiator?: Actor;
  /** Taken over from an earlier run. */
  readonly reuse?: ReturnType<typeof reusable>;
  /** What the gate says of steps; default: allow. */
  readonly gate?: () => Decision;
  /** What the cache says; default: it cannot be asked. */
  readonly cache?: () => Pick<Extract<RunInput, { kind: "cache_answered" }>, "key" | "hit">;
}

/** One run driven by hand through the pure core: the test is engine, runner and clock. */
export class World {
  readonly program: Program;
  readonly run: Run;
  readonly events: RunEvent[] = [];
  /** Attempts started and not finished. */
  readonly atWork: Extract<Command, { kind: "execute" }>[] = [];
  readonly commands: Command[] = [];
  /** Numbers of events after which everything that follows had been decided: where a crash can cut. */
  readonly durable: number[] = [];
  now = 1_000_000;
  /** Slots; a test may take them away. */
  slots = Number.POSITIVE_INFINITY;
  random: () => number = () => 0.5;
  private readonly options: WorldOptions;
  private ids = 0;

  constructor(plan: Plan, options: WorldOptions = {}, history?: readonly RunEvent[]) {
    this.options = options;
    this.program = link(plan, digestOf(plan as unknown as JsonValue), (use) =>
      use.kind === "type" && use.name === "exec" ? "process" : "inline",
    );
    if (history !== undefined) {
      this.run = replay(this.program, history);
      this.events.push(...history);
      return;
    }
    const created: RunCreated = {
      kind: "run_created",
      run: "r_test",
      name: plan.workflow.name,
      namespace: plan.workflow.namespace,
      planDigest: this.program.digest,
      inputs: options.inputs ?? {},
      purpose: "test",
      authority: "none",
      initiator: options.initiator ?? OWNER,
      labels: {},
      priority: 0,
    };
    const first: RunEvent & RunCreated = { seq: 1, at: this.now, ...created };
    this.run = createRun(this.program, first);
    this.events.push(first);
    this.record({
      seq: 2,
      at: this.now,
      kind: "policy_decided",
      action: "run.start",
      decision: options.decision ?? ALLOW,
    });
    for (const body of options.reuse ?? []) this.record({ seq: this.run.seq + 1, at: this.now, ...body });
    if (options.queued === true || options.decision?.allow === false) this.settle();
    else this.send({ kind: "admitted" });
  }

  /** The same run after a crash when it had `until` events: what was at work is lost, what was asked is asked again. */
  static resume(old: World, until = old.events.length): World {
    const history = JSON.parse(JSON.stringify(old.events.slice(0, until))) as RunEvent[];
    const world = new World(old.program.plan, old.options, history);
    world.now = until === old.events.length ? old.now : history.at(-1)!.at;
    world.random = old.random;
    world.ids = old.ids;
    world.slots = 0;
    world.settle();
    world.slots = old.slots;
    for (const task of world.run.tasks) {
      for (const { item, attempt, status } of task.steps) {
        if (status !== "running" && status !== "undoing") continue;
        world.send({
          kind: "attempt_finished",
          task: world.program.ids[task.index]!,
          item,
          attempt,
          result: { ok: false, error: { code: "LOST", message: "crash" } },
        });
      }
    }
    world.settle();
    return world;
  }

  send(input: RunInput): this {
    const turn = beginTurn(this.program, this.run, this.facts());
    receive(turn, input);
    this.finish(turn);
    this.settle();
    return this;
  }

  /** Ends the attempt at work of that step. Output, or an error code. */
  end(
    task: string,
    result: {
      readonly output?: JsonValue;
      readonly error?: string;
      readonly final?: boolean;
      readonly usd?: number;
    } = {},
    item = -1,
  ): this {
    const at = this.atWork.findIndex((command) => command.task === task && command.item === item);
    const command = this.atWork[at];
    if (command === undefined)
      throw new Error(`${task}[${item}] is not at work; these are: ${this.working().join(", ")}`);
    this.atWork.splice(at, 1);
    return this.send({ kind: "attempt_finished", task, item, attempt: command.attempt, result: resultOf(result) });
  }

  /** Lets time pass, stopping at every timer on the way. */
  pass(ms: number): this {
    const until = this.now + ms;
    for (;;) {
      const next = wakeAt(this);
      if (next === undefined || next > until) break;
      this.now = Math.max(this.now, next);
      this.send({ kind: "timer" });
    }
    this.now = until;
    return this.send({ kind: "timer" });
  }

  working(): string[] {
    return this.atWork.map((command) => (command.item === -1 ? command.task : `${command.task}[${command.item}]`));
  }

  statuses(): Record<string, string> {
    return Object.fromEntries(this.run.tasks.map((task) => [this.program.tasks[task.index]!.plan.id, task.status]));
  }

  kinds(): string[] {
    return this.events.map((event) => event.kind);
  }

  /** Fills slots until nothing more can start. */
  settle(): void {
    const turn = beginTurn(this.program, this.run, this.facts());
    advance(turn);
    this.finish(turn);
    for (;;) {
      if (this.atWork.length >= this.slots) return;
      const started = beginTurn(this.program, this.run, this.facts());
      const command = startNext(started, "process") ?? startNext(started, "inline");
      advance(started);
      if (command !== undefined) this.atWork.push(command);
      this.finish(started);
      if (command === undefined && started.events.length === 0) return;
    }
  }

  private finish(turn: ReturnType<typeof beginTurn>): void {
    advance(turn);
    this.events.push(...turn.events);
    this.durable.push(this.events.length);
    for (const command of turn.commands) {
      this.commands.push(command);
      if (command.kind === "decide")
        this.send({
          kind: "decided",
          task: command.task,
          item: command.item,
          decision: this.options.gate?.() ?? ALLOW,
        });
      if (command.kind === "lookup")
        this.send({
          kind: "cache_answered",
          task: command.task,
          item: command.item,
          ...(this.options.cache?.() ?? { key: null, hit: null }),
        });
    }
  }

  private record(event: RunEvent): void {
    applyEvent(this.program, this.run, event);
    this.events.push(event);
  }

  private facts(): Facts {
    return {
      now: this.now,
      random: () => this.random(),
      id: (prefix) =>
        makeId(
          prefix,
          this.now,
          Uint8Array.from({ length: 10 }, (_, i) => (i === 9 ? this.ids++ : 0)),
        ),
      dirOf: (step, attempt) => `/attempts/${step.task}.${attempt}`,
    };
  }
}

function resultOf(result: {
  readonly output?: JsonValue;
  readonly error?: string;
  readonly final?: boolean;
  readonly usd?: number;
}): AttemptResult {
  const usage = result.usd === undefined ? {} : { usage: { usdMicros: result.usd } };
  if (result.error === undefined) return { ok: true, output: result.output ?? {}, ...usage };
  return {
    ok: false,
    error: { code: result.error, message: "as the test wants it", ...(result.final === true ? { final: true } : {}) },
    ...usage,
  };
}

/** Everything of a run that its events determine, as canonical bytes. The scheduler's scratch memory is left out. */
export function snapshot(run: Run): string {
  const { transient: _, tasks, ...rest } = run;
  return canonical(
    plain({
      ...rest,
      signals: [...run.signals],
      stopped: [...run.stopped],
      undoable: run.undoable.map((step) => [step.task, step.item]),
      undoQueue: run.undoQueue.map((step) => [step.task, step.item]),
      tasks: tasks.map(({ prepared: _p, cleared: _c, firstOpen: _f, approved: _a, steps, ...task }) => ({
        ...task,
        steps: steps.map(({ asked: _k, cacheKey: _y, considered: _d, queued: _q, ...step }) => step),
      })),
    }),
  );
}

function plain(value: unknown): JsonValue {
  return JSON.parse(JSON.stringify(value)) as JsonValue;
}
