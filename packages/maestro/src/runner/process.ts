import { existsSync, mkdirSync, readdirSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Isolation } from "../core/event.ts";
import { sha256 } from "../core/digest.ts";
import { messageOf } from "../core/problem.ts";
import type { Sandbox } from "../core/plan.ts";
import { TaskFailure } from "../task/task.ts";
import { runChild, type ChildEnd } from "./child.ts";
import { findTools, type Tools } from "./environment.ts";
import { launchOf } from "./launch.ts";
import { withDefaults } from "./limits.ts";
import { isolationFrom, notStrict, PROBE, readProbe, shortcomings, type Findings } from "./measure.ts";
import type { Command, CommandContext, CommandResult, Runner } from "./runner.ts";
import { startResident } from "./resident.ts";
import type { Resident, ResidentCommand } from "./resident.ts";
import { isInside } from "./sandbox.ts";
import { seccompFilter } from "./seccomp.ts";
import { markerOf, readProcess, readProcesses, sendSignal } from "./tree.ts";
import { Watch } from "./watch.ts";

export interface ProcessRunnerOptions {
  /** Absolute. Attempts' folders lie below it, one folder per run: `<workDir>/<run>/<attempt>`. Made if missing, for this user only. */
  readonly workDir: string;
  readonly hostname: string;
  /** Folders no sandbox may see, absolute and free of links: the data directory. `workDir` is hidden in any case. */
  readonly hidden?: readonly string[];
  /** Default: what this machine has installed. */
  readonly tools?: Tools;
}

/** Runs commands as processes of this machine. */
export interface ProcessRunner extends Runner {
  /** Starts a program that stays, without a sandbox; `reap` finds it like any other. Errors: those of `startResident`. */
  resident(command: ResidentCommand): Promise<Resident>;
}

export async function openProcessRunner(options: ProcessRunnerOptions): Promise<ProcessRunner> {
  mkdirSync(options.workDir, { recursive: true, mode: 0o700 });
  return new LocalProcesses(options);
}

const PROBE_MS = 10_000;

/** A way to run commands on this machine, with what a probe found when it ran that way. */
interface Setting {
  readonly backend: Isolation["backend"];
  readonly findings: Findings;
}

class LocalProcesses implements ProcessRunner {
  readonly kind = "process";
  readonly name: string;
  readonly #workDir: string;
  readonly #hidden: readonly string[];
  readonly #tools: Tools;
  readonly #filter = seccompFilter(process.arch);
  readonly #watch = new Watch();
  /** Marks this data directory and this engine in the environment of everything that is started. */
  readonly #scope: string;
  readonly #engine: string;
  #commands = 0;
  readonly #settings = new Map<string, Promise<Setting>>();

  constructor(options: ProcessRunnerOptions) {
    this.name = `process@${options.hostname}`;
    this.#workDir = options.workDir;
    this.#hidden = [...(options.hidden ?? []), options.workDir];
    this.#tools = options.tools ?? findTools();
    this.#scope = sha256(realpathSync(options.workDir)).slice("sha256:".length, "sha256:".length + 16);
    this.#engine = `${process.pid}-${readProcess(process.pid)?.start ?? 0}`;
  }

