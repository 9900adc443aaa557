/**
 * A binary heap of due times. Entries are never removed early: whoever pops one checks that it still means something,
 * which keeps scheduling and cancelling O(log n) and O(1). Equal times come out by `rank`, so the order does not depend on
 * what was put in when.
 */
export class Timers<T> {
  private readonly heap: Entry<T>[] = [];

  push(at: number, value: T, rank = 0): void {
    const heap = this.heap;
    let i = heap.length;
    const entry = { at, rank, value };
    while (i > 0) {
      const up = (i - 1) >> 1;
      const parent = heap[up]!;
      if (!precedes(entry, parent)) break;
      heap[i] = parent;
      i = up;
    }
    heap[i] = entry;
  }

  /** The earliest entry if it is due at `now`, taken out. */
  popDue(now: number): T | undefined {
    const heap = this.heap;
    const first = heap[0];
    if (first === undefined || first.at > now) return undefined;
    const last = heap.pop()!;
    if (heap.length > 0) this.sink(last);
    return first.value;
  }

  /** The earliest due time, after dropping from the top what `isLive` says is void. */
  nextAt(isLive: (value: T, at: number) => boolean): number | undefined {
    for (;;) {
      const first = this.heap[0];
      if (first === undefined) return undefined;
      if (isLive(first.value, first.at)) return first.at;
      this.popDue(first.at);
    }
  }

  get size(): number {
    return this.heap.length;
  }

  /** Drops everything that means nothing any more, for an owner whose void entries outnumber the others. */
  prune(isLive: (value: T) => boolean): void {
    const kept = this.heap.filter((entry) => isLive(entry.value));
    this.heap.length = 0;
    for (const { at, rank, value } of kept) this.push(at, value, rank);
  }

  clear(): void {
    this.heap.length = 0;
  }

  private sink(entry: Entry<T>): void {
    const heap = this.heap;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && precedes(heap[child + 1]!, heap[child]!)) child++;
      if (!precedes(heap[child]!, entry)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = entry;
  }
}

interface Entry<T> {
  readonly at: number;
  readonly rank: number;
  readonly value: T;
}

function precedes(a: Entry<unknown>, b: Entry<unknown>): boolean {
  return a.at < b.at || (a.at === b.at && a.rank < b.rank);
}
