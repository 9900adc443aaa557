import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, it } from "node:test";
import { MaestroError } from "../core/problem.ts";
import { migrate, readMigrations } from "./migrate.ts";
import { sqliteText, storeProblem } from "./sql.ts";

const NAMES = readdirSync(new URL("./sql/", import.meta.url)).map((file) => file.slice(0, -".sql".length));

describe("the statements of store/sql", () => {
  let db: DatabaseSync;
  before(() => {
    db = new DatabaseSync(":memory:");
    migrate(db, readMigrations(new URL("./migrations/sqlite/", import.meta.url)), { path: ":memory:", now: 0 });
  });
  after(() => db.close());

  for (const name of NAMES) {
    it(`${name}: lower case, every parameter described and used, walks an index`, () => {
      const text = readFileSync(new URL(`./sql/${name}.sql`, import.meta.url), "utf8");
      const [header, body] = split(text);
      assert.ok(header !== "", "begins with a comment that says what it does and names its parameters");
      assert.equal(body.replaceAll(/"\w+"/g, ""), body.replaceAll(/"\w+"/g, "").toLowerCase());
      const described = /Parameters as in (\S+)\./.exec(header)?.[1];
      const names = parameters(described === undefined ? header : split(sourceOf(described))[0]);
      assert.deepEqual(parameters(body), names);
      assert.deepEqual(
        names,
        names.map((_, i) => i + 1),
      );

      const plan = db
        .prepare(`explain query plan ${sqliteText(name)}`)
        .all()
        .map((row) => String(row["detail"]));
      for (const step of plan) {
        // A scan is fine along an index whose order is the list's, of the slice that was cut out before, of a parameter, and of nothing.
        const isFine =
          step.includes("USING INDEX") ||
          step === "SCAN slice" ||
          step === "SCAN CONSTANT ROW" ||
          step.startsWith("SCAN json_each VIRTUAL");
        assert.ok(!step.startsWith("SCAN") || isFine, `${name}: ${plan.join("; ")}`);
        if (step.startsWith("USE TEMP")) assert.equal(name, "run-list-by-label", `${name} sorts: ${plan.join("; ")}`);
      }
    });
  }

  it("are each used by the store", () => {
    const sources = [
      "sqlite.ts",
      "commit.ts",
      "run-list.ts",
      "run-lists.ts",
      "checkpoints.ts",
      "checkpoint-worker.ts",
      "sqlite-retention.ts",
      "sqlite-ledger.ts",
      "sqlite-audit.ts",
      "sqlite-witness.ts",
      "sqlite-sessions.ts",
      "sqlite-break-glass.ts",
    ]
      .map((file) => readFileSync(new URL(file, import.meta.url), "utf8"))
      .join("");
    assert.deepEqual(
      NAMES.filter((name) => !sources.includes(`"${name}"`)),
      [],
    );
  });

  it("ask the indexes that are meant for them", () => {
    const indexOf = (name: string): string =>
      String(db.prepare(`explain query plan ${sqliteText(name)}`).get()?.["detail"]);
    assert.match(indexOf("run-active"), /USING INDEX run_active /);
    assert.match(indexOf("run-due"), /USING INDEX run_asleep /);
    assert.match(indexOf("next-wake"), /USING INDEX run_asleep /);
    for (const table of ["approval", "plan", "workflow"])
      assert.match(indexOf(`${table}-list-by-namespace`), new RegExp(`USING INDEX ${table}_by_namespace `));
    assert.match(indexOf("run-by-concurrency-key"), /USING INDEX run_by_concurrency_key /);
  });
});

describe("storeProblem()", () => {
  const sqliteError = (errcode: number): Error =>
    Object.assign(new Error("it said so"), { code: "ERR_SQLITE_ERROR", errcode });
  const cases = [
    [13, "storage_full", "There is no room left to write /d/m.db; nothing of this commit was kept."],
    [8, "storage_failed", "/d/m.db cannot be written: it said so."],
    [10 | (4 << 8), "storage_failed", "Reading or writing /d/m.db failed: it said so."],
    [14, "storage_failed", "Reading or writing /d/m.db failed: it said so."],
    [5, "storage_failed", "/d/m.db is held by another program: it said so."],
    [11, "store_corrupt", "/d/m.db is damaged: it said so."],
    [26, "store_corrupt", "/d/m.db is not a database of Maestro: it said so."],
    [19 | (6 << 8), "internal", "The database refused a row: it said so."],
    [1, "storage_failed", "The database /d/m.db failed: it said so."],
  ] as const;
  for (const [errcode, code, message] of cases) {
    it(`makes ${code} of SQLite's ${errcode}`, () => {
      const problem = storeProblem(sqliteError(errcode), "/d/m.db");
      assert.ok(problem instanceof MaestroError);
      assert.deepEqual([problem.code, problem.message, problem.facts["path"]], [code, message, "/d/m.db"]);
    });
  }

  it("lets pass what is not the database's", () => {
    const error = new TypeError("ours");
    assert.equal(storeProblem(error, "/d/m.db"), error);
  });
});

function sourceOf(name: string): string {
  return readFileSync(new URL(`./sql/${name}.sql`, import.meta.url), "utf8");
}

/** The comment lines at the top, and the statement. */
function split(text: string): readonly [header: string, body: string] {
  const lines = text.split("\n");
  const start = lines.findIndex((line) => !line.startsWith("--"));
  return [lines.slice(0, start).join("\n"), lines.slice(start).join("\n")];
}

function parameters(text: string): number[] {
  return [...new Set([...text.matchAll(/\$(\d+)/g)].map((match) => Number(match[1])))].sort((a, b) => a - b);
}
