/** How often a value lay at or below each bound. Plain numbers: adding one allocates nothing. */
export class Histogram {
  /** Ascending; above the last one counts as `+Inf`. */
  readonly bounds: readonly number[];
  /** One more than bounds. */
  readonly counts: number[];
  sum = 0;
  count = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  add(value: number): void {
    let i = 0;
    while (i < this.bounds.length && value > this.bounds[i]!) i++;
    this.counts[i]! += 1;
    this.sum += value;
    this.count += 1;
  }

  /** The bound below which that share of the values lies; undefined without values, infinity above the last bound. */
  quantile(share: number): number | undefined {
    if (this.count === 0) return undefined;
    let left = Math.max(1, Math.ceil(share * this.count));
    for (const [i, count] of this.counts.entries()) {
      left -= count;
      if (left <= 0) return this.bounds[i] ?? Number.POSITIVE_INFINITY;
    }
    return Number.POSITIVE_INFINITY;
  }
}
