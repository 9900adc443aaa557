import { join } from "node:path";
import { setImmediate as turnOfTheLoop, setTimeout as delay } from "node:timers/promises";
import { advance } from "../core/advance.ts";
import { createRun } from "../core/apply.ts";
import type { Digest } from "../core/digest.ts";
import type { Decision, RunCreated, RunEvent, StepRef } from "../core/event.ts";
import { makeId } from "../core/id.ts";
import type { RunInput } from "../core/input.ts";
import { MaestroError, messageOf } from "../core/problem.ts";
import type { SlotClass } from "../core/program.ts";
import { receive } from "../core/receive.ts";
import { isTerminal, stepOf } from "../core/run.ts";
import { startNext } from "../core/start.ts";
import type { Facts, Turn } from "../core/turn.ts";
import { beginTurn, emit } from "../core/turn.ts";
import type { RunRow } from "../store/store.ts";
import { Attempt, Attempts } from "./attempts.ts";
import { commitRuns } from "./commit.ts";
import { checkInput } from "./door.ts";
import { Dispatch } from "./dispatch.ts";
import type { Engine, Preview, RunView, StartRequest } from "./engine.ts";
import type { Pending } from "./pending.ts";
import { Effects } from "./effects.ts";
import { ConcurrencyKeys, replacedBy } from "./keys.ts";
import { RunFacts } from "./facts.ts";
import { FORCE_AFTER_MS } from "./limits.ts";
import type { LiveRun } from "./live.ts";
import { newLive, project, rowChanged } from "./live.ts";
import { LiveRuns } from "./live-runs.ts";
import { Listeners } from "./listeners.ts";
import { loadRun } from "./load.ts";
import type { EngineParts, Listener, Message } from "./parts.ts";
import { Programs } from "./programs.ts";
import { stepQuestion } from "./questions.ts";
import { recoverRuns } from "./recover.ts";
import { Starts } from "./starts.ts";
import type { Admission } from "./admission.ts";
import { viewOf } from "./view.ts";

const SLOTS: readonly SlotClass[] = ["process", "inline"];

/**
 * The engine of one data directory. Everything happens in turns (`tick`): take the mailbox, let core decide for every
 * touched run, write all of it in one transaction, and only then start attempts, answer callers and tell listeners.
 * Hints may be lost and turns may fail: what is not durable is decided again from what is.
 */
export class DurableEngine implements Engine {
  readonly parts: EngineParts;
  readonly programs: Programs;
  readonly keys: ConcurrencyKeys;
  private readonly live: LiveRuns;
  readonly attempts = new Attempts();
  private readonly dispatch = new Dispatch();
  readonly effects: Effects;
  readonly starts: Starts;
  private mailbox: Message[] = [];
  private readonly listeners = new Listeners();
  private idleWaiters: (() => void)[] = [];
  private draining = false;
  closed = false;
  private turn: Pending | null = null;
  /** Runs that met a fault of ours, and what it was. They stand still until the engine restarts. */
  private readonly faulty = new Map<string, unknown>();
  /** After a failed commit nothing is tried before this time. */
  private stalledUntil = 0;
  private stalledBy: unknown = null;
  /** Set by the loop: called when there is work for a turn. */
  onWork: () => void = () => undefined;

  constructor(parts: EngineParts) {
    this.parts = parts;
    this.programs = new Programs(parts.types);
    this.keys = new ConcurrencyKeys(parts.store);
    this.effects = new Effects(this);
    this.starts = new Starts(this);
    this.live = new LiveRuns(this);
  }

  /* ---- what the control plane calls ---- */

  async start(request: StartRequest): Promise<RunRow> {
    return this.starts.start(request);
  }

  async preview(request: StartRequest): Promise<Preview> {
    return this.starts.preview(request);
  }

  async rerun(run: string, request: Parameters<Engine["rerun"]>[1]): Promise<RunRow> {
    return this.starts.rerun(run, request);
  }

