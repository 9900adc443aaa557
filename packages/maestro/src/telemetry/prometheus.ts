import { Gauge, Registry } from "prom-client";
import type { MetricType } from "prom-client";
import type { Histogram } from "../engine/histogram.ts";
import type { Labels, Metric, Sample } from "./metric.ts";

export interface Exposition {
  /** With its version, as scrapers want to know it. */
  readonly contentType: string;
  readonly text: string;
}

/**
 * The metrics in Prometheus' text format. The registry is our own, so that nothing else in the process shows up in it or
 * clashes with it, and it counts nothing: every number is read from what `take` gives when it is asked for.
 */
export function exposition<Source>(
  metrics: readonly Metric<Source>[],
  take: () => Promise<Source>,
): () => Promise<Exposition> {
  const registry = new Registry();
  let source: Source | undefined;
  for (const metric of metrics)
    void new ReadMetric(metric, registry, () => (source === undefined ? [] : metric.read(source)));
  let running: Promise<Exposition> | undefined;
  const scrape = async (): Promise<Exposition> => {
    try {
      source = await take();
      return { contentType: registry.contentType, text: await registry.metrics() };
    } finally {
      running = undefined;
    }
  };
  // Scrapes at the same time share one answer: they would only read the same numbers.
  return () => (running ??= scrape());
}

type Metadata = Pick<Metric<never>, "name" | "type" | "help" | "labels">;
type Line = { readonly metricName: string; readonly labels: Labels; readonly value: number };

/** Any metric whose values were counted elsewhere; prom-client checks its names, escapes and writes it. */
class ReadMetric extends Gauge {
  readonly #metadata: Metadata;
  readonly #read: () => Iterable<Sample>;

  constructor(metadata: Metadata, registry: Registry, read: () => Iterable<Sample>) {
    const { name, help, labels } = metadata;
    super({ name, help, labelNames: [...labels], registers: [registry] });
    this.#metadata = metadata;
    this.#read = read;
  }

  override async get(): ReturnType<Gauge["get"]> {
    const { name, type } = this.#metadata;
    const base = await super.get();
    const lines = Array.from(this.#read(), (sample) => linesOf(name, sample)).flat();
    // An enumeration by its declaration, and a word by what it does.
    return { ...base, type: type as unknown as MetricType, values: lines };
  }
}

function linesOf(name: string, { labels = {}, value }: Sample): readonly Line[] {
  return typeof value === "number" ? [{ metricName: name, labels, value }] : histogramLines(name, labels, value);
}

function histogramLines(name: string, labels: Labels, { bounds, counts, sum, count }: Histogram): readonly Line[] {
  let below = 0;
  const line = (suffix: string, value: number, more: Labels = {}): Line => ({
    metricName: `${name}_${suffix}`,
    labels: { ...more, ...labels },
    value,
  });
  const buckets = bounds.map((bound, i) => {
    below += counts[i]!;
    return line("bucket", below, { le: String(bound) });
  });
  return [...buckets, line("bucket", count, { le: "+Inf" }), line("sum", sum), line("count", count)];
}
