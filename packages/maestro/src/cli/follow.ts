import { setTimeout as sleep } from "node:timers/promises";
import { readMessages } from "../api/sse.ts";
import { partsOf } from "../api/stream.ts";
import type { RunEvent } from "../core/event.ts";
import { MaestroError } from "../core/problem.ts";
import type { Client } from "./client.ts";

/**
 * The run's events after `after`, then those that come, until the run has ended. When the process that serves them goes
 * away, its successor is looked for, or this process takes over, and nothing is missed or told twice.
 */
export async function* followRun(
  client: Client,
  run: string,
  after: number,
  options: { readonly signal: AbortSignal; readonly lost: () => void },
): AsyncGenerator<RunEvent> {
  const { signal, lost } = options;
  let seq = after;
  let failures = 0;
  while (!signal.aborted) {
    try {
      const response = await client.fetch(`/v1/runs/${run}/events`, {
        headers: { accept: "text/event-stream", "last-event-id": String(seq) },
        signal,
      });
      if (response.body === null) return;
      for await (const message of readMessages(partsOf(response.body, signal))) {
        if (message.event === "end") return;
        if (message.event !== "event") continue;
        const event = JSON.parse(message.data) as RunEvent;
        if (event.seq <= seq) continue;
        seq = event.seq;
        failures = 0;
        yield event;
      }
    } catch (error) {
      if (signal.aborted) return;
      // What the API answers is final; a broken connection is not.
      if (error instanceof MaestroError && error.code !== "server_unreachable") throw error;
    }
    if (signal.aborted) return;
    if (client.isEngine) throw new MaestroError("internal", "The event stream of this process's own engine broke.");
    failures++;
    if (failures > MAX_FAILURES)
      throw new MaestroError(
        "server_unreachable",
        `The engine went away ${failures} times without a word about run ${run}.`,
      );
    lost();
    await sleep(Math.min(2000, 50 * 2 ** failures));
    await client.reconnect();
  }
}

const MAX_FAILURES = 20;
