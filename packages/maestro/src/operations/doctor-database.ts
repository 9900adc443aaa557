import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { messageOf } from "../core/problem.ts";
import { schemaVersion } from "../store/migrate.ts";
import { storeProblem } from "../store/sql.ts";
import { walDamage } from "../store/wal.ts";
import type { Finding, Patient } from "./finding.ts";
import { readDatabase } from "./read-database.ts";

/** A quick check takes 2 ms a megabyte. */
const MAX_CHECKED_BYTES = 2 * 2 ** 30;
const LARGE_WAL_BYTES = 256 * 2 ** 20;
/** A clock is corrected by less than that every day. */
const CLOCK_SLACK_MS = 60_000;
const NEWEST_RUNS = 100;

/** The database: whole, of a schema that this version knows, its log, and the clock against what it recorded. */
export async function databaseChecks(patient: Patient): Promise<readonly Finding[]> {
  const path = join(patient.dataDir, "maestro.db");
  if (!existsSync(path)) return [{ check: "database", status: "info", detail: "none yet; the first start makes it" }];
  const isUp = (await patient.ask()) !== undefined;
  const log = await writeAheadLog(path, isUp);
  let db: DatabaseSync | undefined;
  try {
    db = readDatabase(path, isUp);
    return [whole(db, path), schema(db), log, clock(db, patient.now)];
  } catch (error) {
    return [damaged(storeProblem(error, path)), log];
  } finally {
    db?.close();
  }
}

function whole(db: DatabaseSync, path: string): Finding {
  const check = "database";
  const { size } = statSync(path);
  const amount = `${(size / 2 ** 20).toFixed(1)} MiB`;
  if (size > MAX_CHECKED_BYTES)
    return {
      check,
      status: "info",
      detail: `${amount}: too large to be checked in seconds`,
      fix: "`maestro backup verify` of a fresh backup checks all of it.",
    };
  const found = db
    .prepare("pragma quick_check(3)")
    .all()
    .map((row) => String(row["quick_check"]));
  return found.length === 1 && found[0] === "ok"
    ? { check, status: "ok", detail: `${amount}, its pages are whole` }
    : damaged(new Error(`${path} is damaged: ${found.join("; ")}`));
}

function damaged(problem: unknown): Finding {
  return {
    check: "database",
    status: "failed",
    detail: messageOf(problem),
    fix: "End the engine, keep a copy of the data directory, then restore a backup: `maestro restore FILE --to DIR`.",
  };
}

function schema(db: DatabaseSync): Finding {
  const check = "schema";
  const found = Number(db.prepare("pragma user_version").get()?.["user_version"]);
  const known = schemaVersion();
  if (found === known) return { check, status: "ok", detail: `${found}, as this version wants it` };
  if (found < known)
    return {
      check,
      status: "info",
      detail: `${found}; the next start of an engine brings it to ${known} and keeps a copy of the database as it was`,
    };
  return {
    check,
    status: "failed",
    detail: `${found}; this version knows schemas up to ${known}`,
    fix: "Use the version that wrote it or a newer one; to go back, take the copy that the upgrade kept (before-schema-N.db) or a backup from before it.",
  };
}

async function writeAheadLog(path: string, isUp: boolean): Promise<Finding> {
  const check = "write-ahead log";
  const wal = `${path}-wal`;
  const size = existsSync(wal) ? statSync(wal).size : 0;
  const amount = `${(size / 2 ** 20).toFixed(1)} MiB`;
  // Beside an engine that writes, its end may be half a commit.
  const damage = isUp || size === 0 ? undefined : await walDamage(wal);
  if (damage !== undefined)
    return {
      check,
      status: "failed",
      detail: `${wal} is damaged: ${damage}`,
      fix: "Keep a copy of the data directory, then restore a backup.",
    };
  if (size > LARGE_WAL_BYTES)
    return {
      check,
      status: "warning",
      detail: `${amount}: somebody has been reading the database for long, so it cannot be folded in`,
      fix: "End what reads it (sqlite3, a backup that hangs); it shrinks by itself then.",
    };
  return { check, status: "ok", detail: size === 0 ? "empty" : amount };
}

function clock(db: DatabaseSync, now: number): Finding {
  const check = "clock";
  const row = db
    .prepare(
      "select max(max(created_at, coalesce(started_at, 0), coalesce(ended_at, 0))) as newest from (select created_at, started_at, ended_at from run order by created_at desc, id desc limit ?)",
    )
    .get(NEWEST_RUNS);
  const newest = Number(row?.["newest"] ?? 0);
  const behind = newest - now;
  if (behind > CLOCK_SLACK_MS)
    return {
      check,
      status: "failed",
      detail: `it says ${new Date(now).toISOString()}, and a run is recorded at ${new Date(newest).toISOString()}`,
      fix: "Set the clock right (`timedatectl`); until then timers are late and receipts carry times that are wrong.",
    };
  return { check, status: "ok", detail: `${new Date(now).toISOString()}, not before anything recorded` };
}
