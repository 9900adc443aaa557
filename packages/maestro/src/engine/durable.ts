import { join } from "node:path";
import { setImmediate as turnOfTheLoop, setTimeout as delay } from "node:timers/promises";
import { advance } from "../core/advance.ts";
import type { StepRef } from "../core/event.ts";
import { makeId } from "../core/id.ts";
import type { RunInput } from "../core/input.ts";
import { MaestroError } from "../core/problem.ts";
import { receive } from "../core/receive.ts";
import { stepOf } from "../core/run.ts";
import { beginTurn, emit, type Facts, type Turn } from "../core/turn.ts";
import type { RunRow } from "../store/store.ts";
import { type Attempt, Attempts } from "./attempts.ts";
import type { Prepared } from "./commit.ts";
import { checkInput } from "./door.ts";
import { EndedViews } from "./ended-views.ts";
import type { Engine, Preview, RunView, StartRequest } from "./engine.ts";
import { Pressure } from "./pressure.ts";
import { askGate } from "./ask.ts";
import { Asked } from "./asked.ts";
import type { Pending } from "./pending.ts";
import { newPending } from "./pending.ts";
import { Effects } from "./effects.ts";
import { ConcurrencyKeys, replacedBy } from "./keys.ts";
import { Faults } from "./faults.ts";
import { RunFacts } from "./facts.ts";
import { FORCE_AFTER_MS, ON_THE_WAY } from "./limits.ts";
import type { LiveRun } from "./live.ts";
import { LiveRuns } from "./live-runs.ts";
import { Listeners } from "./listeners.ts";
import { loadRun } from "./load.ts";
import type { EngineParts, Listener, Message } from "./parts.ts";
import { Programs } from "./programs.ts";
import { recoverRuns } from "./recover.ts";
import { abandonTurn, prepareTurn, settleTurn } from "./settle.ts";
import { Slots } from "./slots.ts";
import { Starts } from "./starts.ts";
import { EngineStats } from "./stats.ts";
import { type Admission, openRun } from "./admission.ts";
import { viewOf } from "./view.ts";

/**
 * The engine of one data directory. Everything happens in turns (`tick`): take the mailbox, let core decide for every
 * touched run, write all of it in one transaction, and only then start attempts, answer callers and tell listeners.
 * Hints may be lost and turns may fail: what is not durable is decided again from what is.
 */
export class DurableEngine implements Engine {
  readonly parts: EngineParts;
  readonly programs: Programs;
  readonly keys: ConcurrencyKeys;
  readonly live: LiveRuns;
  private readonly ended = new EndedViews();
  readonly attempts = new Attempts();
  readonly slots: Slots;
  readonly effects: Effects;
  readonly starts: Starts;
  readonly asked = new Asked();
  mailbox: Message[] = [];
  readonly stats = new EngineStats();
  readonly listeners: Listeners;
  private idleWaiters: (() => void)[] = [];
  private draining = false;
  closed = false;
  private turn: Pending | null = null;
  /** Turns on their way to the disk, the oldest first: each resolves when it is durable, or abandoned. */
  private readonly settling = new Set<Promise<void>>();
  readonly faults: Faults;
  readonly pressure: Pressure;
  /** Set by the loop: called when there is work for a turn. */
  onWork: () => void = () => undefined;

  constructor(parts: EngineParts) {
    this.parts = parts;
    this.faults = new Faults((level, message, fields) => parts.log(level, message, fields));
    this.listeners = new Listeners(this.stats, parts);
    this.programs = new Programs(parts.types, parts.limits.resident);
    this.keys = new ConcurrencyKeys(parts.store);
    this.effects = new Effects(this);
    this.starts = new Starts(this);
    this.live = new LiveRuns(this);
    this.slots = new Slots(this);
    this.pressure = new Pressure(parts, () => ({
      closing: this.draining || this.closed,
      waiting: this.mailbox.length + this.starts.waiting,
      activeRuns: this.live.size,
    }));
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
    if (input.kind === "cancel") this.pressure.refuseCancel();
    else this.pressure.refuseRequest();
    await new Promise<void>((resolve, reject) => {
      this.mailbox.push({ run, input, done: { resolve, reject } });
      this.onWork();
    });
    const row = await this.parts.store.runGet(run);
    if (row === undefined) throw new MaestroError("not_found", `there is no run ${run}`);
    return row;
  }

