import type { Command } from "../core/turn.ts";
import type { Attempt } from "./attempts.ts";
import type { Execution } from "./effects.ts";
import type { LiveRun } from "./live.ts";
import type { Answer, Message } from "./parts.ts";

/** What one turn has decided and is to do once it is durable. Until then its runs belong to it. */
export interface Pending {
  /** Moves on with every round. */
  now: number;
  /** When it began, by the clock that never steps. */
  readonly began: number;
  readonly touched: LiveRun[];
  readonly executions: Execution[];
  readonly effects: { readonly live: LiveRun; readonly command: Command }[];
  messages: Message[];
  /** What came for its runs after it had been decided: for the turn after it. */
  readonly held: Message[];
  /** Told once the turn is durable, or why it, or their run's part of it, is not. */
  readonly answers: { readonly live: LiveRun; readonly done: Answer }[];
  readonly ended: Attempt[];
}

export function newPending(now: number): Pending {
  return {
    now,
    began: performance.now(),
    touched: [],
    executions: [],
    effects: [],
    messages: [],
    held: [],
    answers: [],
    ended: [],
  };
}
