import { Worker } from "node:worker_threads";
import { MaestroError, messageOf } from "../core/problem.ts";
import type { Refusal } from "./refusal.ts";
import { revive } from "./refusal.ts";
import type { RunPageText, RunQuery } from "./store.ts";

export interface ListOrder {
  readonly id: number;
  readonly query: RunQuery;
}

export type ListAnswer =
  | { readonly id: number; readonly page: RunPageText; readonly refusal?: undefined }
  | { readonly id: number; readonly refusal: Refusal };

interface Waiting {
  resolve(page: RunPageText): void;
  reject(error: unknown): void;
}

/** A command that lists once or twice is done before a thread is up. */
const LISTS_FIRST = 20;
/** Nobody listed for so long: the thread's memory goes back. */
const REST_MS = 30_000;

/**
 * A second connection in a thread of its own, for pages of lists: reading and writing out fifty runs takes a millisecond, in
 * which an engine decides ten steps. It is there while lists are asked for again and again.
 */
export class ReadThread {
  readonly #path: string;
  #worker: Worker | undefined;
  #isReady = false;
  #lists = 0;
  #ids = 0;
  #ended: Promise<void> = Promise.resolve();
  readonly #waiting = new Map<number, Waiting>();
  #rest: NodeJS.Timeout | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** Whether a page can be asked for now. Until then, and where there is no thread, whoever asks reads it. */
  get isReady(): boolean {
    if (!this.#isReady && this.#worker === undefined && (this.#lists += 1) > LISTS_FIRST) this.#start();
    return this.#isReady;
  }

  /** Rejects as `Store.runList` does, `storage_failed` where the thread was lost meanwhile. */
  async list(query: RunQuery): Promise<RunPageText> {
    const worker = this.#worker;
    if (worker === undefined) throw new TypeError("the thread is not ready");
    clearTimeout(this.#rest);
    worker.ref();
    const id = (this.#ids += 1);
    return new Promise<RunPageText>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      worker.postMessage({ id, query } satisfies ListOrder);
    });
  }

  /** After what it was asked. */
  async close(): Promise<void> {
    this.#retire();
    await this.#ended;
  }

  #start(): void {
    const worker = new Worker(new URL("./read-worker.ts", import.meta.url), {
      workerData: this.#path,
      name: "maestro-lists",
    });
    this.#worker = worker;
    this.#ended = new Promise((ended) => worker.once("exit", () => ended()));
    worker.once("message", () => this.#ready(worker));
    worker.once("error", (error) => this.#lost(worker, error));
    worker.once("exit", () => this.#lost(worker, undefined));
    worker.unref();
  }

  #ready(worker: Worker): void {
    if (worker !== this.#worker) return;
    this.#isReady = true;
    worker.on("message", (answer: ListAnswer) => this.#answered(worker, answer));
    this.#restLater(worker);
  }

  #answered(worker: Worker, answer: ListAnswer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (this.#waiting.size === 0) this.#restLater(worker);
    if (answer.refusal === undefined) waiting?.resolve(answer.page);
    else waiting?.reject(revive(answer.refusal));
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
    this.#isReady = false;
    this.#lists = 0;
  }

  #lost(worker: Worker, error: unknown): void {
    if (worker !== this.#worker) return;
    this.#forget();
    const why = error === undefined ? "it ended" : messageOf(error);
    const lost = new MaestroError(
      "storage_failed",
      `The thread that lists the runs of ${this.#path} was lost: ${why}.`,
      {
        cause: error,
        facts: { path: this.#path },
      },
    );
    for (const waiting of this.#waiting.values()) waiting.reject(lost);
    this.#waiting.clear();
  }
}
