import { setImmediate as turnOfTheLoop } from "node:timers/promises";
import { applyEvent, createRun } from "../core/apply.ts";
import type { RunCreated, RunEvent } from "../core/event.ts";
import { messageOf } from "../core/problem.ts";
import type { Run } from "../core/run.ts";
import { isTerminal } from "../core/run.ts";
import { decodeEvent } from "../engine/codec.ts";
import type { LiveRun } from "../engine/live.ts";
import type { BlobStore } from "../store/blobs.ts";
import type { Store } from "../store/store.ts";
import { RunSpans } from "./run-spans.ts";
import type { ExportCounts, Span } from "./spans.ts";

/** Where spans go. Takes them at once or drops them; never throws. */
export interface SpanSink {
  readonly counts: ExportCounts;
  offer(span: Span): void;
  /** Resolves when it would not drop what comes next, or soon in any case. */
  room(): Promise<void>;
  /** Sends what waits, for as long as that may take. */
  close(ms: number): Promise<void>;
}

export interface TracerParts {
  readonly sink: SpanSink;
  readonly store: Pick<Store, "runEvents">;
  readonly blobs: BlobStore;
  /** Whether a run's trace is kept; the same for each of its events, and for its children. */
  readonly sampled: (created: Pick<RunCreated, "run" | "origin">) => boolean;
  readonly log: (message: string, fields: Readonly<Record<string, string | number>>) => void;
}

/** A run that is to be read, and the last event of it that was told of. */
interface Behind {
  live: LiveRun;
  seq: number;
}

/** Runs whose open spans are remembered; one that is not is read again from its history. */
const MAX_RUNS = 50_000;
/** Runs that wait for that; more than these have no spans before their next event. */
const MAX_WAITING = 10_000;
const PAGE = 500;

/**
 * Follows every run that is traced. What it has not seen from the beginning, because another engine carried it so far, it
 * reads from the history, and tells again what lies there since the run was last opened: the ids are the same, so that a
 * receiver which has a span already has it still.
 */
export class Tracer {
  private readonly parts: TracerParts;
  private readonly followed = new Map<string, RunSpans>();
  private readonly behind = new Map<string, Behind>();
  private reading: Promise<void> | undefined;
  private closed = false;

  constructor(parts: TracerParts) {
    this.parts = parts;
  }

  get counts(): ExportCounts {
    return this.parts.sink.counts;
  }

  traces(created: Pick<RunCreated, "run" | "origin">): boolean {
    return this.parts.sampled(created);
  }

  /** After each commit. Must not throw: a trace is never worth a run. */
  observe(live: LiveRun, events: readonly RunEvent[]): void {
    try {
      if (!this.closed && this.traces(live.run.created)) this.follow(live, events);
    } catch (error) {
      this.followed.delete(live.run.id);
      this.parts.log("a run's spans could not be made", { run: live.run.id, error: messageOf(error) });
    }
  }

  /** When no history is being read. */
  async settled(): Promise<void> {
    while (this.reading !== undefined) await this.reading;
  }

  /** Spans that are waiting get `ms`; then the process may end. */
  async close(ms: number): Promise<void> {
    this.closed = true;
    this.behind.clear();
    await this.parts.sink.close(ms);
    await this.reading;
  }

  private follow(live: LiveRun, events: readonly RunEvent[]): void {
    const { id } = live.run;
    const first = events[0]!.seq;
    let spans = this.followed.get(id);
    if (spans === undefined && first === 1) {
      spans = new RunSpans();
      this.remember(id, spans);
    }
    if (spans === undefined || spans.seq < first - 1) return this.catchUp(live, events.at(-1)!.seq);
    for (const span of spans.take(live, events)) this.parts.sink.offer(span);
    if (isTerminal(live.run.status)) this.followed.delete(id);
  }

  private remember(id: string, spans: RunSpans): void {
    if (this.followed.size >= MAX_RUNS) this.followed.delete(this.followed.keys().next().value!);
    this.followed.set(id, spans);
  }

  private catchUp(live: LiveRun, seq: number): void {
    const { id } = live.run;
    const known = this.behind.get(id);
    if (known !== undefined) {
      known.live = live;
      known.seq = seq;
      return;
    }
    if (this.behind.size >= MAX_WAITING) return;
    this.behind.set(id, { live, seq });
    this.reading ??= this.readAll().finally(() => (this.reading = undefined));
  }

  private async readAll(): Promise<void> {
    for (let next = this.behind.entries().next().value; next !== undefined; next = this.behind.entries().next().value) {
      const [id, behind] = next;
      try {
        await this.read(id, behind);
      } catch (error) {
        this.parts.log("a run's spans could not be made from its history", { run: id, error: messageOf(error) });
      }
      this.behind.delete(id);
    }
  }

  /** Until it has all that this engine was told of meanwhile. */
  private async read(id: string, behind: Behind): Promise<void> {
    const { program } = behind.live;
    const spans = new RunSpans();
    let run: Run | undefined;
    for (;;) {
      const wanted = behind.seq;
      const page = await this.parts.store.runEvents(id, { afterSeq: spans.seq, limit: PAGE });
      if (page.length === 0) {
        if (spans.seq >= behind.seq) break;
        // An answer from before the last commit is no end.
        if (wanted === behind.seq)
          throw new Error(`its history ends at event ${spans.seq}, and ${wanted} was committed`);
        continue;
      }
      for (const { text } of page) {
        const decoded = decodeEvent(text, this.parts.blobs);
        const event = decoded instanceof Promise ? await decoded : decoded;
        if (event.kind === "run_created") run = createRun(program, event);
        else applyEvent(program, run!, event);
        // Those of earlier openings were told by whoever carried those.
        const told = spans.take({ run: run!, program }, [event]);
        if (run!.reopened === behind.live.run.reopened) for (const span of told) this.parts.sink.offer(span);
      }
      await this.parts.sink.room();
      await turnOfTheLoop();
      if (this.closed) return;
    }
    if (run !== undefined && !isTerminal(run.status)) this.remember(id, spans);
  }
}
