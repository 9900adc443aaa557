import { Worker } from "node:worker_threads";
import { MaestroError, messageOf } from "../core/problem.ts";
import { threadEnv } from "../thread-env.ts";
import type { Refusal } from "./refusal.ts";
import { revive } from "./refusal.ts";

/** What a thread is asked; its answer names it. */
export interface Order<Question> {
  readonly id: number;
  readonly question: Question;
}

export type Answer<Result> =
  | { readonly id: number; readonly result: Result; readonly refusal?: undefined }
  | { readonly id: number; readonly refusal: Refusal };

export interface ThreadOptions {
  /** The database file, which the thread opens for itself. */
  readonly path: string;
  readonly script: URL;
  /** For whoever looks at the threads of a process. */
  readonly name: string;
  /** Nothing was asked for so long: the thread's memory goes back. */
  readonly restMs: number;
  /** For the problem where it was lost: `writes`, `lists the runs of`. */
  readonly does: string;
}

interface Waiting<Result> {
  resolve(result: Result): void;
  reject(error: unknown): void;
}

/** A second connection to the database in a thread of its own, there while it is needed: whoever starts it may do so again. */
export class StoreThread<Question, Result> {
  readonly #options: ThreadOptions;
  #worker: Worker | undefined;
  #isReady = false;
  #ids = 0;
  #starting: Promise<void> | undefined;
  #ended: Promise<void> = Promise.resolve();
  /** Of the present thread. */
  #waiting = new Map<number, Waiting<Result>>();
  #rest: NodeJS.Timeout | undefined;

  constructor(options: ThreadOptions) {
    this.#options = options;
  }

  /** Whether it can be asked now. */
  get isReady(): boolean {
    return this.#isReady;
  }

  get isStarted(): boolean {
    return this.#worker !== undefined;
  }

  /** Whether something was asked and not yet answered. */
  get isBusy(): boolean {
    return this.#waiting.size > 0;
  }

  /** Resolves when it is ready, or did not come up. */
  async start(): Promise<void> {
    this.#starting ??= new Promise((started) => {
      const { path, script, name } = this.#options;
      const worker = new Worker(script, { workerData: path, name, env: threadEnv() });
      const waiting = new Map<number, Waiting<Result>>();
      this.#worker = worker;
      this.#waiting = waiting;
      this.#ended = new Promise((ended) => worker.once("exit", () => ended()));
      worker.once("message", () => {
        this.#ready(worker, waiting);
        started();
      });
      worker.once("error", (error) => this.#lost(worker, waiting, error));
      worker.once("exit", () => {
        this.#lost(worker, waiting, undefined);
        started();
      });
      // It keeps the process until it is ready: somebody may wait for that.
    });
    await this.#starting;
  }

  /** Rejects with what the thread refused it for, `storage_failed` where it was lost meanwhile. */
  async ask(question: Question): Promise<Result> {
    const worker = this.#worker;
    if (worker === undefined) throw new TypeError("the thread is not ready");
    clearTimeout(this.#rest);
    worker.ref();
    const id = (this.#ids += 1);
    return new Promise<Result>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      worker.postMessage({ id, question } satisfies Order<Question>);
    });
  }

  /** After what it was asked. */
  async close(): Promise<void> {
    this.#retire();
    await this.#ended;
  }

  #ready(worker: Worker, waiting: Map<number, Waiting<Result>>): void {
    if (worker !== this.#worker) return;
    this.#isReady = true;
    worker.on("message", (answer: Answer<Result>) => {
      const asked = waiting.get(answer.id);
      waiting.delete(answer.id);
      if (waiting.size === 0 && worker === this.#worker) this.#restLater(worker);
      if (answer.refusal === undefined) asked?.resolve(answer.result);
      else asked?.reject(revive(answer.refusal));
    });
    this.#restLater(worker);
  }

  #restLater(worker: Worker): void {
    worker.unref();
    clearTimeout(this.#rest);
    this.#rest = setTimeout(() => this.#retire(), this.#options.restMs).unref();
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

  /** It died: what it had been asked may or may not have been done. */
  #lost(worker: Worker, waiting: Map<number, Waiting<Result>>, error: unknown): void {
    if (worker === this.#worker) this.#forget();
    if (waiting.size === 0) return;
    const { path, does } = this.#options;
    const why = error === undefined ? "it ended" : messageOf(error);
    const lost = new MaestroError("storage_failed", `The thread that ${does} ${path} was lost: ${why}.`, {
      cause: error,
      facts: { path },
    });
    for (const asked of waiting.values()) asked.reject(lost);
    waiting.clear();
  }
}