  async send(run: string, input: RunInput): Promise<RunRow> {
    checkInput(input, this.parts.limits);
    // A cancel must get through above all when there is too much.
    if (input.kind === "cancel") this.refuseWhenStalled();
    else this.refuseWhenCrowded();
    await new Promise<void>((resolve, reject) => {
      this.mailbox.push({ run, input, done: { resolve, reject } });
      this.onWork();
    });
    const row = await this.parts.store.runGet(run);
    if (row === undefined) throw new MaestroError("not_found", `there is no run ${run}`);
    return row;
  }

  async view(run: string): Promise<RunView> {
    const live = this.live.get(run);
    return viewOf(live !== undefined && live.row !== null && live.pending.length === 0 ? live : await loadRun(this, run), this.parts.clock.now());
  }

  subscribe(run: string, listener: Listener): () => void {
    return this.listeners.add(run, listener);
  }

  async idle(): Promise<void> {
    if (!this.busy()) return;
    await new Promise<void>((resolve) => {
      this.idleWaiters.push(resolve);
    });
  }

  async drain(graceMs: number): Promise<void> {
    this.draining = true;
    const deadline = this.parts.clock.now() + graceMs;
    while (this.attempts.size > 0 && this.parts.clock.now() < deadline) {
      await this.tick();
      await delay(5);
    }
    this.closed = true;
    // What still runs is handed back: its result is not recorded, so the next engine finds it lost and tries again.
    for (const attempt of this.attempts.all()) attempt.stop({ code: "LOST", message: "the engine shut down" });
    while (this.turn !== null || this.effects.executing > 0) await delay(5);
    const refused = new MaestroError("shutting_down", "the engine is shutting down");
    for (const message of this.mailbox.splice(0)) message.done?.reject(refused);
    for (const admission of this.starts.take(Number.POSITIVE_INFINITY)) admission.done.reject(refused);
    for (const wake of this.idleWaiters.splice(0)) wake();
  }

  /* ---- turns ---- */

  /** Adopts what an earlier engine left: called once before the first turn. */
  async recover(): Promise<number> {
    return recoverRuns(this, this.live);
  }

  /** When the next turn is due if no message comes; undefined when nothing is. */
  nextAt(): number | undefined {
    if (this.closed) return undefined;
    if (this.hasWork()) return Math.max(this.parts.clock.now(), this.stalledUntil);
    const times = [this.live.nextAt(), this.attempts.nextAt()].filter((at) => at !== undefined);
    return times.length === 0 ? undefined : Math.max(Math.min(...times), this.stalledUntil);
  }

  hasWork(): boolean {
    return this.mailbox.length > 0 || this.starts.waiting > 0 || this.effects.waiting > 0;
  }

  /** One turn. Turns do not overlap: a call during a turn is no turn. */
  async tick(): Promise<void> {
    const now = this.parts.clock.now();
    if (this.turn !== null || this.closed || now < this.stalledUntil) return;
    const turn: Pending = { now, touched: [], executions: [], effects: [], messages: [], answers: [], ended: [] };
    this.turn = turn;
    try {
      this.effects.tryAgain();
      await this.gather(turn);
      for (const admission of this.starts.take(this.parts.limits.starts)) this.admitRun(turn, admission);
      for (const message of turn.messages) this.deliver(turn, message);
      if (!this.draining && !this.parts.passive) await this.work(turn);
      await this.commit(turn);
      this.release(turn);
      this.stalledBy = null;
    } catch (error) {
      this.abandon(turn, error);
    } finally {
      this.turn = null;
    }
    if (!this.busy()) for (const wake of this.idleWaiters.splice(0)) wake();
    if (this.hasWork()) this.onWork();
  }

  private busy(): boolean {
    return this.attempts.size > 0 || this.hasWork() || this.turn !== null;
  }

  /** Collects what is due and what came in, and brings the runs concerned into memory. */
  private async gather(turn: Pending): Promise<void> {
    const { now } = turn;
    for (const run of await this.live.due(now)) this.mailbox.push({ run, input: { kind: "timer" } });
    for (const { attempt, result } of this.attempts.expire(now, this.parts.limits.graceMs + FORCE_AFTER_MS)) this.effects.finished(attempt, result);
    turn.messages.push(...this.mailbox.splice(0, this.parts.limits.turn));
    for (const message of turn.messages) await this.prepare(message);
  }

