import type { StepRef } from "../core/event.ts";
import { makeId } from "../core/id.ts";
import type { Facts } from "../core/turn.ts";
import type { DurableEngine } from "./durable.ts";
import type { LiveRun } from "./live.ts";

/** What core may know beside the run. Per run, time does not go back, whatever the clock of an earlier engine said. */
export class RunFacts implements Facts {
  readonly now: number;
  private readonly engine: DurableEngine;
  private readonly run: string;

  constructor(engine: DurableEngine, live: LiveRun, now: number) {
    this.engine = engine;
    this.run = live.run.id;
    this.now = Math.max(now, live.pending.at(-1)?.at ?? live.lastAt);
  }

  random(): number {
    return this.engine.parts.random();
  }

  id(prefix: "r" | "a"): string {
    return makeId(prefix, this.now, this.engine.parts.randomBytes(10));
  }

  dirOf(step: StepRef, attempt: number): string {
    return this.engine.dirOf(this.run, step, attempt);
  }
}
