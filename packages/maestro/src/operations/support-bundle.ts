import { existsSync } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { JsonObject } from "../core/json.ts";
import { MaestroError, messageOf } from "../core/problem.ts";
import { redact } from "../core/redact.ts";
import { DEFAULT_LIMITS } from "../engine/limits.ts";
import { storageError } from "../store/storage-error.ts";
import type { Finding, Patient } from "./finding.ts";
import { entriesOf } from "./folder-size.ts";
import { readDatabase } from "./read-database.ts";
import { loadPolicy, policyJson } from "./retention-policy.ts";
import { TAR_END, tarHeader, tarPadding } from "./tar.ts";

/** A file of the bundle, as it will be read by whoever gets it. */
export interface Page {
  readonly name: string;
  readonly text: string;
}

export interface BundleRequest {
  readonly patient: Patient;
  readonly findings: readonly Finding[];
  /** Where the command works and why; names, never tokens. */
  readonly settings: JsonObject;
  /** The engine's log, where its operator keeps one. */
  readonly log?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const LOG_LINES = 500;
const LOG_BYTES = 1 << 20;
/** Shorter values are words that stand everywhere. */
const MIN_SECRET = 6;

/**
 * What helps somebody else to help: the report, versions, configuration, limits, counts, and if one is named the end of a
 * log. Nothing that belongs to a run: no inputs, outputs, logs of tasks, names of runs or files. What looks like a secret,
 * and every value of this environment whose name says that it is one, is taken out of all of it.
 */
export async function bundlePages(request: BundleRequest): Promise<readonly Page[]> {
  const { patient, findings, settings, log, env } = request;
  const report = findings.map(({ check, status, detail, fix }) => ({
    check,
    status,
    detail,
    ...(fix === undefined ? {} : { fix }),
  }));
  const pages = [
    json("doctor.json", report),
    json("versions.json", {
      maestro: patient.version,
      node: process.version,
      platform: process.platform,
      arch: process.arch,
      kernel: release(),
      cpus: cpus().length,
      memoryBytes: totalmem(),
      libraries: { ...process.versions },
    }),
    json("configuration.json", { ...settings, retention: await policyOf(patient.dataDir) }),
    json("limits.json", { ...DEFAULT_LIMITS }),
    json("counts.json", await counts(patient)),
    ...(log === undefined ? [] : [{ name: "log.txt", text: await lastLines(log) }]),
  ];
  const secrets = secretsOf(env);
  return pages.map(({ name, text }) => ({ name, text: redact(without(text, secrets)) }));
}

/** Errors: `conflict` where there is a file of that name, `storage_failed`, `storage_full`. */
export async function writeBundle(path: string, pages: readonly Page[], now: number): Promise<number> {
  const parts = pages.flatMap(({ name, text }) => {
    const bytes = Buffer.from(text);
    return [tarHeader(`maestro-support/${name}`, bytes.length, now), bytes, tarPadding(bytes.length)];
  });
  const packed = gzipSync(Buffer.concat([...parts, TAR_END]));
  try {
    const file = await open(path, "wx", 0o600);
    try {
      await file.writeFile(packed);
    } finally {
      await file.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw storageError(error, path);
    throw new MaestroError("conflict", `There is a file ${path} already.`, { cause: error, fix: "Name another one." });
  }
  return packed.length;
}

function json(name: string, value: object): Page {
  return { name, text: `${JSON.stringify(value, null, 2)}\n` };
}

async function policyOf(dataDir: string): Promise<JsonObject> {
  try {
    return policyJson(await loadPolicy(dataDir));
  } catch (error) {
    return { problem: messageOf(error) };
  }
}

const TABLES = ["run", "event", "receipt", "plan", "approval", "cache", "removal", "hold", "retention_pass"] as const;

async function counts({ dataDir, ask }: Patient): Promise<JsonObject> {
  const files: Record<string, number> = {};
  for (const folder of ["logs", "work", "keys", "tasks", "backups"])
    files[folder] = (await entriesOf(join(dataDir, folder))).length;
  const path = join(dataDir, "maestro.db");
  if (!existsSync(path)) return { files };
  const rows: Record<string, number> = {};
  const statuses: Record<string, number> = {};
  try {
    const db = readDatabase(path, (await ask()) !== undefined);
    try {
      const present = new Set(
        db
          .prepare("select name from sqlite_master where type = 'table'")
          .all()
          .map(({ name }) => name),
      );
      for (const table of TABLES)
        if (present.has(table)) rows[table] = Number(db.prepare(`select count(*) as n from ${table}`).get()?.["n"]);
      for (const row of db.prepare("select status, count(*) as n from run group by status").all())
        statuses[String(row["status"])] = Number(row["n"]);
    } finally {
      db.close();
    }
  } catch (error) {
    return { files, problem: messageOf(error) };
  }
  return { files, rows, runs: statuses };
}

async function lastLines(path: string): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw new MaestroError("invalid_request", `The log ${path} cannot be read: ${messageOf(error)}`, {
      cause: error,
      fix: "Check the path given with --log.",
    });
  }
  const lines = bytes.subarray(-LOG_BYTES).toString("utf8").split("\n");
  return lines.slice(-LOG_LINES - 1).join("\n");
}

const SECRET_NAME = /pass|secret|token|key|credential|auth/i;

/** Longest first, so that a part of one does not hide the whole. */
function secretsOf(env: Readonly<Record<string, string | undefined>>): readonly string[] {
  return Object.entries(env)
    .flatMap(([name, value]) => (SECRET_NAME.test(name) && (value?.length ?? 0) >= MIN_SECRET ? [value ?? ""] : []))
    .toSorted((a, b) => b.length - a.length);
}

function without(text: string, secrets: readonly string[]): string {
  let rest = text;
  for (const secret of secrets)
    for (const form of new Set([secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret)]))
      rest = rest.replaceAll(form, "[redacted]");
  return rest;
}
