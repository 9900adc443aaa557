import type { RunEvent } from "../core/event.ts";
import type { RunView } from "../engine/engine.ts";
import type { Cli } from "./cli.ts";
import type { Client } from "./client.ts";
import { followRun } from "./follow.ts";
import type { FollowOptions } from "./follow-options.ts";
import { duration, shortId } from "./format.ts";
import { Interrupts } from "./interrupts.ts";
import { asError } from "./error.ts";
import { PlainLines } from "./plain.ts";
import { LiveRegion } from "./terminal/live.ts";
import type { Terminal } from "./terminal/terminal.ts";
import { plainTree, treeLines } from "./tree.ts";

/** How watching came to its end; the run itself may go on. */
export type Ending =
  | { readonly kind: "ended"; readonly view: RunView; readonly interrupted: number | undefined }
  | { readonly kind: "detached"; readonly code: number }
  | { readonly kind: "timeout" }
  | { readonly kind: "approval"; readonly view: RunView };

/** Shows a run until it ends, or until there is a reason to leave it. */
export async function watchRun(cli: Cli, client: Client, run: string, options: FollowOptions): Promise<Ending> {
  const stop = new AbortController();
  let left: Ending | undefined;
  const leave = (ending: Ending): void => {
    left ??= ending;
    stop.abort();
  };
  const interrupts = new Interrupts(() => {
    if (!options.cancelOnInterrupt) return leave({ kind: "detached", code: interrupts.code ?? 130 });
    cli.terminal.say(`cancelling ${shortId(run)}; Ctrl-C again quits`);
    cancel(client, run).then(undefined, (error: unknown) => broken.reject(error));
  });
  const broken = Promise.withResolvers<never>();
  const timer =
    options.timeoutMs === undefined ? undefined : setTimeout(() => leave({ kind: "timeout" }), options.timeoutMs);
  const show = options.quiet
    ? new Quiet()
    : cli.terminal.canRedraw
      ? new LiveShow(cli.terminal)
      : new PlainShow(cli.terminal, run);
  const refresher = new Refresher(client, run, show.wantsViews || options.stopAtApproval, (view) => {
    show.view(view);
    if (options.stopAtApproval && view.run.waiting === "approval" && view.run.endedAt === null)
      leave({ kind: "approval", view });
  });
  // What is shown of a wait ("expires in 5m") changes without an event.
  const renew = show.wantsViews ? setInterval(() => refresher.touch(), RENEW_MS) : undefined;
  try {
    await Promise.race([broken.promise, follow(client, run, stop.signal, show, refresher)]);
    await refresher.settled();
    // Read once more: a signal that came with the last event must not hide that the run has ended.
    if (left !== undefined) return left;
    return { kind: "ended", view: await client.get<RunView>(`/v1/runs/${run}`), interrupted: interrupts.code };
  } finally {
    clearTimeout(timer);
    clearInterval(renew);
    refresher.stop();
    show.end();
    // After an interrupt the handlers stay: a second one ends a hand-over that takes too long.
    if (interrupts.code === undefined) interrupts.stop();
  }
}

async function follow(
  client: Client,
  run: string,
  signal: AbortSignal,
  show: Show,
  refresher: Refresher,
): Promise<void> {
  refresher.touch();
  for await (const event of followRun(client, run, 0, { signal, lost: () => show.lost(client.isRemote) })) {
    show.event(event);
    refresher.touch();
  }
}

async function cancel(client: Client, run: string): Promise<void> {
  await client.send("PATCH", `/v1/runs/${run}`, { action: "cancel", reason: "interrupted in the terminal" });
}

/** Fetches the run after events, at most five times a second, one request at a time. */
class Refresher {
  readonly #fetch: () => Promise<RunView>;
  readonly #wanted: boolean;
  readonly #show: (view: RunView) => void;
  #running: Promise<void> | undefined;
  #dirty = false;
  #stopped = false;
  #failure: Error | undefined;

  constructor(client: Client, run: string, wanted: boolean, show: (view: RunView) => void) {
    this.#fetch = () => client.get<RunView>(`/v1/runs/${run}`);
    this.#wanted = wanted;
    this.#show = show;
  }