  /** Also brings in what a message needs to know before it can be taken. */
  private async prepare(message: Message): Promise<void> {
    if (this.live.get(message.run) === undefined) await this.tryLoad(message);
    if (message.input.kind !== "retry") return;
    const key = this.live.get(message.run)?.run.created.concurrencyKey;
    if (key !== undefined) await this.keys.load(key);
  }

  private async tryLoad({ run, done }: Message): Promise<void> {
    const fault = this.faulty.get(run);
    if (fault !== undefined) done?.reject(new MaestroError("internal", `run ${run} stands still because of a fault of the engine (${messageOf(fault)})`, { cause: fault, fix: "Restart the engine, and report it with the log." }));
    else if (done === undefined) await this.live.tryLoad(run);
    else await this.live.load(run).catch((error: unknown) => done.reject(error));
  }

  private deliver(turn: Pending, message: Message): void {
    const live = this.live.get(message.run);
    if (live === undefined) return message.attempt === undefined ? undefined : this.takeBack(message.attempt);
    const { input, done } = message;
    if (message.attempt !== undefined) this.free(turn, message.attempt, live);
    if (message.from === live) live.inFlight -= 1;
    // An ending and a new beginning are two turns: each has its receipt.
    if (input.kind === "retry" && live.pending.length > 0) {
      this.mailbox.push(message);
      turn.messages.splice(turn.messages.indexOf(message), 1);
      return;
    }
    let step = beginTurn(live.program, live.run, this.facts(live, turn.now));
    try {
      if (live.run.transient.agenda.size > 0) {
        // Just loaded: what follows from its history comes before what is new.
        this.decide(turn, live, step);
        step = beginTurn(live.program, live.run, this.facts(live, turn.now));
      }
      if (input.kind === "retry") this.enterKeyAgain(live);
      receive(step, input);
      this.decide(turn, live, step);
    } catch (error) {
      if (!(error instanceof MaestroError) || step.events.length > 0) this.quarantine(live, error);
      // It may have been loaded for this message alone, and has to find its way back to sleep.
      else this.touch(turn, live);
      done?.reject(error);
      return;
    }
    if (done !== undefined) turn.answers.push({ live, done });
  }

  private free(turn: Pending, attempt: Attempt, live: LiveRun): void {
    // Freed already where this is the second try of a turn that could not be made durable.
    this.attempts.free(attempt);
    turn.ended.push(attempt);
    // Not an attempt that a forced stop closed before this run was loaded.
    const step = stepOf(live.program, live.run, attempt.step);
    if (step?.attempt === attempt.number && (step.status === "running" || step.status === "undoing")) live.inFlight -= 1;
  }

  /** A run that is retried holds its concurrency key again, or is refused. */
  private enterKeyAgain({ run, program }: LiveRun): void {
    const { concurrencyKey: key } = run.created;
    const { concurrency } = program.plan;
    if (key === undefined || concurrency === undefined || !isTerminal(run.status)) return;
    if (this.keys.enter(key, concurrency.max, run.id)) return;
    const holders = [...this.keys.holders(key)];
    this.keys.leave(key, concurrency.max, run.id);
    throw new MaestroError("concurrency_limit", `the concurrency key ${key} is held by ${holders.join(", ")}`, { facts: { key, runs: holders } });
  }

  /** Lets core decide what follows, answers questions that can be answered at once, and notes the rest. */
  private decide(turn: Pending, live: LiveRun, step: Turn): void {
    for (;;) {
      advance(step);
      const commands = step.commands.splice(0);
      let again = false;
      for (const command of commands) {
        if (command.kind === "decide") {
          again = this.ask(live, step, command) || again;
          continue;
        }
        // Counted from now on, or the run would be taken for asleep when this turn is committed.
        if (command.kind === "lookup") live.inFlight += 1;
        turn.effects.push({ live, command });
      }
      if (!again) break;
    }
    this.collect(turn, live, step);
  }

