import { hostname } from "node:os";
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, trace } from "@opentelemetry/api";
import type { HrTime, Link, SpanContext } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import {
  detectResources,
  resourceAttributesEnvDetector,
  resourceFromAttributes,
  serviceNameEnvDetector,
} from "@opentelemetry/resources";
import type { Resource } from "@opentelemetry/resources";
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  SamplingDecision,
  TraceIdRatioBasedSampler,
} from "@opentelemetry/sdk-trace";
import type { ReadableSpan, Sampler, SpanExporter } from "@opentelemetry/sdk-trace";
import { messageOf } from "../core/problem.ts";
import { parentOf, traceIdOf } from "../core/trace-context.ts";
import type { OtlpSettings } from "./otlp-settings.ts";
import type { ExportCounts, Span, SpanLink } from "./spans.ts";
import type { SpanSink, TracerParts } from "./tracer.ts";

/** Who says these things. */
interface Speaker {
  readonly version: string;
  /** Of the data directory, the same for each engine on it. */
  readonly installation: string;
}

type Warn = TracerParts["log"];

/** One line for so long, however many batches fail. */
const COMPLAIN_EVERY_MS = 60_000;
const LOOK_AGAIN_MS = 1000;

/** Spans by OTLP over HTTP. What the receiver does not take is counted and forgotten; the queue has an end. */
export function openOtlp(
  settings: OtlpSettings,
  speaker: Speaker,
  warn: Warn,
): { readonly sink: SpanSink; readonly sampled: TracerParts["sampled"] } {
  const { url, sendMs } = settings;
  const exporter = new OTLPTraceExporter({
    ...(url === undefined ? {} : { url }),
    ...(sendMs === undefined ? {} : { timeoutMillis: sendMs }),
  });
  return {
    sink: new OtlpSink(exporter, settings, resourceOf(speaker), speaker.version, warn),
    sampled: sampling(settings),
  };
}

class OtlpSink implements SpanSink {
  readonly counts: ExportCounts = { exported: 0, failed: 0, dropped: 0 };
  private readonly processor: BatchSpanProcessor;
  private readonly maxQueue: number;
  private readonly resource: Resource;
  private readonly scope: ReadableSpan["instrumentationScope"];
  private readonly warn: Warn;
  /** Spans the processor has and the exporter not yet. */
  private waiting = 0;
  /** ... and the exporter has and has not answered for. */
  private sending = 0;
  private idle: (() => void) | undefined;
  private hungry: (() => void)[] = [];
  private complainedAt = Number.NEGATIVE_INFINITY;

  constructor(exporter: SpanExporter, settings: OtlpSettings, resource: Resource, version: string, warn: Warn) {
    this.maxQueue = settings.maxQueue;
    this.resource = resource;
    this.scope = { name: "summit-maestro", version };
    this.warn = warn;
    this.processor = new BatchSpanProcessor({
      exporter: this.counting(exporter),
      maxQueueSize: settings.maxQueue,
      maxExportBatchSize: settings.maxBatch,
      scheduledDelayMillis: settings.delayMs,
      exportTimeoutMillis: settings.timeoutMs,
    });
  }

  offer(span: Span): void {
    // The processor would drop it as well, and tell nobody.
    if (this.waiting >= this.maxQueue) {
      this.counts.dropped += 1;
      return;
    }
    this.waiting += 1;
    this.processor.onEnd(this.readable(span));
  }

  async room(): Promise<void> {
    if (this.waiting < this.maxQueue / 2) return;
    await new Promise<void>((resolve) => {
      this.hungry.push(resolve);
      setTimeout(resolve, LOOK_AGAIN_MS).unref();
    });
  }

  async close(ms: number): Promise<void> {
    const over = Promise.withResolvers<void>();
    const timer = setTimeout(over.resolve, ms);
    this.idle = over.resolve;
    // It gives up when the first batch fails; the others are under way and get their time as well.
    const ended = this.processor.shutdown().catch((error: unknown) => this.complain(0, error));
    await Promise.race([ended, over.promise]);
    if (this.sending + this.waiting > 0) await over.promise;
    clearTimeout(timer);
  }

