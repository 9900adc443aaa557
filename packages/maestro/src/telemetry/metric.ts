import type { Histogram } from "../engine/histogram.ts";

/** One metric: what the reference prints, and how a scrape reads it. */
export interface Metric<Source> {
  /** With its unit at the end, as Prometheus wants it. */
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  /** One sentence. */
  readonly help: string;
  readonly labels: readonly string[];
  read(source: Source): Iterable<Sample>;
}

export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  readonly labels?: Labels;
  readonly value: number | Histogram;
}

/** A metric without labels. */
export function one<Source>(
  metric: Omit<Metric<Source>, "labels" | "read"> & {
    readonly value: (source: Source) => number | Histogram | undefined;
  },
): Metric<Source> {
  const { value, ...rest } = metric;
  return {
    ...rest,
    labels: [],
    read: (source) => {
      const read = value(source);
      return read === undefined ? [] : [{ value: read }];
    },
  };
}

/** A metric with one label whose values are the keys of a record. */
export function each<Source>(
  label: string,
  metric: Omit<Metric<Source>, "labels" | "read"> & {
    readonly values: (source: Source) => Readonly<Record<string, number>>;
  },
): Metric<Source> {
  const { values, ...rest } = metric;
  return {
    ...rest,
    labels: [label],
    read: (source) => Object.entries(values(source)).map(([key, value]) => ({ labels: { [label]: key }, value })),
  };
}
