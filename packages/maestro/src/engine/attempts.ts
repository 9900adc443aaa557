import type { AttemptResult, StepRef, TaskError } from "../core/event.ts";
import { TaskFailure } from "../task/task.ts";
import { Timers } from "../core/timers.ts";
import type { SlotClass } from "../core/program.ts";

/** One attempt at work. Its AbortSignal is made when somebody asks for it: most attempts of computing tasks never do. */
export class Attempt {
  readonly run: string;
  readonly step: StepRef;
  readonly number: number;
  readonly namespace: string;
  readonly slot: SlotClass;
  readonly key: string;
  private controller: AbortController | undefined;
  private reason: TaskFailure | undefined;
  /** Its slot is free again. */
  over = false;
  /** Its result is in the mailbox; a second one counts for nothing. */
  settled = false;
  heartbeatMs = 0;
  lastBeat = 0;

  constructor(run: string, step: StepRef, number: number, namespace: string, slot: SlotClass) {
    this.run = run;
    this.step = step;
    this.number = number;
    this.namespace = namespace;
    this.slot = slot;
    this.key = attemptKey(run, step, number);
  }

  get signal(): AbortSignal {
    if (this.controller === undefined) {
      this.controller = new AbortController();
      if (this.reason !== undefined) this.controller.abort(this.reason);
    }
    return this.controller.signal;
  }

  /** The first reason counts. */
  stop(error: TaskError): void {
    if (this.reason !== undefined) return;
    this.reason = new TaskFailure(error);
    this.controller?.abort(this.reason);
  }

  get stopped(): TaskError | undefined {
    return this.reason?.error;
  }
}

function attemptKey(run: string, step: StepRef, attempt: number): string {
  return `${run}/${step.task}/${step.item}/${attempt}`;
}

type Deadline = { readonly kind: "run" | "beat" | "forced"; readonly attempt: Attempt };

const PRUNE_FROM = 1024;

/** The attempts at work, their deadlines, and how many slots of each kind they hold. */
export class Attempts {
  private readonly byKey = new Map<string, Attempt>();
  private readonly deadlines = new Timers<Deadline>();
  private readonly perNamespace = new Map<string, number>();
  private readonly perSlot: Record<SlotClass, number> = { inline: 0, process: 0, resident: 0 };

  get size(): number {
    return this.byKey.size;
  }

  /** Attempts that hold a slot. */
  get working(): number {
    return this.perSlot.inline + this.perSlot.process + this.perSlot.resident;
  }

  inSlot(slot: SlotClass): number {
    return this.perSlot[slot];
  }

  ofNamespace(namespace: string): number {
    return this.perNamespace.get(namespace) ?? 0;
  }

  get(run: string, step: StepRef, attempt: number): Attempt | undefined {
    return this.byKey.get(attemptKey(run, step, attempt));
  }

  all(): Iterable<Attempt> {
    return this.byKey.values();
  }

  add(
    attempt: Attempt,
    timeout: { readonly runMs?: number; readonly heartbeatMs?: number } | undefined,
    now: number,
  ): void {
    this.byKey.set(attempt.key, attempt);
    this.perSlot[attempt.slot] += 1;
    this.perNamespace.set(attempt.namespace, this.ofNamespace(attempt.namespace) + 1);
    if (timeout?.runMs !== undefined) this.deadlines.push(now + timeout.runMs, { kind: "run", attempt });
    if (timeout?.heartbeatMs !== undefined) {
      attempt.heartbeatMs = timeout.heartbeatMs;
      attempt.lastBeat = now;
      this.deadlines.push(now + timeout.heartbeatMs, { kind: "beat", attempt });
    }
    // Deadlines of hours must not keep what ended in seconds.
    if (this.deadlines.size > PRUNE_FROM + 4 * this.byKey.size)
      this.deadlines.prune((deadline) => !deadline.attempt.over);
  }

  /** Gives its slot to others; it stays known until its result is durable. */
  free(attempt: Attempt): void {
    if (attempt.over) return;
    attempt.over = true;
    this.perSlot[attempt.slot] -= 1;
    const left = this.ofNamespace(attempt.namespace) - 1;
    if (left === 0) this.perNamespace.delete(attempt.namespace);
    else this.perNamespace.set(attempt.namespace, left);
  }

  forget(attempt: Attempt): void {
    this.byKey.delete(attempt.key);
  }

  /** An attempt whose result nobody waits for. */
  takeBack(attempt: Attempt): void {
    this.free(attempt);
    this.forget(attempt);
  }

  /** An attempt whose start was not recorded; where it computes already, its result is of a start that never was. */
  callOff(attempt: Attempt): void {
    this.takeBack(attempt);
    attempt.settled = true;
    attempt.stop({ code: "LOST", message: "the start of this attempt could not be made durable" });
  }

  /** Stops an attempt; if it has not ended `patienceMs` later, `expire` gives its result in its stead. */
  stop(attempt: Attempt, error: TaskError, now: number, patienceMs: number): void {
    if (attempt.stopped === undefined) this.deadlines.push(now + patienceMs, { kind: "forced", attempt });
    attempt.stop(error);
  }

  /** Stops what is over its time. Returns the attempts that did not even stop, whose result must be assumed. */
  expire(now: number, patienceMs: number): { readonly attempt: Attempt; readonly result: AttemptResult }[] {
    const given: { attempt: Attempt; result: AttemptResult }[] = [];
    for (let due = this.deadlines.popDue(now); due !== undefined; due = this.deadlines.popDue(now)) {
      const { attempt, kind } = due;
      if (attempt.over) continue;
      if (kind === "forced") {
        given.push({
          attempt,
          result: {
            ok: false,
            error: attempt.stopped ?? { code: "INTERNAL", message: "the attempt did not end when it was told to" },
          },
        });
      } else if (kind === "run") {
        this.stop(attempt, { code: "TIMEOUT", message: "it ran longer than timeout.run allows" }, now, patienceMs);
      } else if (attempt.lastBeat + attempt.heartbeatMs > now) {
        this.deadlines.push(attempt.lastBeat + attempt.heartbeatMs, { kind: "beat", attempt });
      } else {
        this.stop(
          attempt,
          { code: "HEARTBEAT", message: `it gave no sign of life for ${attempt.heartbeatMs} ms` },
          now,
          patienceMs,
        );
      }
    }
    return given;
  }

  nextAt(): number | undefined {
    return this.deadlines.nextAt(({ attempt }) => !attempt.over);
  }
}