  private counting(exporter: SpanExporter): SpanExporter {
    return {
      export: (spans, done) => {
        this.waiting -= spans.length;
        this.sending += spans.length;
        for (const wake of this.hungry.splice(0)) wake();
        exporter.export(spans, (result) => {
          if (result.error === undefined) this.counts.exported += spans.length;
          else {
            this.counts.failed += spans.length;
            this.complain(spans.length, result.error);
          }
          this.sending -= spans.length;
          if (this.sending + this.waiting === 0) this.idle?.();
          done(result);
        });
      },
      shutdown: () => exporter.shutdown(),
    };
  }

  private complain(spans: number, error: unknown): void {
    const now = performance.now();
    if (now - this.complainedAt < COMPLAIN_EVERY_MS) return;
    this.complainedAt = now;
    this.warn("spans could not be exported; runs are not affected", { spans, error: messageOf(error) });
  }

  private readable(span: Span): ReadableSpan {
    const { traceId, parentSpanId } = span;
    const startTime = timeOf(span.startAt);
    const endTime = timeOf(span.endAt);
    return {
      name: span.name,
      kind: span.kind === "server" ? SpanKind.SERVER : SpanKind.INTERNAL,
      spanContext: () => ({ traceId, spanId: span.spanId, traceFlags: TraceFlags.SAMPLED }),
      ...(parentSpanId === undefined
        ? {}
        : { parentSpanContext: { traceId, spanId: parentSpanId, traceFlags: TraceFlags.SAMPLED } }),
      startTime,
      endTime,
      duration: timeOf(span.endAt - span.startAt),
      status:
        span.failure === undefined
          ? { code: SpanStatusCode.UNSET }
          : { code: SpanStatusCode.ERROR, message: span.failure },
      attributes: span.attributes,
      links: span.links.map(linkOf),
      events: [],
      ended: true,
      resource: this.resource,
      instrumentationScope: this.scope,
      droppedAttributesCount: 0,
      droppedEventsCount: 0,
      droppedLinksCount: 0,
    };
  }
}

function timeOf(ms: number): HrTime {
  const seconds = Math.floor(ms / 1000);
  return [seconds, Math.round((ms - seconds * 1000) * 1e6)];
}

function linkOf({ context, relation }: SpanLink): Link {
  const { traceId, spanId, sampled } = context;
  return {
    context: { traceId, spanId, traceFlags: sampled ? TraceFlags.SAMPLED : TraceFlags.NONE },
    attributes: { "maestro.link": relation },
  };
}

/** Ours first, so that whoever operates it can say it better by OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES. */
function resourceOf({ version, installation }: Speaker): Resource {
  return resourceFromAttributes({
    "service.name": "summit-maestro",
    "service.version": version,
    "service.instance.id": installation,
    "host.name": hostname(),
  }).merge(detectResources({ detectors: [resourceAttributesEnvDetector, serviceNameEnvDetector] }));
}

/** By trace and parent alone, so that each engine and each child run comes to the same answer. */
function sampling({ sampler: { root, ratio, byParent } }: OtlpSettings): TracerParts["sampled"] {
  const delegate: Sampler =
    root === "on"
      ? new AlwaysOnSampler()
      : root === "off"
        ? new AlwaysOffSampler()
        : new TraceIdRatioBasedSampler(ratio);
  const sampler = byParent ? new ParentBasedSampler({ root: delegate }) : delegate;
  return (created) => {
    const parent = parentOf(created);
    const context = parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, remote(parent));
    const result = sampler.shouldSample(context, traceIdOf(created), "RUN", SpanKind.SERVER, {}, []);
    return result.decision === SamplingDecision.RECORD_AND_SAMPLED;
  };
}

function remote({ traceId, spanId, sampled }: { traceId: string; spanId: string; sampled: boolean }): SpanContext {
  return { traceId, spanId, traceFlags: sampled ? TraceFlags.SAMPLED : TraceFlags.NONE, isRemote: true };
}
