import { partsOf } from "../api/stream.ts";
import { MaestroError } from "../core/problem.ts";
import type { LogRef } from "../runner/logs.ts";
import type { Cli, Input } from "./cli.ts";
import type { Client } from "./client.ts";
import { asError } from "./error.ts";
import { followRun } from "./follow.ts";
import { Interrupts } from "./interrupts.ts";
import { LogPrinter } from "./log-printer.ts";
import { isOfStep, parseStep } from "./step.ts";

export function logKey({
  task,
  item,
  attempt,
}: {
  readonly task: string;
  readonly item: number;
  readonly attempt: number;
}): string {
  return `${task}[${item}]#${attempt}`;
}

export function logPath(log: LogRef, query: Readonly<Record<string, string | number>>): string {
  const parameters = new URLSearchParams({ item: String(log.item), attempt: String(log.attempt) });
  for (const [name, value] of Object.entries(query)) parameters.set(name, String(value));
  return `/v1/runs/${log.run}/logs/${encodeURIComponent(log.task)}?${parameters.toString()}`;
}

/** Attempts whose output is read at the same time; the next ones wait for their turn, nothing is left out. */
const MAX_STREAMS = 64;

/**
 * Prints what attempts write, live, until the run has ended: first what is there already (its end, with `tail`), then what
 * comes. Where several steps write, each line says whose it is.
 */
export async function followLogs(
  cli: Cli,
  client: Client,
  run: string,
  present: readonly LogRef[],
  options: { readonly input: Input; readonly tail: number | undefined },
): Promise<number> {
  const step = parseStep(options.input.optionalArg("task"));
  const stop = new AbortController();
  const interrupts = new Interrupts(() => stop.abort());
  const streams = new Streams(
    cli,
    client,
    stop.signal,
    step?.item !== undefined || (present.every((log) => log.item < 0) && step !== undefined),
  );
  const lost = (): void => cli.terminal.say("the process that ran the engine has ended; carrying on here");
  try {
    for (const log of present) streams.start(log, options.tail);
    for await (const event of followRun(client, run, 0, { signal: stop.signal, lost })) {
      if (event.kind !== "attempt_started" || !isOfStep(event, step)) continue;
      await streams.free();
      streams.start({ run, task: event.task, item: event.item, attempt: event.attempt }, undefined);
    }
    await streams.ended();
    return interrupts.code ?? 0;
  } finally {
    stop.abort();
    if (interrupts.code === undefined) interrupts.stop();
  }
}

class Streams {
  readonly #cli: Cli;
  readonly #client: Client;
  readonly #signal: AbortSignal;
  readonly #single: boolean;
  readonly #seen = new Set<string>();
  readonly #running = new Set<Promise<void>>();
  #failure: Error | undefined;

  constructor(cli: Cli, client: Client, signal: AbortSignal, single: boolean) {
    this.#cli = cli;
    this.#client = client;
    this.#signal = signal;
    this.#single = single;
  }

  start(log: LogRef, tail: number | undefined): void {
    if (this.#seen.has(logKey(log))) return;
    this.#seen.add(logKey(log));
    const running = this.#read(log, tail)
      .catch((error: unknown) => {
        if (!this.#signal.aborted) this.#failure ??= asError(error);
      })
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  async free(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    while (this.#running.size >= MAX_STREAMS) await Promise.race(this.#running);
  }

  async ended(): Promise<void> {
    await Promise.all(this.#running);
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #read(log: LogRef, tail: number | undefined): Promise<void> {
    const printer = new LogPrinter(this.#cli, this.#single ? "none" : "prefix");
    await printer.begin(log);
    let offset = tail === undefined ? 0 : await this.#printTail(log, tail, printer);
    for (let failures = 0; ; failures++) {
      try {
        const response = await this.#client.fetch(logPath(log, { follow: "true", offset }), { signal: this.#signal });
        for await (const part of response.body === null ? [] : partsOf(response.body, this.#signal)) {
          offset += part.byteLength;
          await printer.write(part);
        }
        return await printer.end();
      } catch (error) {
        // The engine's process has gone; whoever follows the history finds the next one.
        if (
          this.#signal.aborted ||
          failures > 20 ||
          (error instanceof MaestroError && error.code !== "server_unreachable")
        )
          throw error;
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    }
  }

  async #printTail(log: LogRef, tail: number, printer: LogPrinter): Promise<number> {
    const { bytes, headers } = await this.#client.read(logPath(log, { tail, limit: 4 * 1024 * 1024 }));
    await printer.write(bytes);
    return Number(headers.get("maestro-log-offset") ?? 0) + bytes.byteLength;
  }
}
