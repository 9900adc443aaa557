// Brings a database to a schema of tomorrow whose last migration takes for ever, and says when it is in the middle of it, so
// that a test can kill it there.  node migrate-process.ts DATABASE
import { writeSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { migrate, MIGRATIONS, readMigrations } from "../../src/store/migrate.ts";

const [path = ""] = process.argv.slice(2);
const db = new DatabaseSync(path);
db.exec("pragma journal_mode = wal; pragma cache_size = 50");
db.function("say", (text) => writeSync(1, `${String(text)}\n`));
const shipped = readMigrations(MIGRATIONS);
const sql = `
  create table tomorrow (x text) strict;
  insert into tomorrow with recursive n (i) as (select 1 union all select i + 1 from n where i < 20000) select hex(randomblob(100)) from n;
  select say('in the middle');
  insert into tomorrow with recursive n (i) as (select 1 union all select i + 1 from n) select hex(randomblob(100)) from n;
`;
migrate(db, [...shipped, { version: shipped.length + 1, name: "tomorrow", sql }], { path, now: Date.now() });
