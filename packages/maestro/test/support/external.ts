import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { AttemptResult } from "../../src/core/event.ts";
import type { JsonObject } from "../../src/core/json.ts";
import type { Sandbox } from "../../src/core/plan.ts";
import type { TraceContext } from "../../src/core/trace-context.ts";
import { executeAttempt } from "../../src/runner/attempt.ts";
import { openLogs } from "../../src/runner/log-files.ts";
import { openProcessRunner } from "../../src/runner/process.ts";
import { openBlobs } from "../../src/store/blob-files.ts";
import { ExternalTypes } from "../../src/task/external.ts";
import { TaskFailure } from "../../src/task/task.ts";
import type { TaskDescription, TaskEvent, TaskType } from "../../src/task/task.ts";
import { taskTypes } from "../../src/task/catalogue.ts";
import { openRunner } from "./runner.ts";

export const MISBEHAVE = fileURLToPath(new URL("misbehave.mjs", import.meta.url));

export interface AttemptOptions {
  readonly signal?: AbortSignal;
  readonly graceMs?: number;
  readonly sandbox?: Sandbox;
  readonly deadline?: number;
  readonly trace?: TraceContext;
  readonly beat?: () => void;
}

/** External task types on a data directory of their own, with the runner, logs and blobs that an engine gives them. */
export async function openExternal(environment: Readonly<Record<string, string>> = {}): Promise<ExternalPlace> {
  const opened = await openRunner();
  const { dataDir, workDir } = opened;
  const runner = await openProcessRunner({ workDir, hostname: "test", hidden: [dataDir] });
  return new ExternalPlace(
    dataDir,
    workDir,
    environment,
    runner,
    () => opened.close(),
    await openBlobs(join(dataDir, "blobs")),
  );
}

export class ExternalPlace {
  readonly dataDir: string;
  readonly types = new Map<string, TaskType>(taskTypes());
  readonly descriptions = new Map<string, TaskDescription>();
  readonly warnings: string[] = [];
  readonly events: TaskEvent[] = [];
  /** What programs are given where they ask for it. */
  environment: Readonly<Record<string, string>>;
  external: ExternalTypes;
  readonly logs: ReturnType<typeof openLogs>;
  readonly #workDir: string;
  readonly #runner: Awaited<ReturnType<typeof openProcessRunner>>;
  readonly #remove: () => Promise<void>;
  readonly #blobs: Awaited<ReturnType<typeof openBlobs>>;
  #attempts = 0;

  constructor(
    dataDir: string,
    workDir: string,
    environment: Readonly<Record<string, string>>,
    runner: Awaited<ReturnType<typeof openProcessRunner>>,
    remove: () => Promise<void>,
    blobs: Awaited<ReturnType<typeof openBlobs>>,
  ) {
    this.dataDir = dataDir;
    this.#workDir = workDir;
    this.environment = environment;
    this.#runner = runner;
    this.#remove = remove;
    this.#blobs = blobs;
    this.logs = openLogs(join(dataDir, "logs"));
    this.external = this.reopen();
  }

  /** What the next engine on the data directory finds. */
  reopen(): ExternalTypes {
    this.types.clear();
    for (const [name, type] of taskTypes()) this.types.set(name, type);
    this.external = new ExternalTypes({
      dataDir: this.dataDir,
      types: this.types,
      descriptions: this.descriptions,
      start: (command) => this.#runner.resident(command),
      environment: (name) => this.environment[name],
      isolation: () => this.#runner.measure("none"),
      engine: "test",
      now: () => 1,
      warn: (problem) => this.warnings.push(problem),
    });
    return this.external;
  }

  /** One attempt, as the engine makes it. */
  attempt(name: string, input: JsonObject, options: AttemptOptions = {}): Promise<AttemptResult> {
    const type = this.types.get(name);
    if (type === undefined) throw new Error(`there is no ${name}`);
    this.#attempts += 1;
    const base = join(this.dataDir, "base");
    mkdirSync(base, { recursive: true });
    const {
      sandbox = "preferred",
      signal = new AbortController().signal,
      graceMs = 1000,
      deadline,
      trace,
      beat,
    } = options;
    return executeAttempt(
      {
        run: "r_external",
        namespace: "test",
        task: "subject",
        item: -1,
        attempt: this.#attempts,
        type,
        input,
        sandbox,
        limits: {},
        artifacts: [],
        dir: join(this.#workDir, "r_external", `subject-${this.#attempts}`),
        base,
        signal,
        graceMs,
        ...(deadline === undefined ? {} : { deadline }),
        ...(trace === undefined ? {} : { trace }),
        ...(beat === undefined ? {} : { beat }),
      },
      {
        runner: this.#runner,
        logs: this.logs,
        blobs: this.#blobs,
        now: () => Date.now(),
        environment: () => undefined,
        onEvent: (_, event) => void this.events.push(event),
      },
    );
  }

  /** The log of the newest attempt. */
  async log(): Promise<string> {
    const ref = { run: "r_external", task: "subject", item: -1, attempt: this.#attempts };
    return Buffer.from((await this.logs.read(ref, { offset: 0, limit: 64 << 20 })).bytes).toString("utf8");
  }

  async close(): Promise<void> {
    await this.external.close();
    await this.#remove();
  }
}

/** A reason for calling off, as the engine gives one. */
export function calledOff(code: "CANCELLED" | "TIMEOUT" | "HEARTBEAT" = "CANCELLED"): TaskFailure {
  return new TaskFailure({ code, message: `${code.toLowerCase()}, says the test` });
}
