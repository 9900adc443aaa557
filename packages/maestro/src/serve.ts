import { randomInt, randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { hostname, tmpdir, userInfo } from "node:os";
import { join, resolve } from "node:path";
import type { ApiRequest } from "./api/api-request.ts";
import type { App, AppDeps } from "./api/app.ts";
import { createApp } from "./api/app.ts";
import type { Authenticate } from "./api/guard.ts";
import { requestIdOf } from "./api/request-id.ts";
import { openTokenFolder, sharedSocketFolder } from "./api/socket.ts";
import type { Catalog } from "./catalog/catalog.ts";
import type { FolderOptions } from "./catalog/folder.ts";
import type { FolderWatch } from "./catalog/watch-folder.ts";
import type { Actor } from "./core/event.ts";
import type { MaestroError } from "./core/problem.ts";
import { messageOf } from "./core/problem.ts";
import { steadyClock } from "./engine/clock.ts";
import { compareRun } from "./engine/compare-run.ts";
import { DurableEngine } from "./engine/durable.ts";
import type { Limits } from "./engine/limits.ts";
import { DEFAULT_LIMITS } from "./engine/limits.ts";
import { runLoop } from "./engine/loop.ts";
import { pooledRandomBytes } from "./engine/random-bytes.ts";
import { replayRun } from "./engine/replay-run.ts";
import { reportOf } from "./engine/report.ts";
import { ownerCaller } from "./identity/caller.ts";
import type { RefusalReason } from "./identity/refused.ts";
import { lazyIdentity } from "./api/open-identity.ts";
import { openIssuer, readIssuerUrl } from "./identity/issuer.ts";
import { leaseDesk } from "./identity/lease-desk.ts";
import { tokenDesk } from "./identity/workload.ts";
import { Retention } from "./operations/retention.ts";
import { openDesk } from "./policy/desk.ts";
import { openAudit } from "./provenance/audit.ts";
import { Ledger } from "./provenance/ledger/ledger.ts";
import { LedgerWatch } from "./provenance/ledger/watch.ts";
import { witnessAlarm } from "./provenance/witness/alarm.ts";
import { Cosigning } from "./provenance/witness/cosigning.ts";
import { openKeyRing } from "./provenance/keys.ts";
import { TRUST_ROOT_FILE } from "./provenance/trust.ts";
import { executeAttempt } from "./runner/attempt.ts";
import type { AttemptDeps } from "./runner/attempt.ts";
import { openLogs } from "./runner/log-files.ts";
import { openProcessRunner } from "./runner/process.ts";
import { openBlobs } from "./store/blob-files.ts";
import { acquireLock } from "./store/lock.ts";
import { openSqlite } from "./store/sqlite.ts";
import type { Store } from "./store/store.ts";
import { logLines } from "./telemetry/log.ts";
import type { LogLevel, LogSink } from "./telemetry/log.ts";
import { Telemetry } from "./telemetry/telemetry.ts";
import { taskTypes } from "./task/catalogue.ts";
import { ExternalTypes } from "./task/external.ts";
import { VERSION } from "./version.ts";

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
 * THE composition root: the only place that knows every implementation. Opens the data directory (made at the first
 * start) and everything on it. Errors: `data_locked`, `schema_newer`, `store_corrupt`, `ledger_broken`, `key_unusable`, `storage_failed`.
 */
export async function openControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const dataDir = resolve(options.dataDir);
  const lock = await acquireLock(dataDir);
  const releases: (() => Promise<void>)[] = [() => lock.release()];
  try {
    return await open(dataDir, options, releases);
  } catch (error) {
    for (const release of releases.reverse()) await release();
    throw error;
  }
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

async function open(
  dataDir: string,
  options: ControlPlaneOptions,
  releases: (() => Promise<void>)[],
): Promise<ControlPlane> {
  const clock = steadyClock();
  const randomBytes = pooledRandomBytes();
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const store = await openSqlite({ path: join(dataDir, "maestro.db") });
  releases.push(() => store.close());
  const blobs = await openBlobs(join(dataDir, "blobs"));
  const logs = openLogs(join(dataDir, "logs"));
  const workDir = join(dataDir, "work");
  const installation = installationId(dataDir);
  const environment = (name: string): string | undefined => process.env[name];
  const telemetry = await Telemetry.open({
    dataDir,
    version: VERSION,
    installation,
    store,
    blobs,
    sink:
      options.log ??
      logLines(
        "json",
        (line) => process.stderr.write(`${line}\n`),
        () => clock.now(),
      ),
    level: options.logLevel ?? "warn",
    otlp: options.otlp,
    passive: options.passive === true,
    environment,
    now: () => clock.now(),
  });
  releases.push(() => telemetry.close());
  const log: EngineLog = (level, message, fields) => telemetry.write(level, message, fields);
  const builder = `https://summit-maestro.dev/installations/${installation}`;
  const keys = openKeyRing({
    dir: join(dataDir, "keys"),
    builder,
    now: clock.now(),
    ...(options.passphrase === undefined ? {} : { passphrase: options.passphrase }),
  });
  const tokenFolder = await openTokenFolder(dataDir);
  const runner = await openProcessRunner({
    workDir,
    hostname: hostname(),
    hidden: [dataDir, sharedSocketFolder()],
  });
  const owner: Actor = { type: "user", id: userInfo().username, roles: ["owner"] };
  const types = new Map(taskTypes());
  const descriptions = new Map([...types].map(([name, type]) => [name, type.description] as const));
  const external = new ExternalTypes({
    dataDir,
    types,
    descriptions,
    start: (command) => runner.resident(command),
    environment,
    isolation: () => runner.measure("none"),
    engine: `summit-maestro/${VERSION}`,
    now: () => clock.now(),
    warn: (problem) => log("warn", "a task type cannot be used", { problem }),
  });
  releases.push(() => external.close());
  const audit = openAudit({
    store,
    source: builder,
    now: () => clock.now(),
    randomBytes,
    failed: (error) => log("warn", "the audit could not be written; it is tried again", { error: messageOf(error) }),
  });
  releases.push(() => audit.close());
  const policy = await openDesk({
    dataDir,
    store,
    audit,
    source: builder,
    now: () => clock.now(),
    randomBytes,
    environment,
    log,
    passive: options.passive === true,
  });
  releases.push(() => policy.close());
  const { gate } = policy;
  const issuer = openIssuer({
    dir: join(dataDir, "keys"),
    now: () => clock.now(),
    ...(options.passphrase === undefined ? {} : { passphrase: options.passphrase }),
    ...(options.issuer === undefined ? {} : { url: readIssuerUrl(options.issuer) }),
  });
  const host: AttemptDeps = {
    runner,
    logs,
    blobs,
    now: () => clock.now(),
    environment,
    lease: leaseDesk({ gate, audit, now: () => clock.now() }),
    tokens: tokenDesk({
      issuer,
      gate,
      audit,
      folder: tokenFolder,
      now: () => clock.now(),
      newId: () => randomUUID(),
      fault: (error) => log("error", "a token could not be made", { error: messageOf(error) }),
    }),
  };
  const identity = lazyIdentity({
    dataDir,
    store: store.sessions,
    owner: owner.id,
    now: () => clock.now(),
    randomBytes,
    failed: (error) => log("error", "nobody but the owner comes in", { error: messageOf(error) }),
  });
  let listening: string | undefined;
  const refused = (reason: RefusalReason, request: ApiRequest): void => {
    const requestId = requestIdOf(request);
    // Floods are told apart by where they come from.
    const from = request.peer;
    telemetry.refused(reason, requestId);
    audit.note({
      kind: "refused",
      actor: { type: "unknown", id: "unknown" },
      action: "session.prove",
      resource: { type: "installation", id: "*" },
      namespace: null,
      allow: false,
      request: requestId,
      ...(from === undefined ? {} : { from }),
      code: "unauthorized",
      detail: { reason },
    });
  };
  const cosigning = await Cosigning.open({
    dataDir,
    store,
    ledger: async () => ledger.get(),
    passive: options.passive === true,
    now: () => clock.now(),
    randomBytes,
    alarm(witness, detail) {
      log("error", "a witness has seen another ledger than this one", { witness, detail });
      const failed = (error: unknown): void =>
        log("error", "the audit could not be written", { error: messageOf(error) });
      audit.write(witnessAlarm(witness, detail)).catch(failed);
    },
    failed: (whom, detail) => log("warn", "a checkpoint was not cosigned or timestamped", { by: whom, detail }),
  });
  releases.push(() => cosigning.close());
  const ledger = new LedgerWatch({
    signed: (checkpoint) => cosigning.submit(checkpoint),
    open: async () => Ledger.open({ store, signer: keys.signer, trustRoot: keys.trustRoot, now: () => clock.now() }),
    broken: (error) => {
      log("error", "the ledger is not the one that was signed", { error: error.message });
      options.broken?.(error);
    },
    failed: (error) =>
      log("warn", "the ledger could not be read or signed; it is tried again", { error: messageOf(error) }),
  });
  if (options.passive !== true) await ledger.start();
  releases.push(() => ledger.close());
  const engine = new DurableEngine({
    store,
    blobs,
    gate,
    signer: keys.signer,
    types,
    execute: async (request) => executeAttempt(request, host),
    clock,
    randomBytes,
    random: () => randomInt(2 ** 32) / 2 ** 32,
    workDir,
    version: VERSION,
    environment: policy.live.settings.environment,
    limits,
    passive: options.passive === true,
    ...telemetry.engineParts,
  });
  if (options.passive !== true) {
    const reaped = await runner.reap();
    if (reaped > 0) log("warn", "processes of an engine that died were ended", { processes: reaped });
    await engine.recover();
  }
  const loop = runLoop(engine, clock);
  releases.push(async () => loop.stop());
  const isLoaded = (run: string): boolean => engine.live.has(run);
  const retention = new Retention({ store, blobs, dataDir, now: () => clock.now(), isLoaded, log });
  releases.push(() => retention.close());
  if (options.passive !== true) retention.start();
  let folder: FolderWatch | undefined;
  const catalog: Catalog = {
    store,
    signer: keys.signer,
    trustRoot: keys.trustRoot,
    version: VERSION,
    folder: () => folder?.view,
    now: () => clock.now(),
  };
  if (options.manifests !== undefined) {
    const { manifests } = options;
    const { FolderWatch: Watch } = await import("./catalog/watch-folder.ts");
    const { logLine } = await import("./catalog/change-log.ts");
    folder = await Watch.open({
      ...manifests,
      env: { store, trustRoot: keys.trustRoot, descriptions, now: () => clock.now() },
      now: () => clock.now(),
      changed(change) {
        if (manifests.changed === undefined) log(...logLine(change));
        else manifests.changed(change);
      },
      failed: (error) => log("error", "the folder of manifests could not be looked at", { error: messageOf(error) }),
    });
    releases.push(() => folder?.close() ?? Promise.resolve());
  }
  const deps: AppDeps = {
    engine,
    store,
    catalog,
    logs,
    blobs,
    taskTypes: types,
    external,
    // Loaded when the first manifest comes: what reads YAML is a tenth of all modules.
    async compile(manifest, file, folder, namespaces) {
      const { resolveManifest } = await import("./catalog/resolve.ts");
      return resolveManifest(manifest, file, { ...catalog, descriptions, namespaces }, folder);
    },
    replay: async (run) => replayRun(engine, run),
    compare: async (run, plan) => compareRun(engine, run, plan),
    trustRoot: async () => readFile(join(dataDir, "keys", TRUST_ROOT_FILE), "utf8"),
    // Loaded when the first package is made.
    async disclose(request, permitted) {
      const { disclose } = await import("./operations/disclosure/build.ts");
      return disclose(
        {
          store,
          blobs,
          logs,
          view: async (run) => engine.view(run),
          signer: keys.signer,
          trustRoot: async () => readFile(join(dataDir, "keys", TRUST_ROOT_FILE), "utf8"),
          ledger: async () => ledger.get(),
          covering: async (place) => (await cosigning.covering(place)) ?? store.ledger.checkpoint(place + 1),
          policies: () => policy.live.sources(),
        },
        request,
        permitted,
      );
    },
    ledger: async () => ledger.get(),
    cosigning,
    issuer,
    identity: async () => identity.get(),
    refused,
    listening: () => listening,
    ready: async () => {
      engine.pressure.refuseStart();
      // Whether it can be read at all; whether it can be written, the engine knows by its last commit.
      await store.runList({ limit: 1 });
    },
    retention,
    now: () => clock.now(),
    version: VERSION,
    gate,
    policy,
    audit,
    environment: policy.live.settings.environment,
    fault: (thrown, requestId) =>
      log("error", "a request met a fault of our own", {
        requestId,
        stack: thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown),
      }),
    answered: (seen) => telemetry.answered(seen),
    requests: telemetry.requests,
    metrics: async () => telemetry.scrape(engine, policy),
    report: () => reportOf(engine),
  };
  const handle = createApp(deps);
  const caller = ownerCaller(owner.id, "socket");
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
      for (const release of releases.splice(0).reverse()) await release();
    },
  };
}

/** Names this installation in receipts; made once. */
function installationId(dataDir: string): string {
  const path = join(dataDir, "installation");
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    const id = randomUUID();
    writeFileSync(path, `${id}\n`, { mode: 0o600, flag: "wx" });
    return id;
  }
}
