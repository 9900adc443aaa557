import type { SlotClass } from "../core/program.ts";
import { startNext } from "../core/start.ts";
import { beginTurn } from "../core/turn.ts";
import { Attempt } from "./attempts.ts";
import { Dispatch } from "./dispatch.ts";
import type { DurableEngine } from "./durable.ts";
import type { Execution } from "./effects.ts";
import { RunFacts } from "./facts.ts";
import type { LiveRun } from "./live.ts";
import type { Pending } from "./pending.ts";

/** Commands take their slots first: there are few of them, and computing must not keep them waiting. */
const CLASSES: readonly SlotClass[] = ["process", "resident", "inline"];

/** Gives free slots to the steps that wait for one, as far as the limits go. */
export class Slots {
  private readonly engine: DurableEngine;
  private readonly dispatch = new Dispatch();

  constructor(engine: DurableEngine) {
    this.engine = engine;
  }

  /** The run may have steps that could start. */
  offer(live: LiveRun): void {
    this.dispatch.offer(live);
  }

  /** Records the start of every step that gets a slot now, and returns them. */
  fill(turn: Pending): readonly Execution[] {
    const { attempts, parts } = this.engine;
    const { limits } = parts;
    const given = turn.executions.length;
    const hasRoom = (namespace: string): boolean => attempts.ofNamespace(namespace) < limits.runningPerNamespace;
    for (const slot of CLASSES) {
      while (attempts.inSlot(slot) < limits[slot] && attempts.working < limits.running) {
        const live = this.dispatch.take(slot, hasRoom);
        if (live === undefined) break;
        // Of a turn that is not durable yet; it is offered again when it is.
        if (live.turn !== null && live.turn !== turn) continue;
        this.startOne(turn, live, slot);
      }
    }
    return turn.executions.slice(given);
  }

  private startOne(turn: Pending, live: LiveRun, slot: SlotClass): void {
    const { engine } = this;
    const step = beginTurn(live.program, live.run, new RunFacts(engine, live, turn.now));
    let command: ReturnType<typeof startNext>;
    try {
      command = startNext(step, slot);
      engine.decide(turn, live, step);
    } catch (error) {
      return engine.quarantine(live, error);
    }
    if (command === undefined) return;
    const { task, item, attempt: number } = command;
    const { timeout } = live.program.tasks[live.program.index.get(task)!]!.plan;
    const attempt = new Attempt(live.run.id, { task, item }, number, live.run.created.namespace, slot);
    engine.attempts.add(attempt, timeout, turn.now);
    live.inFlight += 1;
    turn.executions.push({ live, attempt, command, begun: false });
  }
}
