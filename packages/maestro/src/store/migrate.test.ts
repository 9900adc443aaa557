import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, it } from "node:test";
import { PROBLEMS } from "../core/problem.ts";
import { dumpSchema } from "./integrity.ts";
import type { Migration } from "./migrate.ts";
import { migrate, readMigrations } from "./migrate.ts";
import { openSqlite } from "./sqlite.ts";

const SHIPPED = readMigrations(new URL("./migrations/sqlite/", import.meta.url));
const FIRST: Migration = { version: 1, name: "0001-first", sql: "create table a (x integer) strict;" };
const SECOND: Migration = {
  version: 2,
  name: "0002-second",
  sql: "create table b (y text) strict; alter table a add column z text;",
};
const BROKEN: Migration = {
  version: 3,
  name: "0003-broken",
  sql: "create table c (x integer); insert into c values (1); create tabel d (x integer);",
};

describe("migrate()", () => {
  let dir: string;
  let path: string;
  let db: DatabaseSync;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "maestro-migrate-"));
    path = join(dir, "maestro.db");
    db = new DatabaseSync(path);
  });
  afterEach(() => {
    if (db.isOpen) db.close();
    rmSync(dir, { recursive: true });
  });
  const run = (migrations: readonly Migration[], now = 1): void => migrate(db, migrations, { path, now });
  const recorded = (): readonly unknown[] =>
    db
      .prepare("select version, name, applied_at from schema_migration")
      .all()
      .map((row) => Object.values(row));
  const version = (): unknown => db.prepare("pragma user_version").get()?.["user_version"];

  it("gives schema.sql from the history", () => {
    run(SHIPPED);
    const expected = readFileSync(new URL("./schema.sql", import.meta.url), "utf8");
    assert.equal(dumpSchema(db), expected, "write the new schema into schema.sql, in the same commit as the migration");
  });

  it("applies what is missing, in order, and nothing twice", () => {
    run([FIRST], 10);
    run([FIRST], 20);
    assert.deepEqual(recorded(), [[1, "0001-first", 10]]);
    run([FIRST, SECOND], 30);
    run([FIRST, SECOND], 40);
    assert.deepEqual(recorded(), [
      [1, "0001-first", 10],
      [2, "0002-second", 30],
    ]);
    assert.equal(version(), 2);
    db.exec("insert into a (x, z) values (1, 'z')");
  });

  it("keeps nothing of a history that breaks, and works when it is mended", () => {
    run([FIRST]);
    const before = dumpSchema(db);
    assert.throws(() => run([FIRST, SECOND, BROKEN]), /near "tabel"/);
    assert.equal(dumpSchema(db), before);
    assert.equal(version(), 1);
    assert.equal(db.isTransaction, false);
    run([FIRST, SECOND]);
    assert.equal(version(), 2);
  });

  it("keeps nothing of a fresh file whose first migration breaks", () => {
    assert.throws(() => run([{ ...BROKEN, version: 1 }]), /near "tabel"/);
    assert.equal(dumpSchema(db), "");
    assert.equal(version(), 0);
  });

  it("refuses the schema of a newer version and changes nothing", () => {
    run([FIRST, SECOND]);
    const before = dumpSchema(db);
    assert.throws(() => run([FIRST]), {
      code: "schema_newer",
      message: `${path} has schema 2; this version of Maestro knows schemas up to 1.`,
      fix: PROBLEMS.schema_newer.fix,
    });
    assert.equal(dumpSchema(db), before);
  });

  it("refuses a migration that was edited after it was applied", () => {
    run([FIRST]);
    assert.throws(() => run([{ ...FIRST, sql: `${FIRST.sql} -- better` }, SECOND]), {
      code: "internal",
      message: `Migration 0001-first is not the one that was applied to ${path}: an applied migration never changes.`,
    });
    assert.equal(version(), 1);
  });

  const strangers: readonly (readonly [what: string, sql: string, why: RegExp])[] = [
    ["tables of somebody else", "create table theirs (x)", /it holds tables but no schema version\.$/],
    [
      "somebody else's schema version",
      "pragma user_version = 1; create table theirs (x)",
      /its application id is 0\.$/,
    ],
    [
      "a record of migrations that was shortened",
      "pragma user_version = 1; pragma application_id = 1297306706; create table schema_migration (version, name, digest)",
      /it says schema 1 but records 0 migrations\.$/,
    ],
  ];
  for (const [what, sql, why] of strangers) {
    it(`refuses ${what}`, () => {
      db.exec(sql);
      const before = dumpSchema(db);
      assert.throws(() => run([FIRST]), { code: "store_corrupt", message: why });
      assert.equal(dumpSchema(db), before);
    });
  }

  it("waits for one that is at work elsewhere, and then finds nothing left to do", () => {
    const other = new DatabaseSync(path);
    other.exec("begin immediate");
    assert.throws(() => run([FIRST]), /database is locked/);
    other.exec("rollback");
    migrate(other, [FIRST], { path, now: 5 });
    other.close();
    run([FIRST], 6);
    assert.deepEqual(recorded(), [[1, "0001-first", 5]]);
  });

  it("is what openSqlite() refuses by", async () => {
    run([...SHIPPED, { version: SHIPPED.length + 1, name: "9999-tomorrow", sql: "create table tomorrow (x)" }]);
    db.close();
    await assert.rejects(openSqlite({ path }), { code: "schema_newer" });
  });
});