  touch(): void {
    this.#dirty = true;
    if (this.#wanted && !this.#stopped) this.#running ??= this.#loop();
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Resolves when no fetch is under way; rejects if the last one failed for a reason other than a lost connection. */
  async settled(): Promise<void> {
    this.#stopped = true;
    await this.#running;
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #loop(): Promise<void> {
    while (this.#dirty && !this.#stopped) {
      this.#dirty = false;
      try {
        this.#show(await this.#fetch());
        this.#failure = undefined;
      } catch (error) {
        // A lost connection is dealt with by whoever follows the events; the next view comes after that.
        this.#failure = isLost(error) ? undefined : asError(error);
      }
      if (!this.#stopped) await new Promise((resolve) => setTimeout(resolve, REFRESH_MS).unref());
    }
    this.#running = undefined;
  }
}

const REFRESH_MS = 200;
const RENEW_MS = 10_000;

function isLost(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "server_unreachable";
}

interface Show {
  readonly wantsViews: boolean;
  event(event: RunEvent): void;
  view(view: RunView): void;
  /** The process that served us has gone. */
  lost(remote: boolean): void;
  end(): void;
}

class Quiet implements Show {
  readonly wantsViews = false;
  event(): void {}
  view(): void {}
  lost(): void {}
  end(): void {}
}

/** The tree, drawn again in place; gone when it ends, so that a summary can stand there. */
class LiveShow implements Show {
  readonly wantsViews = true;
  readonly #terminal: Terminal;
  readonly #region: LiveRegion;
  readonly #clock: NodeJS.Timeout;
  readonly #stopResize: () => void;
  #view: RunView | undefined;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    this.#region = new LiveRegion(terminal);
    this.#clock = setInterval(() => this.#draw(), 1000);
    this.#stopResize = terminal.onResize(() => this.#draw());
  }

  event(): void {}

  view(view: RunView): void {
    this.#view = view;
    this.#draw();
  }

  lost(remote: boolean): void {
    this.#terminal.say(lostText(remote));
  }

  end(): void {
    clearInterval(this.#clock);
    this.#stopResize();
    this.#region.close();
  }

  #draw(): void {
    if (this.#view === undefined) return;
    // One column stays free: a full line makes some terminals wrap.
    const options = {
      width: Math.max(20, this.#terminal.width() - 1),
      height: MAX_LINES,
      now: Date.now(),
      style: this.#terminal.err,
    };
    this.#region.draw(treeLines(this.#view, options), plainTree(this.#view, options));
  }
}

const MAX_LINES = 12;

/** One line per transition and a sign of life, for logs and CI. */
class PlainShow implements Show {
  readonly wantsViews = false;
  readonly #terminal: Terminal;
  readonly #lines: PlainLines;
  readonly #github: boolean;
  readonly #run: string;
  readonly #startedAt = Date.now();
  #heartbeat: NodeJS.Timeout;
  #grouped = false;

  constructor(terminal: Terminal, run: string) {
    this.#terminal = terminal;
    this.#lines = new PlainLines(run);
    this.#run = shortId(run);
    this.#github = terminal.env["GITHUB_ACTIONS"] === "true";
    this.#heartbeat = this.#beat();
  }

  event(event: RunEvent): void {
    const line = this.#lines.line(event);
    if (line === undefined) return;
    if (this.#github && !this.#grouped) {
      this.#grouped = true;
      this.#terminal.say(`::group::maestro run ${this.#run}`);
    }
    // The outcome stands outside of the fold.
    if (event.kind === "run_ended") this.#endGroup();
    this.#terminal.say(line);
    clearInterval(this.#heartbeat);
    this.#heartbeat = this.#beat();
  }

  view(): void {}

  lost(remote: boolean): void {
    this.#terminal.say(`${this.#run} ${lostText(remote)}`);
  }

  end(): void {
    this.#endGroup();
    clearInterval(this.#heartbeat);
  }

  #endGroup(): void {
    if (this.#grouped) this.#terminal.say("::endgroup::");
    this.#grouped = false;
  }

  #beat(): NodeJS.Timeout {
    return setInterval(
      () => this.#terminal.say(`${this.#run} still running after ${duration(Date.now() - this.#startedAt)}`),
      HEARTBEAT_MS,
    );
  }
}

function lostText(remote: boolean): string {
  return remote
    ? "the connection to the control plane is lost; trying again"
    : "the process that ran the engine has ended; carrying on here";
}

const HEARTBEAT_MS = 30_000;