  private collect(turn: Pending, live: LiveRun, step: Turn): void {
    for (const event of step.events) live.pending.push(event);
    this.touch(turn, live);
    this.dispatch.offer(live);
  }

  private touch(turn: Pending, live: LiveRun): void {
    if (live.touched) return;
    live.touched = true;
    turn.touched.push(live);
  }

  /** True when the gate has answered and core should go on. */
  private ask(live: LiveRun, step: Turn, command: StepRef): boolean {
    const target = stepOf(live.program, live.run, command);
    if (target === undefined) return false;
    const { task, item } = command;
    const answer = this.parts.gate.decide(stepQuestion(live.program, live.run, target));
    if (!(answer instanceof Promise)) {
      receive(step, { kind: "decided", task, item, decision: answer });
      return true;
    }
    live.inFlight += 1;
    const post = (decision: Decision): void => this.post({ run: live.run.id, from: live, input: { kind: "decided", task, item, decision } });
    answer.then(post, (error: unknown) => post(this.failedDecision(error)));
    return false;
  }

  /** A gate must not throw; should one, the answer is no. */
  failedDecision(error: unknown): Decision {
    const none: Digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
    return { id: this.newId("d"), allow: false, reasons: [`the policy decision point failed: ${messageOf(error)}`], rules: [], policyDigest: none, requestDigest: none, engine: "none" };
  }

  /**
   * Gives out the slots. A step that only computes does not wait until its start is durable: nothing outside the run can
   * tell whether it ran, so its result may join the same transaction, and the next step's too, for a few rounds. Whatever
   * declares an effect starts after the commit.
   */
  private async work(turn: Pending): Promise<void> {
    const { rounds, turnMs } = this.parts.limits;
    const until = turn.now + turnMs;
    for (let round = 1; ; round++) {
      const given = turn.executions.length;
      this.fillSlots(turn);
      const computing = this.effects.compute(turn.executions.slice(given));
      if (computing === 0 || round >= rounds || turn.now >= until) return;
      await turnOfTheLoop();
      turn.now = this.parts.clock.now();
      const results = this.takeResults();
      if (results.length === 0) return;
      turn.messages.push(...results);
      for (const message of results) this.deliver(turn, message);
    }
  }

  /** Results that are in, taken out of the mailbox; everything else there waits for the next turn. */
  private takeResults(): Message[] {
    const results: Message[] = [];
    const rest: Message[] = [];
    for (const message of this.mailbox) {
      const here = message.attempt !== undefined && this.live.get(message.run) !== undefined;
      (here ? results : rest).push(message);
    }
    this.mailbox = rest;
    return results;
  }

  private fillSlots(turn: Pending): void {
    const { limits } = this.parts;
    const hasRoom = (namespace: string): boolean => this.attempts.ofNamespace(namespace) < limits.runningPerNamespace;
    for (const slot of SLOTS) {
      while (this.attempts.inSlot(slot) < limits[slot] && this.attempts.working < limits.running) {
        const live = this.dispatch.take(slot, hasRoom);
        if (live === undefined) break;
        this.startOne(turn, live, slot);
      }
    }
  }

  private startOne(turn: Pending, live: LiveRun, slot: SlotClass): void {
    const step = beginTurn(live.program, live.run, this.facts(live, turn.now));
    let command: ReturnType<typeof startNext>;
    try {
      command = startNext(step, slot);
      this.decide(turn, live, step);
    } catch (error) {
      return this.quarantine(live, error);
    }
    if (command !== undefined) {
      const { timeout } = live.program.tasks[live.program.index.get(command.task)!]!.plan;
      const attempt = new Attempt(live.run.id, { task: command.task, item: command.item }, command.attempt, live.run.created.namespace, slot);
      this.attempts.add(attempt, timeout, turn.now);
      live.inFlight += 1;
      turn.executions.push({ live, attempt, command, begun: false });
    }
  }

