import type { Decision } from "../core/event.ts";
import type { GateRequest, Occasion } from "./gate.ts";

/** A decision with what it was made on. */
export interface MadeDecision {
  readonly decision: Decision;
  readonly request: GateRequest;
  readonly at: number;
  readonly run?: string;
  readonly task?: string;
}

const KEPT = 2_000;

/**
 * The last decisions, by id. The audit keeps of equal refusals within a minute one row with the first decision; who is told
 * the id of the second can have it explained all the same.
 */
export class RecentDecisions {
  readonly #made = new Map<string, MadeDecision>();
  /** In a ring: the first key of a Map that loses its first all the time is far behind holes. */
  readonly #ids: string[] = [];
  #next = 0;

  add(decision: Decision, request: GateRequest, { at, run, task }: Occasion): void {
    this.#made.set(decision.id, {
      decision,
      request,
      at,
      ...(run === undefined ? {} : { run }),
      ...(task === undefined ? {} : { task }),
    });
    const oldest = this.#ids[this.#next];
    if (oldest !== undefined) this.#made.delete(oldest);
    this.#ids[this.#next] = decision.id;
    this.#next = (this.#next + 1) % KEPT;
  }

  get(id: string): MadeDecision | undefined {
    return this.#made.get(id);
  }
}