  async run(command: Command, context: CommandContext): Promise<CommandResult> {
    const setting = await this.#setting(context.sandbox, command.network === true);
    const isolation = isolationFrom(context.sandbox, setting.backend, setting.findings);
    return { ...(await this.#execute(command, context, setting.backend)), isolation };
  }

  async measure(sandbox: Sandbox, options: { readonly network?: boolean } = {}): Promise<Isolation> {
    const setting = await this.#setting(sandbox, options.network === true);
    return isolationFrom(sandbox, setting.backend, setting.findings);
  }

  resident(command: ResidentCommand): Promise<Resident> {
    return startResident(command, { marker: this.#nextMarker(), watch: this.#watch, tools: this.#tools });
  }

  async reap(): Promise<number> {
    const killed = new Set<number>();
    for (let round = 0; round < 50; round++) {
      const found = readProcesses().filter(
        (candidate) => !candidate.zombie && candidate.pid !== process.pid && this.#isLeftOver(candidate.pid),
      );
      if (found.length === 0) break;
      for (const { pid } of found) {
        killed.add(pid);
        sendSignal(pid, "SIGKILL");
      }
      await new Promise<void>((resolve) => {
        setTimeout(resolve, 5);
      });
    }
    return killed.size;
  }

  #nextMarker(): string {
    this.#commands += 1;
    return `${this.#scope}.${this.#engine}.${this.#commands}`;
  }

  /** Of this data directory, and of an engine that is no more. */
  #isLeftOver(pid: number): boolean {
    const [scope, engine = ""] = markerOf(pid)?.split(".") ?? [];
    if (scope !== this.#scope || engine === this.#engine) return false;
    const [enginePid, start] = engine.split("-").map(Number);
    return enginePid === undefined || readProcess(enginePid)?.start !== start;
  }

  async #execute(command: Command, context: CommandContext, backend: Isolation["backend"]): Promise<ChildEnd> {
    if (context.signal.aborted) throw abortReason(context.signal);
    const marker = this.#nextMarker();
    const launch = launchOf({
      command,
      context,
      tools: this.#tools,
      backend,
      ownHome: context.sandbox === "none",
      filter: this.#filter,
      workDir: this.#workDir,
      hidden: this.#hidden,
      home: homedir(),
      marker,
      othersThreads: this.#watch.threads,
    });
    return runChild({ launch, command, context, limits: withDefaults(context.limits), marker, watch: this.#watch });
  }

  /**
   * How to run commands of this declaration. Measured once per declaration and network wish, since every command of
   * the same declaration gets the same walls; a failure is not remembered, so that installing what is missing helps at once.
   */
  async #setting(sandbox: Sandbox, network: boolean): Promise<Setting> {
    const key = `${sandbox} ${network}`;
    let setting = this.#settings.get(key);
    if (setting === undefined) {
      setting = this.#find(sandbox, network);
      this.#settings.set(key, setting);
    }
    try {
      return await setting;
    } catch (error) {
      if (this.#settings.get(key) === setting) this.#settings.delete(key);
      throw error;
    }
  }

  async #find(sandbox: Sandbox, network: boolean): Promise<Setting> {
    const found = sandbox === "none" ? "none was asked for" : await this.#sandboxed(sandbox, network);
    if (typeof found !== "string") {
      // A task that asks for the network gets it, and the receipt says `partial`; everything else must still hold.
      const weak = shortcomings(network ? { ...found.findings, network: false } : found.findings);
      if (sandbox === "preferred" || weak.length === 0) return found;
      throw notStrict(weak.join("; "));
    }
    if (sandbox === "strict") throw notStrict(found);
    const findings = await this.#probe("none", sandbox, network);
    if (typeof findings === "string")
      throw new TaskFailure({
        code: "UNAVAILABLE",
        message: `The isolation of this machine could not be measured: ${findings}.`,
      });
    return { backend: "none", findings };
  }

  /** The setting under bubblewrap, or in words why there is none. */
  async #sandboxed(sandbox: Sandbox, network: boolean): Promise<Setting | string> {
    const missing = this.#missing();
    if (missing !== undefined) return missing;
    const findings = await this.#probe("bubblewrap", sandbox, network);
    return typeof findings === "string" ? findings : { backend: "bubblewrap", findings };
  }

  #missing(): string | undefined {
    if (process.platform !== "linux") return `it runs ${process.platform}`;
    if (this.#tools.bwrap === undefined) return "bubblewrap (bwrap) is not installed";
    if (process.getuid?.() === 0 && (this.#tools.setpriv === undefined || this.#tools.env === undefined))
      return "setpriv (util-linux) is not installed, which root needs to give up its rights";
    return undefined;
  }

  /** Runs the probe as a command of that kind would run, in an attempt's folder of its own. In words why it could not. */
  async #probe(backend: Isolation["backend"], sandbox: Sandbox, network: boolean): Promise<Findings | string> {
    this.#commands += 1;
    const run = join(this.#workDir, `probe-${process.pid}-${this.#commands}`);
    const neighbour = `${run}-neighbour`;
    mkdirSync(run, { recursive: true, mode: 0o700 });
    writeFileSync(neighbour, "another run's file\n", { mode: 0o600 });
    try {
      const end = await this.#execute(
        { argv: ["/bin/sh", "-c", PROBE, "probe", neighbour, ...this.#private()], network },
        {
          dir: join(run, "attempt"),
          sandbox,
          limits: {},
          signal: AbortSignal.timeout(PROBE_MS),
          graceMs: 0,
          log: () => true,
          drained: async () => undefined,
        },
        backend,
      );
      return (
        readProbe(Buffer.from(end.stdout).toString("utf8")) ??
        `the probe inside failed: ${end.stderrTail.trim() || `exit ${end.exit}, signal ${end.signal}`}`
      );
    } catch (error) {
      return messageOf(error);
    } finally {
      rmSync(run, { recursive: true, force: true });
      rmSync(neighbour, { force: true });
    }
  }

  /** What lies in the hidden folders, but for the way to the work folder. */
  #private(): readonly string[] {
    return this.#hidden
      .filter((folder) => folder !== this.#workDir && existsSync(folder))
      .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
      .filter((path) => !isInside(this.#workDir, path))
      .slice(0, 100);
  }
}

function abortReason(signal: AbortSignal): TaskFailure {
  const reason: unknown = signal.reason;
  return reason instanceof TaskFailure
    ? reason
    : new TaskFailure({ code: "CANCELLED", message: "It was cancelled before it started." });
}