  /** A fault of our own concerns one run: it is left as it was last durable, and everything else goes on. */
  private quarantine(live: LiveRun, error: unknown): void {
    this.drop(live);
    this.faulty.set(live.run.id, error);
    live.pending = [];
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.parts.log("error", "a run met a fault of the engine and stands still until it is looked at or the engine restarts", { run: live.run.id, stack });
  }

  private async commit(turn: Pending): Promise<void> {
    const { evictAfterMs } = this.parts.limits;
    const changed = turn.touched.filter((live) => {
      if (live.gone) return false;
      live.projection = project(live, turn.now, evictAfterMs);
      return live.pending.length > 0 || live.row === null || rowChanged(live.row, live);
    });
    if (changed.length > 0) await commitRuns(this.parts, changed, (live, error) => this.quarantine(live, error));
  }

  /** Out of memory; a run that never became durable gives its concurrency key back. */
  private drop(live: LiveRun): void {
    this.live.forget(live);
    const key = live.run.created.concurrencyKey;
    if (live.row !== null || key === undefined) return;
    const next = this.keys.leave(key, live.program.plan.concurrency?.max ?? 1, live.run.id);
    if (next !== undefined) this.post({ run: next, input: { kind: "admitted" } });
  }

  /** The turn is durable: now it may have effects. */
  private release(turn: Pending): void {
    for (const attempt of turn.ended) this.attempts.forget(attempt);
    for (const live of turn.touched) {
      live.touched = false;
      if (live.gone) continue;
      const events = live.pending;
      live.pending = [];
      if (events.length > 0) this.listeners.tell(live.run.id, events);
      this.live.settle(live, turn.now);
      if (events.at(-1)?.kind === "run_ended") this.effects.ended(live);
    }
    for (const execution of turn.executions) {
      if (this.faulty.has(execution.live.run.id)) this.callOff(execution.attempt);
      else if (!execution.begun) this.effects.execute(execution);
    }
    for (const { live, command } of turn.effects) if (!this.faulty.has(live.run.id)) this.effects.perform(live, command, turn.now);
    for (const { live, done } of turn.answers) {
      const fault = this.faulty.get(live.run.id);
      if (fault === undefined) done.resolve();
      else done.reject(new MaestroError("internal", `run ${live.run.id} met a fault of the engine: ${messageOf(fault)}`, { cause: fault }));
    }
  }

  /** An attempt whose start was not recorded; where it computes already, its result is of a start that never was. */
  private callOff(attempt: Attempt): void {
    this.takeBack(attempt);
    attempt.settled = true;
    attempt.stop({ code: "LOST", message: "the start of this attempt could not be made durable" });
  }

  private takeBack(attempt: Attempt): void {
    this.attempts.free(attempt);
    this.attempts.forget(attempt);
  }

  /** The turn could not be made durable: it never happened. Runs are loaded anew, answers of runners are kept for the next try. */
  private abandon(turn: Pending, error: unknown): void {
    for (const live of turn.touched) this.drop(live);
    for (const { attempt } of turn.executions) this.callOff(attempt);
    const undone = new Set(turn.executions.map(({ attempt }) => attempt));
    this.mailbox.unshift(
      ...turn.messages.filter(({ done, attempt }) => done === undefined && (attempt === undefined || !undone.has(attempt))),
    );
    for (const live of turn.touched) if (live.row !== null) this.mailbox.push({ run: live.run.id, input: { kind: "timer" } });
    for (const { done } of turn.answers) done.reject(error);
    for (const message of turn.messages) message.done?.reject(error);
    const known = error instanceof MaestroError;
    const conflict = known && error.code === "run_conflict";
    if (!conflict) this.stall(error);
    this.parts.log(conflict ? "warn" : "error", "a turn could not be made durable; it is tried again", { error: messageOf(error), code: known ? error.code : "internal" });
    if (!known) this.parts.log("error", "stack of the failed turn", { stack: error instanceof Error ? (error.stack ?? "") : "" });
  }

