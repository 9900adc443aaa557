import type { Command } from "../core/turn.ts";
import type { Attempt } from "./attempts.ts";
import type { Execution } from "./effects.ts";
import type { LiveRun } from "./live.ts";
import type { Answer, Message } from "./parts.ts";

/** What one turn has decided and is to do once it is durable. */
export interface Pending {
  /** Moves on with every round. */
  now: number;
  readonly touched: LiveRun[];
  readonly executions: Execution[];
  readonly effects: { readonly live: LiveRun; readonly command: Command }[];
  readonly messages: Message[];
  /** Told once the turn is durable, or why it, or their run's part of it, is not. */
  readonly answers: { readonly live: LiveRun; readonly done: Answer }[];
  readonly ended: Attempt[];
}
