import { MaestroError } from "../core/problem.ts";
import type { EngineParts } from "./parts.ts";

/** How full the engine is at this moment. */
export interface Load {
  readonly closing: boolean;
  /** Requests that wait for a turn. */
  readonly waiting: number;
  readonly activeRuns: number;
}

/** Overload is refused, never absorbed: who may still come in, and whether the store gives reason to wait. */
export class Pressure {
  private readonly parts: Pick<EngineParts, "clock" | "limits">;
  readonly load: () => Load;
  /** How often each limit has refused somebody. */
  readonly refused = { activeRuns: 0, mailbox: 0 };
  /** After a failed commit nothing is tried before this time. */
  stalledUntil = 0;
  private stalledBy: unknown = null;

  constructor(parts: Pick<EngineParts, "clock" | "limits">, load: () => Load) {
    this.parts = parts;
    this.load = load;
  }

  /** The store fails: nothing is tried for a second, and callers are told why. */
  stall(error: unknown): void {
    this.stalledUntil = this.parts.clock.now() + 1000;
    this.stalledBy = error;
  }

  relieve(): void {
    this.stalledBy = null;
  }

  refuseStart(): void {
    this.refuseRequest();
    const { activeRuns } = this.parts.limits;
    if (this.load().activeRuns < activeRuns) return;
    this.refused.activeRuns += 1;
    throw new MaestroError("overloaded", `${activeRuns} runs are active, which is the limit (limits.activeRuns)`);
  }

  refuseRequest(): void {
    this.refuseCancel();
    const { mailbox } = this.parts.limits;
    if (this.load().waiting < mailbox) return;
    this.refused.mailbox += 1;
    throw new MaestroError(
      "overloaded",
      `${mailbox} requests are waiting for the engine, which is its limit (limits.mailbox)`,
    );
  }

  /** A cancel must get through above all when there is too much. */
  refuseCancel(): void {
    this.refuseWhenClosing();
    // Only for so long: without work there is no turn that would find that the store works again.
    if (this.stalledBy instanceof MaestroError && this.parts.clock.now() < this.stalledUntil) throw this.stalledBy;
  }

  refuseWhenClosing(): void {
    if (this.load().closing) throw new MaestroError("shutting_down", "the engine is shutting down");
  }
}
