import { Worker } from "node:worker_threads";
import { MaestroError, messageOf } from "../core/problem.ts";
import type { Refusal } from "./refusal.ts";
import { revive } from "./refusal.ts";
import type { Commit } from "./store.ts";

interface Waiting {
  resolve(): void;
  reject(error: unknown): void;
}

/** A burst is over when nothing was written for so long; the thread's memory goes back. */
const REST_MS = 1_000;

/**
 * A second connection in a thread of its own, for large batches: while it writes and syncs, the engine decides the next
 * turn. It is there while it is needed: the first large batch starts it, and a rest ends it.
 */
export class WriteThread {
  readonly #path: string;
  #worker: Worker | undefined;
  #isReady = false;
  #starting: Promise<void> | undefined;
  #ended: Promise<void> = Promise.resolve();
  readonly #waiting: Waiting[] = [];
  #rest: NodeJS.Timeout | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** Whether batches can be handed over now. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** Whether a batch is on its way: whoever writes elsewhere now would overtake it. */
  get isBusy(): boolean {
    return this.#waiting.length > 0;
  }

  /** Resolves when it is ready, or did not come up. */
  async start(): Promise<void> {
    this.#starting ??= new Promise((started) => {
      const worker = new Worker(new URL("./write-worker.ts", import.meta.url), {
        workerData: this.#path,
        name: "maestro-store",
      });
      this.#worker = worker;
      this.#ended = new Promise((ended) => worker.once("exit", () => ended()));
      worker.once("message", () => {
        this.#ready(worker);
        started();
      });
      worker.once("error", (error) => this.#lost(worker, error));
      worker.once("exit", () => {
        this.#lost(worker, undefined);
        started();
      });
      worker.unref();
    });
    await this.#starting;
  }

  /** Resolves when the batch is on disk. Rejects as `Store.commit` does, `storage_failed` where the thread was lost meanwhile. */
  async commit(batch: Commit): Promise<void> {
    const worker = this.#worker;
    if (worker === undefined) throw new TypeError("the thread is not ready");
    clearTimeout(this.#rest);
    worker.ref();
    await new Promise<void>((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      worker.postMessage(batch);
    });
  }

  /** After what it was given. */
  async close(): Promise<void> {
    this.#retire();
    await this.#ended;
  }

  #ready(worker: Worker): void {
    if (worker !== this.#worker) return;
    this.#isReady = true;
    worker.on("message", (answer: Refusal | null) => this.#answered(worker, answer));
    this.#restLater(worker);
  }

  #answered(worker: Worker, answer: Refusal | null): void {
    const waiting = this.#waiting.shift();
    if (this.#waiting.length === 0) this.#restLater(worker);
    if (answer === null) waiting?.resolve();
    else waiting?.reject(revive(answer));
  }

  #restLater(worker: Worker): void {
    worker.unref();
    clearTimeout(this.#rest);
    this.#rest = setTimeout(() => this.#retire(), REST_MS).unref();
  }

  #retire(): void {
    // Kept alive until it has closed the database.
    this.#worker?.ref();
    this.#worker?.postMessage(null);
    this.#forget();
  }

  #forget(): void {
    clearTimeout(this.#rest);
    this.#worker = undefined;
    this.#starting = undefined;
    this.#isReady = false;
  }

  /** It died: what it had been given may or may not be on disk. */
  #lost(worker: Worker, error: unknown): void {
    if (worker !== this.#worker) return;
    this.#forget();
    const why = error === undefined ? "it ended" : messageOf(error);
    const lost = new MaestroError("storage_failed", `The thread that writes ${this.#path} was lost: ${why}.`, {
      cause: error,
      facts: { path: this.#path },
    });
    for (const waiting of this.#waiting.splice(0)) waiting.reject(lost);
  }
}