  async view(run: string, known?: RunRow): Promise<RunView> {
    const { clock, store } = this.parts;
    const live = this.live.get(run);
    if (live !== undefined && live.row !== null && live.pending.length === 0) return viewOf(live, clock.now());
    const seen = known === undefined ? undefined : this.ended.find(known);
    // Of one that is not remembered the row is read again: it may have gone on.
    const row = seen === undefined ? await store.runGet(run) : known;
    const kept = seen ?? (row === undefined ? undefined : this.ended.find(row));
    // What retention took is not to be seen any more, remembered or not.
    if (kept !== undefined && (await store.retention.removalOf(run, "events")) === undefined) return kept;
    const view = viewOf(await loadRun(this, run, row), clock.now());
    if (row !== undefined) this.ended.keep(row, view);
    return view;
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
    while (this.turn !== null || this.settling.size > 0 || this.effects.executing > 0) await delay(5);
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
    if (this.hasWork()) return Math.max(this.parts.clock.now(), this.pressure.stalledUntil);
    const times = [this.live.nextAt(), this.attempts.nextAt()].filter((at) => at !== undefined);
    return times.length === 0 ? undefined : Math.max(Math.min(...times), this.pressure.stalledUntil);
  }

  hasWork(): boolean {
    return this.mailbox.length > 0 || this.starts.waiting > 0 || this.effects.waiting > 0;
  }

  /** One turn, durable when it resolves. Turns are decided one at a time: a call meanwhile is no turn. */
  async tick(): Promise<void> {
    await this.takeTurn();
    await this.settled;
  }

  /**
   * Decides a turn and resolves when it is on its way to the disk. While it is, the next may be decided, of other runs. With
   * little to do that would only make two small commits of one.
   */
  async takeTurn(): Promise<void> {
    if (this.mailbox.length + this.starts.waiting < this.parts.limits.overlap) await this.settled;
    const now = this.parts.clock.now();
    if (this.turn !== null || this.closed || now < this.pressure.stalledUntil) return;
    const turn = newPending(now);
    this.turn = turn;
    try {
      await this.decideTurn(turn);
      const prepared = await prepareTurn(this, turn);
      while (this.settling.size >= ON_THE_WAY) await this.settling.values().next().value;
      this.settle(turn, prepared);
    } catch (error) {
      abandonTurn(this, turn, error);
    } finally {
      this.turn = null;
    }
    if (this.settling.size === 0) this.rest();
  }

  private async decideTurn(turn: Pending): Promise<void> {
    this.effects.tryAgain();
    await this.gather(turn);
    for (const admission of this.starts.take(this.parts.limits.starts)) this.admitRun(turn, admission);
    const postponed = new Set(turn.messages.filter((message) => !this.deliver(turn, message)));
    if (postponed.size > 0) turn.messages = turn.messages.filter((message) => !postponed.has(message));
    if (!this.draining && !this.parts.passive) await this.work(turn);
  }

  private settle(turn: Pending, prepared: Prepared | null): void {
    const settling = settleTurn(this, turn, prepared).then(() => {
      this.settling.delete(settling);
      this.rest();
    });
    this.settling.add(settling);
  }

  /** Resolves when every turn that was decided is durable, or abandoned. */
  get settled(): Promise<unknown> {
    return Promise.all(this.settling);
  }

  private rest(): void {
    if (!this.busy()) for (const wake of this.idleWaiters.splice(0)) wake();
    if (this.hasWork()) this.onWork();
  }

  /** Nothing is at work, and nothing waits for a turn. */
  get isAtRest(): boolean {
    return !this.busy();
  }

  private busy(): boolean {
    return this.attempts.size > 0 || this.hasWork() || this.turn !== null || this.settling.size > 0;
  }

  /** Collects what is due and what came in, and brings the runs concerned into memory. */
  private async gather(turn: Pending): Promise<void> {
    const { now } = turn;
    for (const run of await this.live.due(now)) this.mailbox.push({ run, input: { kind: "timer" } });
    for (const { attempt, result } of this.attempts.expire(now, this.parts.limits.graceMs + FORCE_AFTER_MS))
      this.effects.finished(attempt, result);
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
    const refusal = this.faults.refusal(run);
    if (refusal !== undefined) done?.reject(refusal);
    else if (done === undefined) await this.live.tryLoad(run);
    else await this.live.load(run).catch((error: unknown) => done.reject(error));
  }

  /** False: it is not for this turn, and has been put where the right one finds it. */
  private deliver(turn: Pending, message: Message): boolean {
    const live = this.live.get(message.run);
    if (live === undefined) {
      if (message.attempt !== undefined) this.attempts.takeBack(message.attempt);
      return true;
    }
    if (live.turn !== null && live.turn !== turn) {
      live.turn.held.push(message);
      return false;
    }
    const { input, done } = message;
    if (message.attempt !== undefined) this.free(turn, message.attempt, live);
    if (message.from === live) live.inFlight -= 1;
    // An ending and a new beginning are two turns: each has its receipt.
    if (input.kind === "retry" && live.pending.length > 0) {
      this.mailbox.push(message);
      return false;
    }
    let step = beginTurn(live.program, live.run, this.facts(live, turn.now));
    try {
      if (live.run.transient.agenda.size > 0) {
        // Just loaded: what follows from its history comes before what is new.
        this.decide(turn, live, step);
        step = beginTurn(live.program, live.run, this.facts(live, turn.now));
      }
      if (input.kind === "retry") this.keys.enterAgain(live);
      receive(step, input);
      this.decide(turn, live, step);
    } catch (error) {
      if (!(error instanceof MaestroError) || step.events.length > 0) this.quarantine(live, error);
      // It may have been loaded for this message alone, and has to find its way back to sleep.
      else this.touch(turn, live);
      done?.reject(error);
      return true;
    }
    if (done !== undefined) turn.answers.push({ live, done });
    return true;
  }

