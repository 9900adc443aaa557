import { mkdtempSync, rmSync } from "node:fs";
import { hostname, tmpdir, userInfo } from "node:os";
import { join, resolve } from "node:path";
import type { ApiRequest } from "./api/api-request.ts";
import type { App } from "./api/app.ts";
import { createApp } from "./api/app.ts";
import type { Authenticate } from "./api/guard.ts";
import type { FolderOptions } from "./catalog/folder.ts";
import type { Actor } from "./core/event.ts";
import type { MaestroError } from "./core/problem.ts";
import { messageOf } from "./core/problem.ts";
import type { DurableEngine } from "./engine/durable.ts";
import type { Limits } from "./engine/limits.ts";
import { ownerCaller } from "./identity/caller.ts";
import { openProcessRunner } from "./runner/process.ts";
import { appDeps } from "./serve/app-deps.ts";
import type { Start } from "./serve/base.ts";
import { openBase } from "./serve/base.ts";
import { openCatalog } from "./serve/catalog.ts";
import { startEngine, startRetention } from "./serve/engine.ts";
import { openGovernance } from "./serve/governance.ts";
import { openProvenance } from "./serve/provenance.ts";
import { openTasks, openWorkplace } from "./serve/tasks.ts";
import { acquireLock } from "./store/lock.ts";
import { openSqlite } from "./store/sqlite.ts";
import type { Store } from "./store/store.ts";
import type { LogLevel, LogSink } from "./telemetry/log.ts";

export interface ControlPlaneOptions {
  readonly dataDir: string;
  readonly passphrase?: string;
  /** What others know this installation by as the issuer of its workloads' tokens; default: the URL that it listens on. */
  readonly issuer?: string;
  /** Reads and records, but starts nothing: for commands that end before their work would. */
  readonly passive?: boolean;
  readonly limits?: Partial<Limits>;
  /** Takes what an operator is told; default: lines of JSON on stderr. */
  readonly log?: EngineLog;
  /** What is told at least; default: warnings and errors. */
  readonly logLevel?: LogLevel;
  /** Where spans go by OTLP over HTTP; default: what the variables of OpenTelemetry say. */
  readonly otlp?: string;
  /** Told when the ledger turns out not to be the one that was signed: whoever goes on builds on what somebody forged. */
  readonly broken?: (error: MaestroError) => void;
  /** A folder whose manifests are workflows here as they are, brought up to date while they are edited. */
  readonly manifests?: Pick<FolderOptions, "path" | "shown"> & {
    /** Told of each change; absent: the log is. */
    readonly changed?: FolderOptions["changed"] | undefined;
  };
}

export type EngineLog = LogSink;

/** A control plane in this process. */
export interface ControlPlane {
  readonly handle: App;
  /** Of the user of the data directory, who is in this process. */
  asOwner(request: ApiRequest): Promise<Response>;
  readonly engine: DurableEngine;
  readonly owner: Actor;
  /** Who asks over a network. Makes the owner's token where there is none. Errors: `token_unusable`. */
  authenticate(): Promise<Authenticate>;
  /** The API is served on the network from now on, there. */
  listens(url: string): void;
  /** Gives attempts `graceMs` to end, hands the rest back to the next engine, and lets go of the data directory. */
  close(graceMs?: number): Promise<void>;
}

/**
 * THE composition root: the only place, with the parts of it in serve/, that knows every implementation. Opens the data
 * directory (made at the first start) and everything on it. Errors: `data_locked`, `schema_newer`, `store_corrupt`,
 * `ledger_broken`, `key_unusable`, `storage_failed`.
 */
export async function openControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const dataDir = resolve(options.dataDir);
  const lock = await acquireLock(dataDir);
  const releases: (() => Promise<void>)[] = [() => lock.release()];
  const release = async (): Promise<void> => {
    for (const one of releases.splice(0).reverse()) await one();
  };
  try {
    return await open({ dataDir, options, atEnd: (one) => void releases.push(one) }, release);
  } catch (error) {
    await release();
    throw error;
  }
}

/** Each needs some of those above it, and is closed before them. */
async function open(start: Start, release: () => Promise<void>): Promise<ControlPlane> {
  const base = await openBase(start);
  const workplace = await openWorkplace(base);
  const owner: Actor = { type: "user", id: userInfo().username, roles: ["owner"] };
  const tasks = openTasks({ ...base, ...workplace });
  const governance = await openGovernance(base, owner);
  const provenance = await openProvenance({ ...base, ...governance });
  const engine = await startEngine({ ...base, ...workplace, ...tasks, ...governance });
  const retention = startRetention(base, engine);
  const catalog = await openCatalog({ ...base, ...tasks });
  let listening: string | undefined;
  const opened = { ...base, ...tasks, ...governance, ...provenance, engine, retention, catalog };
  const handle = createApp(appDeps({ ...opened, listening: () => listening }));
  const caller = ownerCaller(owner.id, "socket");
  const { identity, issuer, refused } = governance;
  return {
    handle,
    asOwner: async (request) => handle(request, caller),
    engine,
    owner,
    authenticate: async () => identity.authenticate(refused),
    listens(url) {
      listening = url;
      issuer.listens(url);
    },
    async close(graceMs = 0) {
      await engine.drain(graceMs);
      await release();
    },
  };
}

/** The store of a database file that no engine uses: for checks of backups. Errors: as `openControlPlane`. */
export async function openStore(path: string): Promise<Store> {
  return openSqlite({ path });
}

/** What a sandbox declared `strict` would be here, measured from inside in a folder that goes away again. */
export async function measureStrict(): Promise<{ readonly measured: string; readonly why: string }> {
  const workDir = mkdtempSync(join(tmpdir(), "maestro-doctor-"));
  try {
    const runner = await openProcessRunner({ workDir, hostname: hostname() });
    const { measured } = await runner.measure("strict");
    return { measured, why: `a sandbox would be ${measured}` };
  } catch (error) {
    return { measured: "none", why: messageOf(error) };
  } finally {
    rmSync(workDir, { recursive: true, force: true });
  }
}
