// What the machine gives, with nothing of ours in between: durable inserts of 400-byte rows by transaction size, one
// durable write to a file, one Ed25519 signature and its check. Every other number is to be read beside these.
import { generateKeyPairSync, sign, verify } from "node:crypto";
import { closeSync, fdatasyncSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Reading } from "./measure.ts";
import { bench, meter, percentile, quick } from "./measure.ts";

const MS = quick ? 100 : 1_000;
const ROW_BYTES = 400;

await bench({
  title: "Floor: this machine without us",
  async measure(dir) {
    return [...[1, 10, 100, 500].map((rows) => inserts(dir, rows)), ...writes(dir), ...signatures()];
  },
});

function inserts(dir: string, rows: number): Reading {
  const db = new DatabaseSync(join(dir, `${rows}.db`));
  db.exec("pragma journal_mode = wal; pragma synchronous = full; pragma wal_autocheckpoint = 4000");
  db.exec(
    "create table event (run_id text not null, seq integer not null, text text not null, primary key (run_id, seq))",
  );
  const insert = db.prepare("insert into event values (?, ?, ?)");
  const text = "x".repeat(ROW_BYTES);
  const stop = meter();
  const until = performance.now() + MS;
  let seq = 0;
  while (performance.now() < until) {
    db.exec("begin immediate");
    for (let row = 0; row < rows; row++) insert.run("r_01234567890123456789", seq++, text);
    db.exec("commit");
  }
  const { ms, cost } = stop();
  db.close();
  return {
    what: `floor: SQLite rows/s, ${rows} a transaction`,
    value: (seq * 1_000) / ms,
    unit: "/s",
    better: "higher",
    ...cost,
  };
}

function writes(dir: string): Reading[] {
  const file = openSync(join(dir, "file"), "w");
  const page = Buffer.alloc(4_096, 1);
  const took: number[] = [];
  const until = performance.now() + MS;
  while (performance.now() < until) {
    const start = performance.now();
    writeSync(file, page);
    fdatasyncSync(file);
    took.push(performance.now() - start);
  }
  closeSync(file);
  return [50, 99].map((percent) => ({
    what: `floor: 4 KiB written and synced, p${percent}`,
    value: percentile(took, percent),
    unit: "ms",
  }));
}

function signatures(): Reading[] {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const message = Buffer.alloc(3_000, 1);
  const signature = sign(null, message, privateKey);
  return [
    { what: "floor: Ed25519 sign", value: each(() => sign(null, message, privateKey)), unit: "µs" },
    { what: "floor: Ed25519 verify", value: each(() => verify(null, message, publicKey, signature)), unit: "µs" },
  ];
}

/** Microseconds of one call. */
function each(work: () => unknown): number {
  const start = performance.now();
  let count = 0;
  for (; performance.now() < start + MS; count++) work();
  return ((performance.now() - start) * 1_000) / count;
}
