import { randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../engine/clock.ts";
import { steadyClock } from "../engine/clock.ts";
import { pooledRandomBytes } from "../engine/random-bytes.ts";
import type { KeyRing } from "../provenance/keys.ts";
import { openKeyRing } from "../provenance/keys.ts";
import { openLogs } from "../runner/log-files.ts";
import type { LogStore } from "../runner/logs.ts";
import type { ControlPlaneOptions, EngineLog } from "../serve.ts";
import { openBlobs } from "../store/blob-files.ts";
import type { RemovableBlobs } from "../store/blobs.ts";
import { openSqlite } from "../store/sqlite.ts";
import type { Store } from "../store/store.ts";
import { logLines } from "../telemetry/log.ts";
import { Telemetry } from "../telemetry/telemetry.ts";
import { VERSION } from "../version.ts";

/** What the opening of a control plane begins with. */
export interface Start {
  /** Absolute, and locked. */
  readonly dataDir: string;
  readonly options: ControlPlaneOptions;
  /** Takes what is to be done when the control plane ends, or when its opening fails: the last taken is done first. */
  readonly atEnd: (release: () => Promise<void>) => void;
}

/** What everything else is opened with: time and chance, what is stored, the keys, and whom an operator hears from. */
export interface Base extends Start {
  readonly passive: boolean;
  readonly clock: Clock;
  readonly now: () => number;
  readonly randomBytes: (length: number) => Uint8Array;
  readonly environment: (name: string) => string | undefined;
  readonly store: Store;
  readonly blobs: RemovableBlobs;
  readonly logs: LogStore;
  readonly telemetry: Telemetry;
  readonly log: EngineLog;
  /** The URI by which receipts name this installation. */
  readonly builder: string;
  readonly keys: KeyRing;
}

export async function openBase(start: Start): Promise<Base> {
  const { dataDir, options, atEnd } = start;
  const passive = options.passive === true;
  const clock = steadyClock();
  const now = (): number => clock.now();
  const randomBytes = pooledRandomBytes();
  const store = await openSqlite({ path: join(dataDir, "maestro.db") });
  atEnd(() => store.close());
  const blobs = await openBlobs(join(dataDir, "blobs"));
  const logs = openLogs(join(dataDir, "logs"));
  const installation = installationId(dataDir);
  const known = { ...start, passive, clock, now, randomBytes, environment, store, blobs, logs };
  const telemetry = await openTelemetry(known, installation);
  atEnd(() => telemetry.close());
  const log: EngineLog = (level, message, fields) => telemetry.write(level, message, fields);
  const builder = `https://summit-maestro.dev/installations/${installation}`;
  const keys = openKeyRing({
    dir: join(dataDir, "keys"),
    builder,
    now: now(),
    ...(options.passphrase === undefined ? {} : { passphrase: options.passphrase }),
  });
  return { ...known, telemetry, log, builder, keys };
}

async function openTelemetry(
  base: Omit<Base, "telemetry" | "log" | "builder" | "keys">,
  installation: string,
): Promise<Telemetry> {
  const { dataDir, options, passive, now, store, blobs } = base;
  return Telemetry.open({
    dataDir,
    version: VERSION,
    installation,
    store,
    blobs,
    sink: options.log ?? logLines("json", (line) => process.stderr.write(`${line}\n`), now),
    level: options.logLevel ?? "warn",
    otlp: options.otlp,
    passive,
    environment,
    now,
  });
}

function environment(name: string): string | undefined {
  return process.env[name];
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
