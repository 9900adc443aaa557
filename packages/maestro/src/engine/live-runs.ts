import { wakeAt } from "../core/advance.ts";
import type { AttemptResult, StepRef } from "../core/event.ts";
import { messageOf } from "../core/problem.ts";
import { isTerminal } from "../core/run.ts";
import { Timers } from "../core/timers.ts";
import type { DurableEngine } from "./durable.ts";
import { isOfStorage } from "./parts.ts";
import type { LiveRun } from "./live.ts";
import { loadRun } from "./load.ts";
import type { RunRow } from "../store/store.ts";
import { Sleepers } from "./sleepers.ts";

const PRUNE_FROM = 1024;

/**
 * The runs in memory: loaded when something happens to them, gone when they end or sleep. Loading is recovery: an attempt
 * that no runner of this engine works on was lost, a child run is looked after, the rest follows from the history.
 */
export class LiveRuns {
  private readonly engine: DurableEngine;
  private readonly byId = new Map<string, LiveRun>();
  private readonly loading = new Map<string, Promise<LiveRun>>();
  private readonly timers = new Timers<LiveRun>();
  private readonly sleepers: Sleepers;

  constructor(engine: DurableEngine) {
    this.engine = engine;
    this.sleepers = new Sleepers(engine.parts.store, engine.parts.limits);
  }

  get size(): number {
    return this.byId.size;
  }

  /** Timers that are set; some of runs that have gone meanwhile. */
  get timersSet(): number {
    return this.timers.size;
  }

  get(id: string): LiveRun | undefined {
    return this.byId.get(id);
  }

  /** In memory, or on its way there. */
  has(id: string): boolean {
    return this.byId.has(id) || this.loading.has(id);
  }

  add(live: LiveRun): void {
    this.byId.set(live.run.id, live);
  }

  /** The run in memory, loaded if need be; `row` is its row, where it was read just now. Errors: `not_found`, `store_corrupt`. */
  async load(id: string, row?: RunRow): Promise<LiveRun> {
    const known = this.byId.get(id);
    if (known !== undefined) return known;
    let loading = this.loading.get(id);
    if (loading === undefined) {
      loading = this.adopt(id, row).finally(() => this.loading.delete(id));
      this.loading.set(id, loading);
    }
    return loading;
  }

  /** The same where nobody waits for an answer: a run that is damaged is named in the log. Rejects only where the store fails. */
  async tryLoad(id: string, row?: RunRow): Promise<LiveRun | undefined> {
    try {
      return await this.load(id, row);
    } catch (error) {
      if (isOfStorage(error)) throw error;
      this.engine.parts.log("error", "a run could not be loaded", { run: id, error: messageOf(error) });
      return undefined;
    }
  }

  forget(live: LiveRun): void {
    live.gone = true;
    if (this.byId.get(live.run.id) === live) this.byId.delete(live.run.id);
  }

  /** After its commit a run ends, sleeps, or waits in memory for its next timer. */
  settle(live: LiveRun, now: number): void {
    if (isTerminal(live.run.status)) return this.forget(live);
    const at = wakeAt(live);
    const sleepsUntil = live.row?.wakeAt ?? null;
    if (sleepsUntil !== null && !this.sleepers.covers(sleepsUntil)) {
      if (at !== undefined) this.sleepers.slept(at);
      this.forget(live);
    } else if (at !== undefined) {
      this.setTimer(live, Math.max(at, now));
    }
  }

  /** Runs whose time has come, brought into memory ahead of it. */
  async due(now: number): Promise<readonly string[]> {
    const due: string[] = [];
    // The store first: if it fails, no timer has been taken out yet.
    for (const { id, wakeAt: at } of await this.sleepers.due(now, this.byId.size)) {
      const known = this.byId.get(id);
      if (known !== undefined) this.setTimer(known, Math.max(at, now));
      else if (at <= now) due.push(id);
      else await this.loadAhead(id, at, due);
    }
    for (let live = this.timers.popDue(now); live !== undefined; live = this.timers.popDue(now)) {
      if (live.gone || live.timerAt === null || live.timerAt > now) continue;
      live.timerAt = null;
      due.push(live.run.id);
    }
    return due;
  }

  nextAt(): number | undefined {
    const timer = this.timers.nextAt((live, at) => !live.gone && live.timerAt === at);
    const sleeper = this.sleepers.nextAt();
    if (timer === undefined || sleeper === undefined) return timer ?? sleeper;
    return Math.min(timer, sleeper);
  }

  /** What cannot be loaded now counts as due: the turn tries again, and says why not. */
  private async loadAhead(id: string, at: number, due: string[]): Promise<void> {
    try {
      this.setTimer(await this.load(id), at);
    } catch {
      due.push(id);
    }
  }

  private setTimer(live: LiveRun, at: number): void {
    if (live.timerAt !== null && live.timerAt <= at) return;
    live.timerAt = at;
    this.timers.push(at, live);
    // A run that ended long before its budget's last minute must not stay in memory until then.
    if (this.timers.size > PRUNE_FROM + 4 * this.byId.size) this.timers.prune((one) => !one.gone);
  }

  private async adopt(id: string, row?: RunRow): Promise<LiveRun> {
    const live = await loadRun(this.engine, id, row);
    this.byId.set(id, live);
    if (isTerminal(live.run.status)) return live;
    for (const task of live.run.tasks) {
      if (task.active === 0 && live.run.phase !== "undo") continue;
      for (const step of task.steps) {
        const ref: StepRef = { task: live.program.tasks[task.index]!.plan.id, item: step.item };
        if (step.status === "running" || step.status === "undoing") {
          if (this.engine.attempts.get(id, ref, step.attempt) !== undefined) live.inFlight += 1;
          else
            this.engine.post({
              run: id,
              input: { kind: "attempt_finished", ...ref, attempt: step.attempt, result: LOST },
            });
        } else if (step.status === "child" && step.child !== null) {
          void this.engine.effects.resumeChild(live, ref, step.child);
        }
      }
    }
    return live;
  }
}

const LOST: AttemptResult = {
  ok: false,
  error: { code: "LOST", message: "the engine that ran this attempt ended before it did" },
};
