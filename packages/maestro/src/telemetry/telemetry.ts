import type { DurableEngine } from "../engine/durable.ts";
import type { EngineParts } from "../engine/parts.ts";
import type { BlobStore } from "../store/blobs.ts";
import type { Store } from "../store/store.ts";
import { Log } from "./log.ts";
import type { LogLevel, LogSink } from "./log.ts";
import { otlpSettings } from "./otlp-settings.ts";
import type { PolicyNumbers } from "./metrics-policy.ts";
import type { Exposition } from "./prometheus.ts";
import { RequestStats } from "./requests.ts";
import type { AnsweredRequest } from "./requests.ts";
import { RunLog } from "./run-log.ts";
import type { Tracer } from "./tracer.ts";

export interface TelemetryOptions {
  readonly dataDir: string;
  readonly version: string;
  readonly installation: string;
  readonly store: Store;
  readonly blobs: BlobStore;
  readonly sink: LogSink;
  readonly level: LogLevel;
  /** Where spans go, before what the environment says. */
  readonly otlp: string | undefined;
  /** Nothing runs, so there is nothing to trace. */
  readonly passive: boolean;
  readonly environment: (name: string) => string | undefined;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** Spans that wait when the process is to end get this long. */
const FLUSH_MS = 2000;

/** All that is told about a control plane: its log, its metrics, its traces. Nothing of it decides or delays anything. */
export class Telemetry {
  readonly requests = new RequestStats();
  /** Requests that proved to be nobody's, by why. */
  readonly refusals = new Map<string, number>();
  readonly log: Log;
  private readonly options: TelemetryOptions;
  private readonly tracer: Tracer | undefined;
  private readonly runs: RunLog;
  private scraper: Promise<() => Promise<Exposition>> | undefined;

  private constructor(options: TelemetryOptions, log: Log, tracer: Tracer | undefined) {
    this.options = options;
    this.log = log;
    this.tracer = tracer;
    this.runs = new RunLog(log, this.traces);
  }

  /** Errors: `invalid_request` where `otlp` is no address. */
  static async open(options: TelemetryOptions): Promise<Telemetry> {
    const log = new Log(options.level, options.sink);
    return new Telemetry(options, log, await openTracer(options, log));
  }

  /** What the engine takes of it. */
  get engineParts(): Pick<EngineParts, "log" | "traces" | "observe"> {
    const { traces } = this;
    return {
      log: (level, message, fields) => this.write(level, message, fields),
      ...(traces === undefined ? {} : { traces }),
      observe: (live, events) => {
        this.tracer?.observe(live, events);
        this.runs.observe(live, events);
      },
    };
  }

  /** A line that names a run gets its request and its trace as well. */
  write(level: LogLevel, message: string, fields: Parameters<LogSink>[2] = {}): void {
    this.log.write(level, message, this.runs.complete(fields));
  }

  answered(seen: AnsweredRequest & { readonly requestId: string }): void {
    this.requests.add(seen);
    const level = seen.status >= 500 && seen.status !== 503 ? "warn" : "debug";
    if (!this.log.shows(level)) return;
    const { route, method, status, seconds, requestId } = seen;
    this.log.write(level, "a request was answered", {
      requestId,
      method,
      route,
      status,
      durationMs: Math.round(seconds * 1000),
    });
  }

  /** A credential that proved nobody; nothing of it is here. */
  refused(reason: string, requestId: string): void {
    this.refusals.set(reason, (this.refusals.get(reason) ?? 0) + 1);
    this.log.write("info", "a request proved to be nobody's", { requestId, reason });
  }

  /** The metrics of this moment. */
  async scrape(engine: DurableEngine, policy: PolicyNumbers): Promise<Exposition> {
    this.scraper ??= this.openScraper(engine, policy);
    return (await this.scraper)();
  }

  async close(): Promise<void> {
    await this.tracer?.close(FLUSH_MS);
  }

  private get traces(): EngineParts["traces"] {
    const { tracer } = this;
    return tracer === undefined ? undefined : (created) => tracer.traces(created);
  }

  /** Loaded when somebody looks for the first time; most commands nobody looks at. */
  private async openScraper(engine: DurableEngine, policy: PolicyNumbers): Promise<() => Promise<Exposition>> {
    const [{ exposition }, { METRICS }, { snapshots }] = await Promise.all([
      import("./prometheus.ts"),
      import("./metrics.ts"),
      import("./snapshot.ts"),
    ]);
    const { store, dataDir, version, now } = this.options;
    const startedAt = performance.timeOrigin;
    const { requests, refusals, log, tracer } = this;
    const sources = {
      engine,
      policy,
      requests,
      refusals,
      logs: log.counts,
      spans: tracer?.counts,
      store,
      dataDir,
      version,
      startedAt,
    };
    return exposition(METRICS, snapshots(sources, now));
  }
}

async function openTracer(options: TelemetryOptions, log: Log): Promise<Tracer | undefined> {
  const settings = options.passive ? undefined : otlpSettings(options.otlp, options.environment);
  if (settings === undefined) return undefined;
  for (const warning of settings.warnings) log.write("warn", warning);
  const [{ openOtlp }, { Tracer: Follower }] = await Promise.all([import("./otlp.ts"), import("./tracer.ts")]);
  const warn = (message: string, fields: Parameters<LogSink>[2]): void => log.write("warn", message, fields);
  const { store, blobs } = options;
  return new Follower({ ...openOtlp(settings, options, warn), store, blobs, log: warn });
}