  /** The store fails: nothing is tried for a second, and callers are told why. */
  stall(error: unknown): void {
    this.stalledUntil = this.parts.clock.now() + 1000;
    this.stalledBy = error;
  }

  /** Records a new run: who asked, what the gate said, what it takes over, and whether it may start. */
  private admitRun(turn: Pending, admission: Admission): void {
    const { prepared, created, decision, done, reuse = [], rerunOf } = admission;
    const { program } = prepared;
    const refusal = decision.allow ? this.keys.refusal(created.concurrencyKey, program.plan.concurrency) : undefined;
    if (refusal !== undefined) {
      done.reject(refusal);
      return;
    }
    const first: RunEvent & RunCreated = { seq: 1, at: turn.now, ...created, ...(rerunOf === undefined ? {} : { rerunOf }) };
    const run = createRun(program, first);
    const live = newLive(run, program, { row: null, head: "", receipts: 0, idempotencyKey: admission.idempotencyKey });
    live.pending.push(first);
    this.live.add(live);
    const step = beginTurn(program, run, this.facts(live, turn.now));
    try {
      emit(step, { kind: "policy_decided", action: "run.start", decision });
      for (const event of reuse) emit(step, event);
      if (decision.allow && this.enterKey(turn, live)) emit(step, { kind: "run_started" });
      this.decide(turn, live, step);
    } catch (error) {
      this.quarantine(live, error);
    }
    turn.answers.push({ live, done: { resolve: () => done.resolve(live.row!), reject: (error) => done.reject(error) } });
  }

  /** Whether the run may start now as far as its concurrency key goes; those it replaces are told to stop. */
  private enterKey(turn: Pending, live: LiveRun): boolean {
    const { concurrency } = live.program.plan;
    const key = live.run.created.concurrencyKey;
    if (key === undefined || concurrency === undefined) return true;
    const holders = [...this.keys.holders(key)];
    if (this.keys.enter(key, concurrency.max, live.run.id)) return true;
    if (concurrency.onConflict !== "cancel-running") return false;
    const resolve = (): void => {
      for (const holder of holders) this.post({ run: holder, input: replacedBy(live.run.id) });
    };
    turn.answers.push({ live, done: { resolve, reject: () => undefined } });
    return false;
  }

  /* ---- small things ---- */

  /** Puts a message of our own into the mailbox; it is not refused. */
  post(message: Message): void {
    if (this.closed) return;
    this.mailbox.push(message);
    this.onWork();
  }

  /** Overload is refused, never absorbed. */
  refuseWhenFull(): void {
    this.refuseWhenCrowded();
    const { activeRuns } = this.parts.limits;
    if (this.live.size >= activeRuns) throw new MaestroError("overloaded", `${activeRuns} runs are active, which is the limit (limits.activeRuns)`);
  }

  private refuseWhenCrowded(): void {
    this.refuseWhenStalled();
    const { mailbox } = this.parts.limits;
    if (this.mailbox.length + this.starts.waiting >= mailbox) {
      throw new MaestroError("overloaded", `${mailbox} requests are waiting for the engine, which is its limit (limits.mailbox)`);
    }
  }

  private refuseWhenStalled(): void {
    this.refuseWhenClosing();
    // Only for so long: without work there is no turn that would find that the store works again.
    if (this.stalledBy instanceof MaestroError && this.parts.clock.now() < this.stalledUntil) throw this.stalledBy;
  }

  refuseWhenClosing(): void {
    if (this.draining || this.closed) throw new MaestroError("shutting_down", "the engine is shutting down");
  }

  newId(prefix: "r" | "a" | "d"): string {
    return makeId(prefix, this.parts.clock.now(), this.parts.randomBytes(10));
  }

  private facts(live: LiveRun, now: number): Facts {
    return new RunFacts(this, live, now);
  }

  dirOf(run: string, step: StepRef, attempt: number): string {
    return join(this.parts.workDir, run, `${step.task}${step.item === -1 ? "" : `.${step.item}`}.${attempt}`);
  }
}
