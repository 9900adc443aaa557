import { setTimeout as sleep } from "node:timers/promises";
import { MaestroError } from "../../core/problem.ts";
import type { Cli } from "../cli.ts";
import type { Client } from "../client.ts";
import { Interrupts } from "../interrupts.ts";

const LOOK_EVERY_MS = 1000;

/** Ends by a signal only, and being ended so is how it succeeds. */
export async function run(cli: Cli): Promise<number> {
  const asked = new AbortController();
  const interrupts = new Interrupts(() => asked.abort());
  const client = await cli.connect("work");
  try {
    if (!client.isEngine) await standBy(cli, client, asked.signal);
    if (!asked.signal.aborted) {
      cli.terminal.say(`The engine of ${cli.dataDir} is up: process ${process.pid}. Ctrl-C ends it.`);
      await pause(asked.signal);
      cli.terminal.say("Ending: what is at work gets a moment, the rest is handed back to the next engine.");
    }
    return 0;
  } finally {
    await client.close();
    interrupts.stop();
  }
}

/** Until the process that holds the engine has gone and this one is the engine. */
async function standBy(cli: Cli, client: Client, signal: AbortSignal): Promise<void> {
  let holder: number | undefined;
  while (!client.isEngine && !signal.aborted) {
    try {
      const { pid } = await client.get<{ readonly pid: number }>("/v1/health");
      // Asking may have found nobody and taken over.
      if (client.isEngine) return;
      if (pid !== holder) cli.terminal.say(`Process ${pid} is the engine already; this one takes over when it ends.`);
      holder = pid;
      await pause(signal, LOOK_EVERY_MS);
    } catch (error) {
      if (!(error instanceof MaestroError) || error.code !== "server_unreachable") throw error;
      await client.reconnect();
    }
  }
}

/** Keeps the process alive; ends early, without an error, when the signal comes. */
async function pause(signal: AbortSignal, ms = 2 ** 31 - 1): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
