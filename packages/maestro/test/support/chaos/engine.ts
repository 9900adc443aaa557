import { fileURLToPath } from "node:url";
import type { RunEvent } from "../../../src/core/event.ts";
import { MaestroError } from "../../../src/core/problem.ts";
import { isTerminal } from "../../../src/core/run.ts";
import { loadEvents } from "../../../src/engine/load.ts";
import type { ControlPlane } from "../../../src/serve.ts";
import { openControlPlane } from "../../../src/serve.ts";
import type { RunRow } from "../../../src/store/store.ts";
import { OWNER } from "../world.ts";
import type { Item } from "./workload.ts";
import { WORKLOAD, keyOf } from "./workload.ts";

/** The program of the process that is killed. */
export const ENGINE_PROGRAM = fileURLToPath(import.meta.url);

export interface EngineOrder {
  readonly dataDir: string;
  /** The file that scripts write to. */
  readonly effects: string;
  /** Rounds of the workload: from this one, up to but without that one. */
  readonly from: number;
  readonly to: number;
  /** The line of progress with which this process kills itself, without a chance to clean up; 0: never. */
  readonly dieAt: number;
}

/** `ack KEY RUN`, `ended KEY STATUS`, `event RUN SEQ KIND`, `opening`, `ready`, `done`, `log ...`: one per line. */
class Progress {
  readonly #dieAt: number;
  #lines = 0;

  constructor(dieAt: number) {
    this.#dieAt = dieAt;
  }

  /** Written synchronously to the pipe, so what the driver has read has happened. */
  say(line: string): void {
    process.stdout.write(`${line}\n`);
    this.#lines += 1;
    if (this.#lines === this.#dieAt) process.kill(process.pid, "SIGKILL");
  }
}

/** Starts what is not started, goes on with what is, does what people do, and leaves when all of it has ended. */
class Workers {
  readonly #plane: ControlPlane;
  readonly #order: EngineOrder;
  readonly #progress: Progress;
  readonly #ends = new Map<string, PromiseWithResolvers<void>>();
  readonly #attended = new Map<string, Item["attend"]>();
  readonly #answered = new Set<string>();

  constructor(plane: ControlPlane, order: EngineOrder, progress: Progress) {
    this.#plane = plane;
    this.#order = order;
    this.#progress = progress;
    plane.engine.subscribe("*", (run, events) => {
      for (const event of events) this.#hear(run, event);
    });
  }

  async round(round: number): Promise<void> {
    const ended = new Map<string, Promise<void>>();
    for (const item of WORKLOAD) {
      const before = item.after === undefined ? undefined : ended.get(item.after);
      ended.set(item.name, this.#one(round, item, before));
    }
    await Promise.all(ended.values());
  }

  async #one(round: number, item: Item, before: Promise<void> | undefined): Promise<void> {
    await before;
    const key = keyOf(round, item);
    const row = await this.#start(round, item, key);
    this.#progress.say(`ack ${key} ${row.id}`);
    const end = this.#endOf(row.id);
    if (item.attend !== undefined) {
      this.#attended.set(row.id, item.attend);
      await this.#attend(row.id);
    }
    const now = await this.#row(row.id);
    if (!isTerminal(now.status)) await end.promise;
    this.#progress.say(`ended ${key} ${(await this.#row(row.id)).status}`);
  }

  async #start(round: number, item: Item, key: string): Promise<RunRow> {
    const { manifest, inputs = {}, purpose = "test" } = item;
    const { effects } = this.#order;
    // A start that is denied takes no key, so each run says by a label what it was to be.
    const labels = { item: key };
    const body = { manifest, file: `${item.name}.yaml`, inputs: { effects, round, ...inputs }, purpose, key, labels };
    const headers = { "content-type": "application/json" };
    const request = new Request("http://maestro.local/v1/runs", {
      method: "POST",
      headers,
      body: JSON.stringify(body),
    });
    const response = await this.#plane.asOwner(request);
    const text = await response.text();
    if (response.status !== 201) throw new Error(`${key} was refused: ${text}`);
    return (JSON.parse(text) as { readonly run: RunRow }).run;
  }

  #hear(run: string, event: RunEvent): void {
    this.#progress.say(`event ${run} ${event.seq} ${event.kind}`);
    if (event.kind === "run_ended") this.#endOf(run).resolve();
    else if (this.#attended.has(run) && ASKS.has(event.kind)) void this.#attend(run).catch(fail);
  }

  /** People look at what is recorded before they act, so that a restart does not make them act twice. */
  async #attend(run: string): Promise<void> {
    const events = await loadEvents(this.#plane.engine.parts, await this.#row(run));
    const happened = (kind: RunEvent["kind"]): boolean => events.some((event) => event.kind === kind);
    switch (this.#attended.get(run)) {
      case "approve":
        for (const { id, planDigest } of await this.#plane.engine.parts.store.approvalList({ run, limit: 10 }))
          await this.#act(run, id, {
            kind: "approve",
            approval: id,
            verdict: "approve",
            by: OWNER,
            planDigest,
            reason: "looked at it",
          });
        return;
      case "signal":
        if (happened("wait_started") && !happened("signal_received"))
          await this.#act(run, "go", { kind: "signal", name: "go", payload: { word: "went" }, by: OWNER });
        return;
      case "cancel":
        if (happened("wait_started") && !happened("cancel_requested"))
          await this.#act(run, "cancel", { kind: "cancel", by: OWNER, reason: "enough", force: false });
        return;
      case undefined:
        return;
    }
  }

  async #act(run: string, what: string, input: Parameters<ControlPlane["engine"]["send"]>[1]): Promise<void> {
    const once = `${run} ${what}`;
    if (this.#answered.has(once)) return;
    this.#answered.add(once);
    await this.#plane.engine.send(run, input);
  }

  #endOf(run: string): PromiseWithResolvers<void> {
    let end = this.#ends.get(run);
    if (end === undefined) {
      end = Promise.withResolvers<void>();
      this.#ends.set(run, end);
    }
    return end;
  }

  async #row(run: string): Promise<RunRow> {
    const row = await this.#plane.engine.parts.store.runGet(run);
    if (row === undefined) throw new MaestroError("not_found", `the acknowledged run ${run} does not exist`);
    return row;
  }
}

const ASKS: ReadonlySet<RunEvent["kind"]> = new Set(["approval_requested", "wait_started"]);

function fail(error: unknown): void {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(1);
}

async function main(order: EngineOrder): Promise<void> {
  const progress = new Progress(order.dieAt);
  progress.say("opening");
  const plane = await openControlPlane({
    dataDir: order.dataDir,
    log: (level, message, fields) => progress.say(`log ${level} ${message} ${JSON.stringify(fields)}`),
  });
  const workers = new Workers(plane, order, progress);
  progress.say("ready");
  const rounds: Promise<void>[] = [];
  for (let round = order.from; round < order.to; round++) rounds.push(workers.round(round));
  await Promise.all(rounds);
  progress.say("done");
  await plane.close(2000);
}

if (process.argv[1] === ENGINE_PROGRAM) await main(JSON.parse(process.argv[2] ?? "") as EngineOrder).catch(fail);