  private free(turn: Pending, attempt: Attempt, live: LiveRun): void {
    // Freed already where this is the second try of a turn that could not be made durable.
    this.attempts.free(attempt);
    turn.ended.push(attempt);
    // Not an attempt that a forced stop closed before this run was loaded.
    const step = stepOf(live.program, live.run, attempt.step);
    if (step?.attempt === attempt.number && (step.status === "running" || step.status === "undoing"))
      live.inFlight -= 1;
  }

  /** Lets core decide what follows, answers questions that can be answered at once, and notes the rest. */
  decide(turn: Pending, live: LiveRun, step: Turn): void {
    for (;;) {
      advance(step);
      const commands = step.commands.splice(0);
      let again = false;
      for (const command of commands) {
        if (command.kind === "decide") {
          again = askGate(this, live, step, command) || again;
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
    this.slots.offer(live);
  }

  private touch(turn: Pending, live: LiveRun): void {
    if (live.turn !== null) return;
    live.turn = turn;
    turn.touched.push(live);
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
      const computing = this.effects.compute(this.slots.fill(turn));
      if (computing === 0 || round >= rounds || turn.now >= until) return;
      await turnOfTheLoop();
      turn.now = this.parts.clock.now();
      const results = this.takeResults();
      if (results.length === 0) return;
      for (const message of results) if (this.deliver(turn, message)) turn.messages.push(message);
    }
  }

  /** Results that are in, taken out of the mailbox; everything else there waits for the next turn. */
  private takeResults(): Message[] {
    const results = this.mailbox.filter((message) => this.isResultHere(message));
    if (results.length > 0) this.mailbox = this.mailbox.filter((message) => !this.isResultHere(message));
    return results;
  }

  private isResultHere({ attempt, run }: Message): boolean {
    return attempt !== undefined && this.live.get(run) !== undefined;
  }

  /** A fault of our own concerns one run: it is left as it was last durable, and everything else goes on. */
  quarantine(live: LiveRun, error: unknown): void {
    this.drop(live);
    this.faults.note(live.run.id, error);
    live.pending = [];
  }

  /** Out of memory; a run that never became durable gives its concurrency key back. */
  drop(live: LiveRun): void {
    this.live.forget(live);
    const next = live.row === null ? this.keys.giveBack(live) : undefined;
    if (next !== undefined) this.post({ run: next, input: { kind: "admitted" } });
  }

  /** Records a new run: who asked, what the gate said, what it takes over, and whether it may start. */
  private admitRun(turn: Pending, admission: Admission): void {
    const { prepared, created, decision, done, reuse = [] } = admission;
    const refusal = decision.allow
      ? this.keys.refusal(created.concurrencyKey, prepared.program.plan.concurrency)
      : undefined;
    if (refusal !== undefined) return done.reject(refusal);
    const live = openRun(admission, turn.now);
    this.live.add(live);
    const step = beginTurn(live.program, live.run, this.facts(live, turn.now));
    try {
      emit(step, { kind: "policy_decided", action: "run.start", decision });
      for (const event of reuse) emit(step, event);
      if (decision.allow && this.enterKey(turn, live)) emit(step, { kind: "run_started" });
      this.decide(turn, live, step);
    } catch (error) {
      this.quarantine(live, error);
    }
    turn.answers.push({
      live,
      done: { resolve: () => done.resolve(live.row!), reject: (error) => done.reject(error) },
    });
  }

  /** Whether the run may start now as far as its concurrency key goes; those it replaces are told to stop. */
  private enterKey(turn: Pending, live: LiveRun): boolean {
    const { starts, replaces } = this.keys.enterNew(live);
    const resolve = (): void => {
      for (const holder of replaces) this.post({ run: holder, input: replacedBy(live.run.id) });
    };
    if (replaces.length > 0) turn.answers.push({ live, done: { resolve, reject: () => undefined } });
    return starts;
  }

  /* ---- small things ---- */

  /** Puts a message of our own into the mailbox; it is not refused. */
  post(message: Message): void {
    if (this.closed) return;
    this.mailbox.push(message);
    this.onWork();
  }

  newId(prefix: "r" | "a" | "d"): string {
    return makeId(prefix, this.parts.clock.now(), this.parts.randomBytes(10));
  }

  facts(live: LiveRun, now: number): Facts {
    return new RunFacts(this, live, now);
  }

  dirOf(run: string, step: StepRef, attempt: number): string {
    return join(this.parts.workDir, run, `${step.task}${step.item === -1 ? "" : `.${step.item}`}.${attempt}`);
  }
}
