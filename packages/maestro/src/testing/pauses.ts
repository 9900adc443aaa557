import type { AttemptRequest } from "../runner/attempt.ts";

interface Pause {
  readonly dueAt: number;
  readonly silent: boolean;
  readonly beat: (() => void) | undefined;
  readonly go: () => void;
}

/** Attempts that wait for the world's time to pass. A call-off ends a pause at once, as it ends real work. */
export class Pauses {
  readonly #pauses = new Set<Pause>();
  /** Called with -1 when an attempt pauses and with 1 when it goes on. */
  readonly #count: (change: 1 | -1) => void;

  constructor(count: (change: 1 | -1) => void) {
    this.#count = count;
  }

  /** Resolves at that time; rejects with the reason when the attempt is called off. */
  async wait(request: AttemptRequest, dueAt: number, { silent }: { readonly silent: boolean }): Promise<void> {
    const over = Promise.withResolvers<void>();
    const { signal } = request;
    const pause: Pause = { dueAt, silent, beat: () => request.beat?.(), go: () => this.#end(pause, over.resolve) };
    const stop = (): void => this.#end(pause, () => over.reject(signal.reason as Error));
    this.#pauses.add(pause);
    this.#count(-1);
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    try {
      await over.promise;
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  nextAt(): number | undefined {
    let next: number | undefined;
    for (const { dueAt } of this.#pauses)
      if (Number.isFinite(dueAt) && (next === undefined || dueAt < next)) next = dueAt;
    return next;
  }

  /** Whoever works shows it, and who is done goes on, the earliest first. */
  reach(now: number): void {
    const due: Pause[] = [];
    for (const pause of this.#pauses) {
      if (!pause.silent) pause.beat?.();
      if (pause.dueAt <= now) due.push(pause);
    }
    for (const pause of due.sort((a, b) => a.dueAt - b.dueAt)) pause.go();
  }

  #end(pause: Pause, settle: () => void): void {
    if (!this.#pauses.delete(pause)) return;
    this.#count(1);
    settle();
  }
}
