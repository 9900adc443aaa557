/**
 * A binary heap of due times. Entries are never removed early: whoever pops one checks that it still means something,
 * which keeps scheduling and cancelling O(log n) and O(1).
 */
export class Timers<T> {
  private readonly heap: { readonly at: number; readonly value: T }[] = [];

  push(at: number, value: T): void {
    const heap = this.heap;
    let i = heap.length;
    const entry = { at, value };
    while (i > 0) {
      const up = (i - 1) >> 1;
      const parent = heap[up]!;
      if (parent.at <= at) break;
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

  clear(): void {
    this.heap.length = 0;
  }

  private sink(entry: { readonly at: number; readonly value: T }): void {
    const heap = this.heap;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]!.at < heap[child]!.at) child++;
      if (heap[child]!.at >= entry.at) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = entry;
  }
}
