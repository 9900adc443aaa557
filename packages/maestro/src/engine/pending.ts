import type { Command } from "../core/turn.ts";
import type { Attempt } from "./attempts.ts";
import type { Execution } from "./effects.ts";
import type { LiveRun } from "./live.ts";
import type { Message } from "./parts.ts";

/** What one turn has decided and is to do once it is durable. */
export interface Pending {
  readonly now: number;
  readonly touched: LiveRun[];
  readonly executions: Execution[];
  readonly effects: { readonly live: LiveRun; readonly command: Command }[];
  readonly messages: Message[];
  readonly answers: (() => void)[];
  readonly refusals: ((error: unknown) => void)[];
  readonly ended: Attempt[];
}
