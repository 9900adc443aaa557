import { join } from "node:path";
import { advance, wakeAt } from "../core/advance.ts";
import { createRun } from "../core/apply.ts";
import type { Digest } from "../core/digest.ts";
import type { AttemptResult, Decision, RunCreated, RunEvent, StepRef } from "../core/event.ts";
import { explainRun } from "../core/explain.ts";
import { makeId } from "../core/id.ts";
import type { RunInput } from "../core/input.ts";
import type { JsonObject } from "../core/json.ts";
import { MaestroError, messageOf } from "../core/problem.ts";
import type { SlotClass } from "../core/program.ts";
import { receive } from "../core/receive.ts";
import type { Run } from "../core/run.ts";
import { isTerminal, stepOf } from "../core/run.ts";
import { startNext } from "../core/start.ts";
import { Timers } from "../core/timers.ts";
import type { Command, Facts, Turn } from "../core/turn.ts";
import { beginTurn, emit } from "../core/turn.ts";
import type { RunRow, StoredPlan } from "../store/store.ts";
import { ASLEEP_FOREVER } from "../store/store.ts";
import { Attempt, Attempts } from "./attempts.ts";
import { cacheKeyOf } from "./cache.ts";
import { commitRuns } from "./commit.ts";
import { Dispatch } from "./dispatch.ts";
import type { Engine, RunView, StartRequest } from "./engine.ts";
import { ConcurrencyKeys } from "./keys.ts";
import type { LiveRun, Projection } from "./live.ts";
import { canSleep, newLive } from "./live.ts";
import { loadRun } from "./load.ts";
import type { EngineParts, Listener, Message } from "./parts.ts";
import { Programs } from "./programs.ts";
import { stepQuestion } from "./questions.ts";
import { reusable } from "./rerun.ts";
import { Sleepers } from "./sleepers.ts";
import type { Admission } from "./admission.ts";
import { admit } from "./admission.ts";
import { viewOf } from "./view.ts";

interface Execution {
  readonly live: LiveRun;
  readonly attempt: Attempt;
  readonly command: Extract<Command, { kind: "execute" }>;
}

/** What one turn has decided and is to do once it is durable. */
interface Pending {
  readonly now: number;
  readonly touched: LiveRun[];
  readonly executions: Execution[];
  readonly effects: { readonly live: LiveRun; readonly command: Command }[];
  readonly messages: Message[];
  readonly answers: (() => void)[];
  readonly refusals: ((error: unknown) => void)[];
  readonly ended: Attempt[];
}

const SLOTS: readonly SlotClass[] = ["process", "inline"];
/** An attempt that was told to stop and has not ended this long after its grace is taken for ended. */
const FORCE_AFTER_MS = 15_000;

/**
 * The engine of one data directory. Everything happens in turns (`tick`): take the mailbox, let core decide for every
 * touched run, write all of it in one transaction, and only then start attempts, answer callers and tell listeners.
 * Hints may be lost and turns may fail: what is not durable is decided again from what is.
 */
export class DurableEngine implements Engine {
  readonly parts: EngineParts;
  readonly programs: Programs;
  readonly keys: ConcurrencyKeys;
  private readonly live = new Map<string, LiveRun>();
  private readonly loading = new Map<string, Promise<LiveRun>>();
  private readonly attempts = new Attempts();
  private readonly dispatch = new Dispatch();
  private readonly timers = new Timers<LiveRun>();
  private readonly sleepers: Sleepers;
  private readonly kept = new Set<Digest>();
  private mailbox: Message[] = [];
  private admissions: Admission[] = [];
  private readonly listeners = new Map<string, Set<Listener>>();
  private idleWaiters: (() => void)[] = [];
  private draining = false;
  private closed = false;
  private turn: Pending | null = null;
  /** After a failed commit nothing is tried before this time. */
  private stalledUntil = 0;
  private stalledBy: unknown = null;
  /** Set by the loop: called when there is work for a turn. */
  onWork: () => void = () => undefined;

