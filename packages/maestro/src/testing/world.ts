import { mkdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { setImmediate as turnOfTheLoop, setTimeout as delay } from "node:timers/promises";
import type { Actor, RunEvent } from "../core/event.ts";
import { formatDuration } from "../core/duration.ts";
import type { RunInput } from "../core/input.ts";
import type { JsonObject } from "../core/json.ts";
import type { Plan, PlanTask } from "../core/plan.ts";
import { MaestroError } from "../core/problem.ts";
import { DurableEngine } from "../engine/durable.ts";
import { DEFAULT_LIMITS } from "../engine/limits.ts";
import type { RunView } from "../engine/engine.ts";
import type { Gate, GateRequest } from "../policy/gate.ts";
import type { RunRow } from "../store/store.ts";
import { VERSION } from "../version.ts";
import type { Person, TestCase } from "./case.ts";
import { Chance } from "./chance.ts";
import { durationMs, Fakes } from "./fakes.ts";
import { Host } from "./host.ts";
import { writeInside } from "./leave-artifacts.ts";
import type { WorldParts } from "./parts.ts";
import { openParts } from "./parts.ts";
import type { Runbook } from "./runbook.ts";

/** Where a run stands in the world: the root run, or a child run of one of its tasks. */
export interface Place {
  readonly run: string;
  /** Put before the names of its tasks: `` for the root, `cleanup/` for the child run of task `cleanup`. */
  readonly prefix: string;
  readonly plan: Plan;
}

const DEFAULTS = { attempts: 1000, events: 2_000_000, time: "3650d", real: "30s" } as const;
const START = "2026-01-01T00:00:00Z";
/** Turns without anything happening after which nothing more will by itself. */
const QUIET_TURNS = 20;

/**
 * A real engine on a real store, whose time passes only when it is told to, and whose tasks are fakes where the case says
 * so. What it decides and records is what production would: it is the same code.
 */
export class World implements AsyncDisposable {
  readonly runbook: Runbook;
  readonly test: TestCase;
  readonly host: Host;
  readonly startedAt: number;
  /** Epoch milliseconds, in this world. */
  now: number;
  /** Runs in the order they began: the root first, then children. */
  readonly places = new Map<string, Place>();
  readonly events = new Map<string, RunEvent[]>();
  /** Called with each event once it is durable. */
  onEvent: (place: Place, event: RunEvent) => void = () => undefined;
  readonly fakes: Fakes;
  readonly #parts: WorldParts;
  readonly #base: string;
  readonly #ids: Chance;
  readonly #jitter: Chance;
  readonly #limits: { readonly events: number; readonly endAt: number; readonly realMs: number };
  readonly #realEnd: NodeJS.Timeout;
  #engine!: DurableEngine;
  #eventCount = 0;
  #decisions = 0;

  private constructor(runbook: Runbook, test: TestCase, parts: WorldParts, base: string) {
    this.runbook = runbook;
    this.test = test;
    this.#parts = parts;
    this.#base = base;
    this.startedAt = startOf(test);
    this.now = this.startedAt;
    this.#ids = new Chance(test.seed ?? 1);
    this.#jitter = new Chance(~(test.seed ?? 1));
    this.fakes = new Fakes(test.fakes ?? {});
    const { attempts, events, time, real } = { ...DEFAULTS, ...test.limits };
    this.#limits = { events, endAt: this.startedAt + durationMs(time), realMs: durationMs(real) };
    this.host = new Host({
      fakes: this.fakes,
      during: test.cancel?.during,
      maxAttempts: attempts,
      find: (run, task) => this.#find(run, task),
      deps: {
        runner: parts.runner,
        logs: parts.logs,
        blobs: parts.blobs,
        now: () => this.now,
        environment: (name) => test.environment?.[name],
      },
    });
    this.#realEnd = setTimeout(() => this.host.fail(this.#tooSlow()), this.#limits.realMs);
  }

  /** `file` is where relative folders of the case are meant from. */
  static async open(runbook: Runbook, test: TestCase, file: string): Promise<World> {
    const parts = await openParts();
    try {
      const base = test.folder === undefined ? join(parts.dir, "base") : resolve(dirname(file), test.folder);
      if (test.folder === undefined) await mkdir(base);
      else if (test.files !== undefined)
        throw new MaestroError(
          "invalid_test",
          "`files` are written to a folder of the test's own, so they do not go with `folder`",
        );
      for (const [name, text] of Object.entries(test.files ?? {})) await writeInside(base, name, text);
      for (const child of runbook.children) await parts.store.planPut(child);
      const world = new World(runbook, test, parts, base);
      world.#engine = world.#makeEngine();
      return world;
    } catch (error) {
      await parts.close();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#realEnd);
    // Ends what is at work; what does not even stop then must not keep the test from ending.
    await Promise.race([this.#engine.drain(0), delay(CLOSE_MS, undefined, { ref: false })]);
    await this.#parts.close();
  }

  /** Records the run of this world; resolves with its id. Errors: as a start in production. */
  async start(inputs: JsonObject = this.test.inputs ?? {}): Promise<string> {
    const { test, runbook } = this;
    const row = await this.#during(() =>
      this.#engine.start({
        plan: runbook.stored,
        inputs,
        purpose: test.purpose ?? runbook.plan.purposes[0] ?? "",
        authority: test.authority ?? (runbook.plan.authority.required ? "TEST" : ""),
        initiator: this.initiator,
        base: this.#base,
        ...(test.labels === undefined ? {} : { labels: test.labels }),
      }),
    );
    return row.id;
  }

  get initiator(): Actor {
    return actorOf(this.test.by ?? "tester", ["owner"]);
  }

  /** Hands an input to a run. Errors: as in production. */
  async send(run: string, input: RunInput): Promise<RunRow> {
    return this.#during(() => this.#engine.send(run, input));
  }

  async view(run: string): Promise<RunView> {
    return this.#engine.view(run);
  }

  /** The next moment at which something is due; undefined when only a message can change anything. */
  nextAt(): number | undefined {
    const times = [this.#engine.nextAt(), this.host.pauses.nextAt()].filter((at) => at !== undefined);
    return times.length === 0 ? undefined : Math.max(this.now + 1, Math.min(...times));
  }

  /** Lets time come to that moment, at which something is due, and everything happen that follows. Errors: `limit_exceeded`. */
  async reach(at: number): Promise<void> {
    if (at > this.#limits.endAt)
      throw new MaestroError(
        "limit_exceeded",
        `the run has not ended after ${formatDuration(this.#limits.endAt - this.startedAt)} of the world's time; ${this.#last()}`,
        { fix: "Give it what it waits for, or raise `limits.time` of the case." },
      );
    this.now = Math.max(this.now, at);
    this.host.pauses.reach(this.now);
    await this.settle();
  }

  /** Lets that much time pass, stopping wherever something is due. */
  async pass(ms: number): Promise<void> {
    await this.settle();
    const until = this.now + ms;
    for (let next = this.nextAt(); next !== undefined && next <= until; next = this.nextAt()) await this.reach(next);
    await this.reach(until);
  }

  /** Lets everything happen that needs no time. Throws what is wrong with the case, once something is. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < QUIET_TURNS;) {
      if (this.host.trouble !== undefined) throw this.host.trouble;
      if (this.host.crashing) await this.#crash();
      const next = this.#engine.nextAt();
      const due = next !== undefined && next <= this.now;
      await this.#engine.tick();
      this.#repeat();
      if (!due && this.host.busy) {
        await this.host.changed();
        quiet = 0;
        continue;
      }
      await turnOfTheLoop();
      // Files of a cache key are read for real, which may take any number of turns.
      quiet = due || this.host.busy || this.#engine.effects.asking > 0 ? 0 : quiet + 1;
    }
  }

  /** The engine dies with what it had at work, and another one takes over its store. */
  async #crash(): Promise<void> {
    this.host.crashing = false;
    this.#engine.closed = true;
    for (const attempt of this.#engine.attempts.all()) attempt.stop({ code: "LOST", message: "the engine died" });
    this.#engine = this.#makeEngine();
    await this.#engine.recover();
  }

  /** A result that comes a second time. */
  #repeat(): void {
    for (const { request, result } of this.host.repeats.splice(0)) {
      const { run, task, item, attempt } = request;
      this.#engine.post({ run, input: { kind: "attempt_finished", task, item, attempt, result } });
    }
  }

  async #during<T>(ask: () => Promise<T>): Promise<T> {
    const [[outcome]] = await Promise.all([Promise.allSettled([ask()]), this.settle()]);
    if (outcome.status === "rejected") throw outcome.reason;
    return outcome.value;
  }

  #makeEngine(): DurableEngine {
    const engine = new DurableEngine({
      store: this.#parts.store,
      blobs: this.#parts.blobs,
      gate: this.#gate(),
      signer: this.#parts.signer,
      types: this.runbook.types,
      execute: (request) => this.host.execute(request),
      clock: { now: () => this.now },
      randomBytes: (count) => this.#ids.bytes(count),
      random: () => this.#jitter.next(),
      workDir: join(this.#parts.dir, "data", "work"),
      version: VERSION,
      environment: "test",
      // Time that jumps would load a sleeping run anew at each jump.
      limits: { ...DEFAULT_LIMITS, evictAfterMs: Number.MAX_SAFE_INTEGER },
      passive: false,
      log: (level, message, fields) => {
        if (level === "error") this.host.fail(new MaestroError("internal", `${message}: ${JSON.stringify(fields)}`));
      },
    });
    engine.subscribe("*", (run, events) => this.#note(run, events));
    return engine;
  }

  #gate(): Gate {
    const local = this.#parts.gate(() => `d_${String(this.#decisions++).padStart(4, "0")}`);
    const denied = new Set(this.test.deny ?? []);
    return {
      decide: (request, occasion) => {
        // Whoever starts it in a test may start it; what denies is said by the test.
        const decision = local.decide(asOwner(request), occasion);
        const name =
          request.action.name === "run.start"
            ? "run.start"
            : `${this.places.get(occasion.run ?? "")?.prefix ?? ""}${occasion.task ?? ""}`;
        if (decision instanceof Promise || !(denied.has(name) || denied.has(name.replace(/\[\d+\]$/, ""))))
          return decision;
        return { ...decision, allow: false, reasons: ["the test says so"], rules: ["test.deny"] };
      },
    };
  }

  #note(run: string, events: readonly RunEvent[]): void {
    const list = this.events.get(run) ?? [];
    this.events.set(run, list);
    for (const event of events) {
      list.push(event);
      if (event.kind === "run_created" && event.parent === undefined)
        this.places.set(run, { run, prefix: "", plan: this.runbook.plan });
      const place = this.places.get(run);
      if (place === undefined) continue;
      if (event.kind === "child_started") {
        const plan = this.runbook.plans.get(event.planDigest);
        const prefix = `${place.prefix}${event.task}/`;
        if (plan !== undefined) this.places.set(event.childRun, { run: event.childRun, prefix, plan });
      }
      this.onEvent(place, event);
    }
    this.#eventCount += events.length;
    if (this.#eventCount > this.#limits.events)
      this.host.fail(
        new MaestroError(
          "limit_exceeded",
          `the run has not ended after ${this.#limits.events} events; ${this.#last()}`,
          { fix: "Make the case smaller, or raise `limits.events` of the case." },
        ),
      );
  }

  #find(run: string, task: string): { readonly plan: PlanTask; readonly name: string } {
    // A step that only computes is carried out before its run is durable, and so before the run has been noted.
    const place = this.places.get(run) ?? { prefix: "", plan: this.runbook.plan };
    const plan = place.plan.tasks.find(({ id }) => id === task);
    if (plan === undefined) throw new MaestroError("internal", `the plan of run ${run} has no task ${task}`);
    return { plan, name: `${place.prefix}${task}` };
  }

  #tooSlow(): MaestroError {
    const { realMs } = this.#limits;
    return new MaestroError(
      "timed_out",
      `the case has not ended after ${formatDuration(realMs)} on this machine, at ${formatDuration(this.now - this.startedAt)} of the world's time; ${this.#last()}`,
      { fix: "Look at the tasks that are carried out for real, or raise `limits.real` of the case." },
    );
  }

  /** What happened last, for messages about runs that do not end. */
  #last(): string {
    const events = [...this.events.values()].flatMap((list) => list.slice(-3)).slice(-3);
    const names = events.map(
      (event) => `${event.kind}${"task" in event && event.task !== undefined ? ` ${event.task}` : ""}`,
    );
    return names.length === 0 ? "nothing has happened yet" : `its last events are ${names.join(", ")}`;
  }
}

const CLOSE_MS = 5000;

export function actorOf(person: Person, roles: readonly string[] = []): Actor {
  return typeof person === "string"
    ? { type: "user", id: person, roles }
    : { type: "user", id: person.id, roles: person.roles ?? roles };
}

function startOf({ at = START }: TestCase): number {
  const start = Date.parse(at);
  if (Number.isNaN(start) || start < 0)
    throw new MaestroError("invalid_test", `\`at\` is ${JSON.stringify(at)} and must be a time such as ${START}`);
  return start;
}

function asOwner(request: GateRequest): GateRequest {
  const { subject } = request;
  const roles = [...subject.properties.roles, "owner"];
  return { ...request, subject: { ...subject, properties: { ...subject.properties, roles } } };
}
