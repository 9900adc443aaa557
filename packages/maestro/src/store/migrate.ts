import { readdirSync, readFileSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { sha256 } from "../core/digest.ts";
import { MaestroError } from "../core/problem.ts";

/** Written into the header of the file, so that a stranger's database is told apart from ours: "MSTR". */
export const APPLICATION_ID = 0x4d535452;

/** Those of the embedded store. */
export const MIGRATIONS = new URL("./migrations/sqlite/", import.meta.url);

/** The schema that this version works with. */
export function schemaVersion(): number {
  return readMigrations(MIGRATIONS).length;
}

export interface Migration {
  /** 1, 2, 3, ... without gaps: the schema's version once it is applied. */
  readonly version: number;
  readonly name: string;
  readonly sql: string;
}

/** The migrations of a folder of `NNNN-name.sql` files, in order. */
export function readMigrations(folder: URL): readonly Migration[] {
  const names = readdirSync(folder)
    .filter((name) => name.endsWith(".sql"))
    .sort();
  return names.map((name, index) => {
    const version = Number.parseInt(name, 10);
    if (version !== index + 1) throw new MaestroError("internal", `Migration ${name} should have number ${index + 1}.`);
    return { version, name: name.slice(0, -4), sql: readFileSync(new URL(name, folder), "utf8") };
  });
}

/**
 * Brings the schema up to the last migration, in one transaction that holds the write lock: all of it or nothing.
 * Applied migrations are recorded with their digest. Safe to run again.
 * Errors: `schema_newer` where a newer version wrote the file; `store_corrupt` where it is not ours or its record of
 * migrations was edited; `internal` where an applied migration's file was.
 */
export function migrate(
  db: DatabaseSync,
  migrations: readonly Migration[],
  options: { readonly path: string; readonly now: number },
): void {
  const { path, now } = options;
  const last = migrations.length;
  db.exec("begin immediate");
  try {
    const version = pragma(db, "user_version");
    if (version > last) {
      throw new MaestroError(
        "schema_newer",
        `${path} has schema ${version}; this version of Maestro knows schemas up to ${last}.`,
        {
          facts: { path, schema: version, known: last },
        },
      );
    }
    if (version === 0) begin(db, path);
    else check(db, migrations, version, path);
    const record = db.prepare("insert into schema_migration (version, name, digest, applied_at) values (?, ?, ?, ?)");
    for (const migration of migrations.slice(version)) {
      db.exec(migration.sql);
      record.run(migration.version, migration.name, sha256(migration.sql), now);
    }
    if (version < last) db.exec(`pragma user_version = ${last}`);
    db.exec("commit");
  } catch (error) {
    if (db.isTransaction) db.exec("rollback");
    throw error;
  }
}

function begin(db: DatabaseSync, path: string): void {
  const count = db.prepare("select count(*) as count from sqlite_master").get()?.["count"];
  if (count !== 0) throw notOurs(path, "it holds tables but no schema version");
  db.exec(`pragma application_id = ${APPLICATION_ID}`);
  db.exec(
    "create table schema_migration (version integer not null primary key, name text not null, digest text not null, applied_at integer not null) strict",
  );
}

function check(db: DatabaseSync, migrations: readonly Migration[], version: number, path: string): void {
  const id = pragma(db, "application_id");
  if (id !== APPLICATION_ID) throw notOurs(path, `its application id is ${id}`);
  const applied = db.prepare("select version, name, digest from schema_migration order by version").all();
  if (applied.length !== version)
    throw notOurs(path, `it says schema ${version} but records ${applied.length} migrations`);
  for (const [index, row] of applied.entries()) {
    const migration = migrations[index];
    if (migration === undefined || row["version"] !== migration.version)
      throw notOurs(path, "its record of migrations has gaps");
    if (row["digest"] !== sha256(migration.sql)) {
      throw new MaestroError(
        "internal",
        `Migration ${migration.name} is not the one that was applied to ${path}: an applied migration never changes.`,
        {
          facts: { path, migration: migration.name },
          fix: "Install Maestro anew; for a change of your own, add a migration instead.",
        },
      );
    }
  }
}

function pragma(db: DatabaseSync, name: string): number {
  return Number(db.prepare(`pragma ${name}`).get()?.[name]);
}

function notOurs(path: string, why: string): MaestroError {
  return new MaestroError("store_corrupt", `${path} is not a database of Maestro, or was edited: ${why}.`, {
    facts: { path },
  });
}