  constructor(parts: EngineParts) {
    this.parts = parts;
    this.programs = new Programs(parts.types);
    this.keys = new ConcurrencyKeys(parts.store);
    this.sleepers = new Sleepers(parts.store, parts.limits);
  }

  /* ---- what the control plane calls ---- */

  async start(request: StartRequest): Promise<RunRow> {
    const admission = await admit(this, request);
    if (admission.existing !== undefined) return admission.existing;
    return this.submit(admission.admission);
  }

  /** Hands a ready admission to the next turn. */
  async submit(admission: Omit<Admission, "done">): Promise<RunRow> {
    this.refuseWhenFull();
    return new Promise((resolve, reject) => {
      this.admissions.push({ ...admission, done: { resolve, reject } });
      this.onWork();
    });
  }

  async send(run: string, input: RunInput): Promise<RunRow> {
    this.refuseWhenFull();
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

  async rerun(id: string, request: Parameters<Engine["rerun"]>[1]): Promise<RunRow> {
    const { run, program, row } = await loadRun(this, id);
    if (row === null) throw new MaestroError("not_found", `there is no run ${id}`);
    const reuse = request.from === undefined ? [] : reusable(program, run, request.from);
    const plan = await this.parts.store.planGet(program.digest);
    if (plan === undefined) throw new MaestroError("store_corrupt", `the plan ${program.digest} of run ${id} is missing`);
    const { created } = run;
    const admission = await admit(this, {
      plan,
      inputs: { ...created.inputs, ...request.inputs },
      purpose: created.purpose,
      authority: created.authority,
      initiator: request.initiator,
      name: created.name,
      labels: created.labels,
      priority: created.priority,
      ...(created.base === undefined ? {} : { base: created.base }),
    });
    if (admission.existing !== undefined) return admission.existing;
    return this.submit({ ...admission.admission, reuse, rerunOf: { run: id, ...(request.from === undefined ? {} : { from: request.from }) } });
  }

  subscribe(run: string, listener: Listener): () => void {
    const set = this.listeners.get(run) ?? new Set();
    set.add(listener);
    this.listeners.set(run, set);
    return () => {
      set.delete(listener);
      if (set.size === 0) this.listeners.delete(run);
    };
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
    while (this.attempts.size > 0 && this.parts.clock.now() < deadline && !this.closed) {
      await this.tick();
      if (this.attempts.size > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    this.closed = true;
    // What still runs is handed back: its result is not recorded, so the next engine finds it lost and tries again.
    const rest = [...this.attempts.all()];
    for (const attempt of rest) attempt.stop({ code: "LOST", message: "the engine shut down" });
    const refused = new MaestroError("shutting_down", "the engine is shutting down");
    for (const message of this.mailbox.splice(0)) message.done?.reject(refused);
    for (const admission of this.admissions.splice(0)) admission.done.reject(refused);
    for (const wake of this.idleWaiters.splice(0)) wake();
  }

  /* ---- turns ---- */

  /** Adopts what an earlier engine left: called once before the first turn. */
  async recover(): Promise<number> {
    let afterId = "";
    let adopted = 0;
    for (;;) {
      const rows = await this.parts.store.runActive({ afterId, limit: 1000 });
      for (const row of rows) {
        if (row.concurrencyKey !== null) await this.keys.load(row.concurrencyKey);
        await this.liveRun(row.id);
        this.mailbox.push({ run: row.id, input: { kind: "timer" } });
        adopted += 1;
      }
      if (rows.length < 1000) break;
      afterId = rows.at(-1)!.id;
    }
    this.onWork();
    return adopted;
  }

  /** When the next turn is due if no message comes; undefined when nothing is. */
  nextAt(): number | undefined {
    if (this.closed) return undefined;
    if (this.hasWork()) return Math.max(this.parts.clock.now(), this.stalledUntil);
    const times = [this.timers.nextAt((live, at) => !live.gone && live.timerAt === at), this.attempts.nextAt(), this.sleepers.nextAt()].filter((at) => at !== undefined);
    return times.length === 0 ? undefined : Math.max(Math.min(...times), this.stalledUntil);
  }

  hasWork(): boolean {
    return this.mailbox.length > 0 || this.admissions.length > 0;
  }

  /** One turn. Turns do not overlap: a call during a turn is no turn. */
  async tick(): Promise<void> {
    const now = this.parts.clock.now();
    if (this.turn !== null || this.closed || now < this.stalledUntil) return;
    const turn: Pending = { now, touched: [], executions: [], effects: [], messages: [], answers: [], refusals: [], ended: [] };
    this.turn = turn;
    try {
      await this.gather(turn);
      for (const admission of this.admissions.splice(0, this.parts.limits.turn)) this.admitRun(turn, admission);
      for (const message of turn.messages) this.deliver(turn, message);
      if (!this.draining) this.fillSlots(turn);
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
    for (let live = this.timers.popDue(now); live !== undefined; live = this.timers.popDue(now)) {
      if (live.gone || live.timerAt === null || live.timerAt > now) continue;
      live.timerAt = null;
      this.mailbox.push({ run: live.run.id, input: { kind: "timer" } });
    }
    for (const { attempt, result } of this.attempts.expire(now, this.parts.limits.graceMs + FORCE_AFTER_MS)) this.finished(attempt, result);
    for (const { id, wakeAt: at } of await this.sleepers.due(now, this.live.size)) {
      if (this.live.has(id)) continue;
      const live = await this.liveRun(id);
      this.setTimer(live, Math.max(at, now));
      if (at <= now) this.mailbox.push({ run: id, input: { kind: "timer" } });
    }
    turn.messages.push(...this.mailbox.splice(0, this.parts.limits.turn));
    for (const message of turn.messages) if (!this.live.has(message.run)) await this.tryLoad(message);
  }

  private async tryLoad(message: Message): Promise<void> {
    try {
      await this.liveRun(message.run);
    } catch (error) {
      if (message.done === undefined) this.parts.log("error", "a run could not be loaded", { run: message.run, error: messageOf(error) });
      message.done?.reject(error);
    }
  }

  /** The run in memory, loaded and adopted if need be. */
  private async liveRun(id: string): Promise<LiveRun> {
    const known = this.live.get(id);
    if (known !== undefined) return known;
    let loading = this.loading.get(id);
    if (loading === undefined) {
      loading = this.adopt(id).finally(() => this.loading.delete(id));
      this.loading.set(id, loading);
    }
    return loading;
  }

  private async adopt(id: string): Promise<LiveRun> {
    const live = await loadRun(this, id);
    this.live.set(id, live);
    for (const task of live.run.tasks) {
      if (task.active === 0 && live.run.phase !== "undo") continue;
      for (const step of task.steps) {
        const ref: StepRef = { task: live.program.tasks[task.index]!.plan.id, item: step.item };
        if (step.status === "running" || step.status === "undoing") {
          if (this.attempts.get(id, ref, step.attempt) !== undefined) live.inFlight += 1;
          else this.mailbox.push({ run: id, input: { kind: "attempt_finished", ...ref, attempt: step.attempt, result: LOST } });
        } else if (step.status === "child" && step.child !== null) {
          void this.resumeChild(live, ref, step.child);
        }
      }
    }
    return live;
  }

  private deliver(turn: Pending, message: Message): void {
    const live = this.live.get(message.run);
    if (live === undefined) return;
    const { input, done } = message;
    if (input.kind === "attempt_finished") this.free(turn, live, input);
    else if (message.from === live) live.inFlight -= 1;
    const step = beginTurn(live.program, live.run, this.facts(live, turn.now));
    try {
      receive(step, input);
    } catch (error) {
      if (!(error instanceof MaestroError) || step.events.length > 0) throw error;
      done?.reject(error);
      return;
    }
    this.decide(turn, live, step);
    if (done !== undefined) {
      turn.answers.push(() => done.resolve());
      turn.refusals.push((error) => done.reject(error));
    }
  }

  private free(turn: Pending, live: LiveRun, input: Extract<RunInput, { kind: "attempt_finished" }>): void {
    const attempt = this.attempts.get(live.run.id, input, input.attempt);
    if (attempt === undefined) return;
    this.attempts.free(attempt);
    turn.ended.push(attempt);
    live.inFlight -= 1;
  }

  /** Lets core decide what follows, answers questions that can be answered at once, and notes the rest. */
  private decide(turn: Pending, live: LiveRun, step: Turn): void {
    for (;;) {
      advance(step);
      const commands = step.commands.splice(0);
      let again = false;
      for (const command of commands) {
        if (command.kind === "decide") again = this.ask(live, step, command) || again;
        else turn.effects.push({ live, command });
      }
      if (!again) break;
    }
    this.collect(turn, live, step);
  }

  private collect(turn: Pending, live: LiveRun, step: Turn): void {
    for (const event of step.events) live.pending.push(event);
    if (!live.touched) {
      live.touched = true;
      turn.touched.push(live);
    }
    this.dispatch.offer(live);
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
    const command = startNext(step, slot);
    if (command !== undefined) {
      const { timeout } = live.program.tasks[live.program.index.get(command.task)!]!.plan;
      const attempt = new Attempt(live.run.id, { task: command.task, item: command.item }, command.attempt, live.run.created.namespace, slot);
      this.attempts.add(attempt, timeout, turn.now);
      live.inFlight += 1;
      turn.executions.push({ live, attempt, command });
    }
    this.decide(turn, live, step);
  }

  private async commit(turn: Pending): Promise<void> {
    const changed = turn.touched.filter((live) => live.pending.length > 0 || this.rowDiffers(live, turn.now));
    if (changed.length === 0) return;
    await commitRuns(this.parts, changed, (live, head) => this.project(live, head, turn.now));
  }

  private rowDiffers(live: LiveRun, now: number): boolean {
    if (live.row === null || live.head === "") return true;
    const { waiting, wakeAt: at } = this.project(live, live.head, now);
    return live.row.waiting !== waiting || live.row.wakeAt !== at;
  }

  private project(live: LiveRun, head: Digest, now: number): Projection {
    const { run, program } = live;
    if (isTerminal(run.status)) return { head, waiting: null, wakeAt: null };
    if (run.status === "queued") return { head, waiting: "key", wakeAt: null };
    if (live.inFlight > 0 || !canSleep(live)) return { head, waiting: null, wakeAt: null };
    const at = wakeAt({ run, program }) ?? ASLEEP_FOREVER;
    return { head, waiting: explainRun(program, run, now), wakeAt: at > now + this.parts.limits.evictAfterMs ? at : null };
  }

  /** The turn is durable: now it may have effects. */
  private release(turn: Pending): void {
    for (const attempt of turn.ended) this.attempts.forget(attempt);
    for (const live of turn.touched) {
      live.touched = false;
      const events = live.pending;
      live.pending = [];
      if (events.length > 0) this.publish(live.run.id, events);
      this.settleLive(live, turn.now);
    }
    for (const execution of turn.executions) this.execute(execution);
    for (const { live, command } of turn.effects) this.perform(live, command, turn.now);
    for (const answer of turn.answers) answer();
  }

  /** After its commit a run ends, sleeps, or waits in memory for its next timer. */
  private settleLive(live: LiveRun, now: number): void {
    const { run } = live;
    if (isTerminal(run.status)) {
      if (live.inFlight === 0 || run.cancel?.force === true) this.forget(live);
      this.ended(live);
      return;
    }
    const at = wakeAt(live);
    if (live.row?.wakeAt !== null && live.row?.wakeAt !== undefined && !this.sleepers.covers(live.row.wakeAt)) {
      if (at !== undefined) this.sleepers.slept(at);
      this.forget(live);
    } else if (at !== undefined) {
      this.setTimer(live, Math.max(at, now));
    }
  }

  private forget(live: LiveRun): void {
    live.gone = true;
    if (this.live.get(live.run.id) === live) this.live.delete(live.run.id);
  }

  private setTimer(live: LiveRun, at: number): void {
    if (live.timerAt !== null && live.timerAt <= at) return;
    live.timerAt = at;
    this.timers.push(at, live);
  }

  private ended(live: LiveRun): void {
    const { created, id, outputs, status } = live.run;
    if (created.parent !== undefined) {
      const { run, task, item } = created.parent;
      const receipt = live.lastReceipt?.digest;
      this.post({ run, input: { kind: "child_finished", task, item, childRun: id, status, output: outputs ?? {}, ...(receipt === undefined ? {} : { receipt }) } });
    }
    if (created.concurrencyKey !== undefined) void this.passOn(live, created.concurrencyKey);
  }

  private async passOn(live: LiveRun, key: string): Promise<void> {
    try {
      await this.keys.load(key);
      const next = this.keys.leave(key, live.program.plan.concurrency?.max ?? 1, live.run.id);
      if (next !== undefined) this.post({ run: next, input: { kind: "admitted" } });
    } catch (error) {
      this.parts.log("error", "a concurrency key could not be passed on", { key, error: messageOf(error) });
    }
  }

  /** The turn could not be made durable: it never happened. Runs are loaded anew, answers of runners are kept for the next try. */
  private abandon(turn: Pending, error: unknown): void {
    for (const live of turn.touched) this.forget(live);
    for (const { attempt } of turn.executions) {
      this.attempts.free(attempt);
      this.attempts.forget(attempt);
    }
    this.mailbox.unshift(...turn.messages.filter((message) => message.done === undefined));
    for (const live of turn.touched) if (live.row !== null) this.mailbox.push({ run: live.run.id, input: { kind: "timer" } });
    for (const refuse of turn.refusals) refuse(error);
    const known = error instanceof MaestroError;
    const conflict = known && error.code === "run_conflict";
    if (!conflict) {
      this.stalledUntil = turn.now + 1000;
      this.stalledBy = error;
    }
    this.parts.log(conflict ? "warn" : "error", "a turn could not be made durable; it is tried again", { error: messageOf(error), code: known ? error.code : "internal" });
    if (!known) this.parts.log("error", "stack of the failed turn", { stack: error instanceof Error ? (error.stack ?? "") : "" });
  }

  /* ---- new runs ---- */

  private admitRun(turn: Pending, admission: Admission): void {
    const { prepared, created, decision, done, reuse } = admission;
    const { program } = prepared;
    const now = turn.now;
    const { concurrencyKey: key } = created;
    const rule = program.plan.concurrency;
    if (decision.allow && key !== undefined && rule !== undefined && rule.onConflict === "reject" && this.keys.holders(key).size >= rule.max) {
      done.reject(new MaestroError("concurrency_limit", `${rule.max} run${rule.max === 1 ? "" : "s"} with the concurrency key ${key} already run`, { facts: { key, runs: [...this.keys.holders(key)] } }));
      return;
    }
    const { rerunOf } = admission;
    const first: RunEvent & RunCreated = { seq: 1, at: now, ...created, ...(rerunOf === undefined ? {} : { rerunOf }) };
    const run: Run = createRun(program, first);
    const live = newLive(run, program, { row: null, head: "", receipts: 0, idempotencyKey: admission.idempotencyKey });
    live.pending.push(first);
    this.live.set(run.id, live);
    const step = beginTurn(program, run, this.facts(live, now));
    emit(step, { kind: "policy_decided", action: "run.start", decision });
    for (const event of reuse ?? []) emit(step, event);
    if (decision.allow && this.enterKey(turn, live, key)) emit(step, { kind: "run_started" });
    this.decide(turn, live, step);
    turn.answers.push(() => done.resolve(live.row!));
    turn.refusals.push((error) => done.reject(error));
  }

  private enterKey(turn: Pending, live: LiveRun, key: string | undefined): boolean {
    const rule = live.program.plan.concurrency;
    if (key === undefined || rule === undefined) return true;
    const holders = [...this.keys.holders(key)];
    if (this.keys.enter(key, rule.max, live.run.id)) return true;
    if (rule.onConflict === "cancel-running") {
      const by = { type: "run" as const, id: live.run.id, roles: [] };
      for (const holder of holders) turn.answers.push(() => this.post({ run: holder, input: { kind: "cancel", by, reason: "a newer run has taken its concurrency key", force: false } }));
    }
    return false;
  }

  /* ---- effects ---- */

  private execute({ live, attempt, command }: Execution): void {
    const { plan } = live.program.tasks[live.program.index.get(command.task)!]!;
    const type = this.programs.type(command.uses);
    if (type === undefined) {
      this.finished(attempt, { ok: false, error: { code: "UNAVAILABLE", message: `this installation has no task type for ${command.task}`, final: true } });
      return;
    }
    const request = {
      run: attempt.run,
      namespace: attempt.namespace,
      task: command.task,
      item: command.item,
      attempt: command.attempt,
      type,
      input: command.input,
      sandbox: plan.runner?.sandbox ?? "preferred",
      limits: plan.runner?.limits ?? {},
      artifacts: command.undo ? [] : (plan.artifacts ?? []),
      dir: this.dirOf(attempt.run, command, command.attempt),
      base: live.run.created.base ?? this.parts.workDir,
      graceMs: this.parts.limits.graceMs,
      get signal(): AbortSignal {
        return attempt.signal;
      },
      beat: (): void => {
        attempt.lastBeat = this.parts.clock.now();
      },
    };
    void this.parts.execute(request).then(
      (result) => this.finished(attempt, result),
      (error: unknown) => this.finished(attempt, { ok: false, error: { code: "INTERNAL", message: messageOf(error) } }),
    );
  }

  private finished(attempt: Attempt, result: AttemptResult): void {
    if (this.closed || attempt.settled) return;
    attempt.settled = true;
    this.post({ run: attempt.run, input: { kind: "attempt_finished", ...attempt.step, attempt: attempt.number, result } });
  }

  private perform(live: LiveRun, command: Command, now: number): void {
    switch (command.kind) {
      case "execute":
      case "decide":
        return;
      case "stop": {
        const attempt = this.attempts.get(live.run.id, command, command.attempt);
        if (attempt !== undefined) this.attempts.stop(attempt, command.error, now, this.parts.limits.graceMs + FORCE_AFTER_MS);
        return;
      }
      case "cancel_child":
        return this.post({
          run: command.childRun,
          input: { kind: "cancel", by: { type: "run", id: live.run.id, roles: [] }, reason: command.reason, force: command.force },
        });
      case "lookup":
        live.inFlight += 1;
        void this.lookup(live, command);
        return;
      case "start_child":
        void this.startChild(live, command);
        return;
    }
  }

  private async lookup(live: LiveRun, command: Extract<Command, { kind: "lookup" }>): Promise<void> {
    const { task, item } = command;
    const key = await cacheKeyOf(live.run, command);
    try {
      const row = await this.parts.store.cacheGet(key, this.parts.clock.now());
      const hit = row === undefined || row.namespace !== live.run.created.namespace ? null : { fromRun: row.run, result: row.result as unknown as { output: JsonObject } };
      this.post({ run: live.run.id, from: live, input: { kind: "cache_answered", task, item, key, hit } });
    } catch (error) {
      // A cache that cannot be read is a cache without the entry.
      this.parts.log("warn", "the cache could not be read", { run: live.run.id, task, error: messageOf(error) });
      this.post({ run: live.run.id, from: live, input: { kind: "cache_answered", task, item, key, hit: null } });
    }
  }

  private async startChild(live: LiveRun, command: Extract<Command, { kind: "start_child" }>): Promise<void> {
    const { task, item, childRun } = command;
    try {
      const plan = await this.parts.store.planGet(command.planDigest);
      if (plan === undefined) throw new MaestroError("not_found", `the plan ${command.planDigest} of the child run is not stored here`);
      const { created } = live.run;
      const parent = { run: live.run.id, task, item };
      const base = created.base === undefined ? {} : { base: created.base };
      const request = { plan, inputs: command.input, purpose: created.purpose, authority: created.authority, initiator: created.initiator, labels: created.labels, priority: created.priority, ...base };
      const { admission } = await admit(this, request, { id: childRun, parent });
      // A child has no idempotency key, so there is never an existing one.
      if (admission !== undefined) await this.submit(admission);
    } catch (error) {
      this.parts.log("warn", "a child run could not be started", { run: live.run.id, task, error: messageOf(error) });
      const output = { error: messageOf(error) };
      this.post({ run: live.run.id, input: { kind: "child_finished", task, item, childRun, status: "failed", output } });
    }
  }

  /** After a restart: the child may not have been started yet, may be running, or may have ended unheard. */
  private async resumeChild(live: LiveRun, ref: StepRef, childRun: string): Promise<void> {
    const row = await this.parts.store.runGet(childRun);
    if (row === undefined) {
      const uses = live.program.tasks[live.program.index.get(ref.task)!]!.plan.uses;
      const started = live.childInputs.get(childRun);
      if (uses.kind !== "runbook" || started === undefined) return;
      return this.startChild(live, { kind: "start_child", ...ref, childRun, input: started, planDigest: uses.planDigest });
    }
    if (!isTerminal(row.status)) return;
    const child = await loadRun(this, childRun);
    const receipt = child.lastReceipt?.digest;
    this.post({
      run: live.run.id,
      input: { kind: "child_finished", ...ref, childRun, status: row.status, output: child.run.outputs ?? {}, ...(receipt === undefined ? {} : { receipt }) },
    });
  }

  /* ---- small things ---- */

  private post(message: Message): void {
    if (this.closed) return;
    this.mailbox.push(message);
    this.onWork();
  }

  private publish(run: string, events: readonly RunEvent[]): void {
    for (const key of [run, "*"]) for (const listener of this.listeners.get(key) ?? []) listener(run, events);
  }

  /** Overload is refused, never absorbed. */
  refuseWhenFull(): void {
    const { mailbox, activeRuns } = this.parts.limits;
    if (this.draining || this.closed) throw new MaestroError("shutting_down", "the engine is shutting down");
    if (this.stalledBy instanceof MaestroError) throw this.stalledBy;
    if (this.mailbox.length + this.admissions.length >= mailbox) {
      throw new MaestroError("overloaded", `${mailbox} requests are waiting for the engine, which is its limit (limits.mailbox)`);
    }
    if (this.live.size >= activeRuns) throw new MaestroError("overloaded", `${activeRuns} runs are active, which is the limit (limits.activeRuns)`);
  }

  /** Stores a plan before the first run that uses it. */
  async keepPlan(plan: StoredPlan): Promise<void> {
    if (this.kept.has(plan.digest)) return;
    await this.parts.store.planPut(plan);
    this.kept.add(plan.digest);
  }

  newId(prefix: "r" | "a" | "d"): string {
    return makeId(prefix, this.parts.clock.now(), this.parts.randomBytes(10));
  }

  /** Per run, time does not go back, whatever the clock of an earlier engine said. */
  private facts(live: LiveRun, now: number): Facts {
    const at = Math.max(now, live.pending.at(-1)?.at ?? live.lastAt);
    return {
      now: at,
      random: () => this.parts.random(),
      id: (prefix) => makeId(prefix, at, this.parts.randomBytes(10)),
      dirOf: (step, attempt) => this.dirOf(live.run.id, step, attempt),
    };
  }

  private dirOf(run: string, step: StepRef, attempt: number): string {
    return join(this.parts.workDir, run, `${step.task}${step.item === -1 ? "" : `.${step.item}`}.${attempt}`);
  }
}

const LOST: AttemptResult = { ok: false, error: { code: "LOST", message: "the engine that ran this attempt ended before it did" } };

