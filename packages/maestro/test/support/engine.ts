import { generateKeyPairSync, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turnOfTheLoop } from "node:timers/promises";
import { canonical } from "../../src/core/canonical.ts";
import { sha256 } from "../../src/core/digest.ts";
import type { AttemptResult, Origin, RunEvent } from "../../src/core/event.ts";
import type { JsonObject, JsonValue } from "../../src/core/json.ts";
import type { Plan } from "../../src/core/plan.ts";
import { DurableEngine } from "../../src/engine/durable.ts";
import type { Limits } from "../../src/engine/limits.ts";
import { DEFAULT_LIMITS } from "../../src/engine/limits.ts";
import { loadEvents } from "../../src/engine/load.ts";
import type { EngineParts, ExecuteRequest } from "../../src/engine/parts.ts";
import type { Gate } from "../../src/policy/gate.ts";
import { builtinEvaluator } from "../../src/policy/builtin.ts";
import { openGate } from "../../src/policy/open-gate.ts";
import { createSigner } from "../../src/provenance/signer.ts";
import { openBlobs } from "../../src/store/blob-files.ts";
import { openSqlite } from "../../src/store/sqlite.ts";
import type { RunRow, Store, StoredPlan } from "../../src/store/store.ts";
import { taskTypes } from "../../src/task/catalogue.ts";
import { OWNER } from "./world.ts";

const KEY = generateKeyPairSync("ed25519").privateKey;

export interface BenchOptions {
  readonly limits?: Partial<Limits>;
  readonly gate?: Gate;
  readonly execute?: (request: ExecuteRequest) => Promise<AttemptResult>;
  /** Wraps the store, to let it fail. */
  readonly store?: (store: Store) => Store;
  readonly passive?: boolean;
  readonly types?: EngineParts["types"];
  readonly traces?: EngineParts["traces"];
  readonly observe?: EngineParts["observe"];
}

/** A real engine on a real store in a temporary folder; the test moves the clock and gives the turns. */
export class EngineBench {
  readonly dir: string;
  now = 1_700_000_000_000;
  engine!: DurableEngine;
  store!: Store;
  readonly logged: string[] = [];
  /** Attempts that wait for `finish`. */
  readonly held: { readonly request: ExecuteRequest; readonly finish: (result: AttemptResult) => void }[] = [];
  private readonly options: BenchOptions;

  private constructor(options: BenchOptions) {
    this.options = options;
    this.dir = mkdtempSync(join(tmpdir(), "maestro-engine-"));
  }

  static async open(options: BenchOptions = {}): Promise<EngineBench> {
    const bench = new EngineBench(options);
    await bench.start();
    return bench;
  }

  /** A new engine on the same data, as after a crash: the old one is simply no longer given turns. */
  async crash(): Promise<void> {
    this.engine.closed = true;
    this.held.length = 0;
    await this.store.close();
    await this.start();
  }

  async close(): Promise<void> {
    this.engine.closed = true;
    await this.store.close();
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** Gives turns until nothing more happens by itself. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 20;) {
      const next = this.engine.nextAt();
      const worked = next !== undefined && next <= this.now;
      await this.engine.tick();
      await turnOfTheLoop();
      quiet = worked ? 0 : quiet + 1;
    }
  }

  /** Moves time on, stopping wherever the engine has something due. */
  async pass(ms: number): Promise<void> {
    const until = this.now + ms;
    for (;;) {
      await this.settle();
      const next = this.engine.nextAt();
      if (next === undefined || next > until) break;
      this.now = Math.max(this.now, next);
    }
    this.now = until;
    await this.settle();
  }

  async run(
    plan: Plan,
    options: {
      readonly inputs?: JsonObject;
      readonly purpose?: string;
      readonly key?: string;
      readonly priority?: number;
      readonly origin?: Origin;
    } = {},
  ): Promise<RunRow> {
    const started = this.engine.start({
      plan: stored(plan),
      inputs: options.inputs ?? {},
      purpose: options.purpose ?? "test",
      authority: "none",
      initiator: OWNER,
      ...(options.key === undefined ? {} : { idempotencyKey: options.key }),
      ...(options.priority === undefined ? {} : { priority: options.priority }),
      ...(options.origin === undefined ? {} : { origin: options.origin }),
    });
    // Waited for together: a start that is refused at once must not be an unhandled rejection meanwhile.
    const [[outcome]] = await Promise.all([Promise.allSettled([started]), this.settle()]);
    if (outcome.status === "rejected") throw outcome.reason;
    return outcome.value;
  }

  async row(id: string): Promise<RunRow> {
    const row = await this.store.runGet(id);
    if (row === undefined) throw new Error(`no run ${id}`);
    return row;
  }

  async events(id: string): Promise<readonly RunEvent[]> {
    return loadEvents(this.engine.parts, await this.row(id));
  }

  /** Ends the held attempt of that task. */
  async finish(task: string, result: AttemptResult = { ok: true, output: {} }, item = -1): Promise<void> {
    const at = this.held.findIndex(({ request }) => request.task === task && request.item === item);
    const [held] = at === -1 ? [] : this.held.splice(at, 1);
    if (held === undefined) throw new Error(`${task}[${item}] is not held; these are: ${this.working().join(", ")}`);
    held.finish(result);
    await this.settle();
  }

  working(): string[] {
    return this.held.map(({ request }) => (request.item === -1 ? request.task : `${request.task}[${request.item}]`));
  }

  private async start(): Promise<void> {
    const store = await openSqlite({ path: join(this.dir, "maestro.db"), now: () => this.now });
    this.store = this.options.store?.(store) ?? store;
    let decisions = 0;
    this.engine = new DurableEngine({
      store: this.store,
      blobs: await openBlobs(join(this.dir, "blobs")),
      gate: this.options.gate ?? openGate({ evaluator: builtinEvaluator(), newId: () => `d_${decisions++}` }),
      signer: createSigner(KEY, "https://example.test/builder"),
      types: this.options.types ?? taskTypes(),
      execute: this.options.execute ?? (async (request) => this.hold(request)),
      clock: { now: () => this.now },
      randomBytes,
      random: () => 0.5,
      workDir: join(this.dir, "work"),
      version: "0.0.0",
      environment: "test",
      limits: { ...DEFAULT_LIMITS, ...this.options.limits },
      passive: this.options.passive === true,
      ...(this.options.traces === undefined ? {} : { traces: this.options.traces }),
      ...(this.options.observe === undefined ? {} : { observe: this.options.observe }),
      log: (level, message, fields) => this.logged.push(`${level} ${message} ${JSON.stringify(fields)}`),
    });
    await this.engine.recover();
    await this.settle();
  }

  /** A task named noop answers at once; whatever else waits for the test, and ends when it is told to stop. */
  private async hold(request: ExecuteRequest): Promise<AttemptResult> {
    if (request.type.description.name === "noop") return { ok: true, output: request.input };
    return new Promise((resolve) => {
      const held = { request, finish: resolve };
      this.held.push(held);
      request.signal.addEventListener("abort", () => {
        const at = this.held.indexOf(held);
        if (at !== -1) this.held.splice(at, 1);
        const reason = request.signal.reason as { readonly error: { readonly code: string; readonly message: string } };
        resolve({ ok: false, error: reason.error });
      });
    });
  }
}

export function stored(plan: Plan): StoredPlan {
  const text = canonical(plan as unknown as JsonValue);
  const { namespace, name, version, digest } = plan.workflow;
  return { digest: sha256(text), namespace, name, version, manifestDigest: digest, text, manifest: "", createdAt: 0 };
}
