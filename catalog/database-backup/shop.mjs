// A shop to try the runbook with: makes data/shop.db and goes on taking orders until it is ended.
//   node shop.mjs [DATABASE] [--once]
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as pause } from "node:timers/promises";

const path = process.argv.slice(2).find((word) => !word.startsWith("--")) ?? "data/shop.db";
mkdirSync(dirname(path), { recursive: true });
const db = new DatabaseSync(path);
db.exec("pragma journal_mode = wal");
db.exec(
  "create table if not exists orders (id integer primary key, item text not null, cents integer not null, placed_at text not null)",
);
const insert = db.prepare("insert into orders (item, cents, placed_at) values (?, ?, ?)");
for (let i = 0; i < 1_000; i++) insert.run(`item ${i % 17}`, 100 + (i % 900), new Date().toISOString());
console.log("open");
while (!process.argv.includes("--once")) {
  insert.run("tea", 350, new Date().toISOString());
  await pause(2);
}
