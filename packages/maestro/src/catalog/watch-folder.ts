import { watch } from "node:fs";
import type { FSWatcher } from "node:fs";
import type { Folder, FolderOptions } from "./folder.ts";
import { openFolder } from "./folder.ts";
import type { FolderWorkflows } from "./folder-workflows.ts";

export interface WatchOptions extends FolderOptions {
  readonly now: () => number;
  /** A look failed for a reason that is not the folder's; the next one may succeed. */
  readonly failed: (error: unknown) => void;
}

/** Between two looks, however many signs come. */
const MIN_GAP_MS = 50;

/**
 * Keeps a folder's workflows up to date: signs of the file system make it look at once, and it looks every two seconds
 * without any, so that a lost sign costs time and nothing else.
 */
export class FolderWatch {
  readonly #folder: Folder;
  readonly #options: WatchOptions;
  readonly #watchers = new Map<string, FSWatcher>();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #again = false;
  #closed = false;

  private constructor(options: WatchOptions) {
    this.#options = options;
    this.#folder = openFolder(options);
  }

  /** Resolves when what lies in the folder now is taken in. */
  static async open(options: WatchOptions): Promise<FolderWatch> {
    const one = new FolderWatch(options);
    await one.#look();
    return one;
  }

  get view(): FolderWorkflows {
    return this.#folder.view;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
    await this.#looking;
  }

  #look(): Promise<void> {
    this.#looking ??= this.#lookOnce().finally(() => {
      this.#looking = undefined;
      this.#schedule();
    });
    return this.#looking;
  }

  async #lookOnce(): Promise<void> {
    this.#again = false;
    try {
      await this.#folder.tick(this.#options.now());
    } catch (error) {
      this.#options.failed(error);
    }
    this.#listen();
  }

  #schedule(): void {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    const wait = this.#again ? 0 : this.#folder.nextAt() - this.#options.now();
    this.#timer = setTimeout(() => void this.#look(), Math.max(MIN_GAP_MS, wait)).unref();
  }

  /** To the folders that there are now. Where that is refused (too many, no such call) the looks have to do. */
  #listen(): void {
    if (this.#closed) return;
    const wanted = new Set(this.#folder.folders);
    for (const [path, watcher] of this.#watchers) {
      if (wanted.has(path)) continue;
      watcher.close();
      this.#watchers.delete(path);
    }
    for (const path of wanted) {
      if (this.#watchers.has(path)) continue;
      try {
        const watcher = watch(path, { persistent: false }, () => this.#sign());
        watcher.on("error", () => this.#drop(path, watcher));
        this.#watchers.set(path, watcher);
      } catch {
        // Gone in this moment, or no watches left on this machine (ENOSPC, EMFILE): the looks find what changes.
        return;
      }
    }
  }

  #drop(path: string, watcher: FSWatcher): void {
    watcher.close();
    // The folder may be another one by now, at the same path.
    if (this.#watchers.get(path) === watcher) this.#watchers.delete(path);
  }

  #sign(): void {
    this.#again = true;
    if (this.#looking === undefined) this.#schedule();
  }
}
