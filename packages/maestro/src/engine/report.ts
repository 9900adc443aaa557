import type { DurableEngine } from "./durable.ts";

/** How an engine is doing, in a few numbers for somebody who asks: `GET /v1/health`, `maestro doctor`. */
export interface EngineReport {
  readonly activeRuns: number;
  /** Attempts at work. */
  readonly running: { readonly inline: number; readonly process: number; readonly resident: number };
  /** Requests that wait for the next turn. */
  readonly waiting: number;
  /** Turns that changed something, and how long half and 99 of 100 of them took at most; null while there was none. */
  readonly turns: number;
  readonly failedTurns: number;
  readonly turnMs: { readonly p50: number | null; readonly p99: number | null };
  readonly commitMs: { readonly p50: number | null; readonly p99: number | null };
  /** From a step that could start to its start. */
  readonly dispatchMs: { readonly p50: number | null; readonly p99: number | null };
  /** Epoch milliseconds. */
  readonly lastTurnAt: number | null;
  /** Requests that were refused as `overloaded`. */
  readonly refused: number;
  /** It waits for a store that fails. */
  readonly stalled: boolean;
}

/** Reads what is counted anyway. */
export function reportOf({ stats, pressure, attempts, parts }: DurableEngine): EngineReport {
  const { activeRuns, waiting } = pressure.load();
  return {
    activeRuns,
    running: {
      inline: attempts.inSlot("inline"),
      process: attempts.inSlot("process"),
      resident: attempts.inSlot("resident"),
    },
    waiting,
    turns: stats.turnSeconds.count,
    failedTurns: stats.failedTurns,
    turnMs: quantiles(stats.turnSeconds),
    commitMs: quantiles(stats.commitSeconds),
    dispatchMs: quantiles(stats.dispatchSeconds),
    lastTurnAt: stats.lastTurnAt === 0 ? null : stats.lastTurnAt,
    refused: pressure.refused.activeRuns + pressure.refused.mailbox,
    stalled: pressure.stalledUntil > parts.clock.now(),
  };
}

function quantiles(seconds: { quantile(share: number): number | undefined }): {
  readonly p50: number | null;
  readonly p99: number | null;
} {
  const ms = (share: number): number | null => {
    const value = seconds.quantile(share);
    // JSON has no infinity: above the last bound nothing is known but that it was long.
    return value === undefined || !Number.isFinite(value) ? null : value * 1000;
  };
  return { p50: ms(0.5), p99: ms(0.99) };
}
