// npm run bench [-- --quick] [-- --only w1,w3] [-- --million] [-- --runs N] [-- --write]
// Runs every bench, one after the other, and prints one table. `--write` puts it into README.md between its markers.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg, totalmem } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Row } from "./measure.ts";
import { million, quick, repeat, table } from "./measure.ts";

const BENCHES = [
  "floor",
  "w1",
  "w2",
  "w3",
  "w4",
  "w5",
  "w5-rows",
  "scheduler",
  "governance",
  "gate",
  "growth",
  "startup",
  "verify",
  "ledger",
  "curves",
  "logs",
  "stdio",
  "backup",
  "api",
  "peer/openworkflow",
  "peer/bullmq",
];
const BEGIN = "<!-- numbers: begin (npm run bench -- --write) -->";
const END = "<!-- numbers: end -->";

const { values: flags } = parseArgs({
  strict: false,
  options: { only: { type: "string" }, write: { type: "boolean", default: false } },
});
const only = typeof flags.only === "string" ? flags.only.split(",") : BENCHES;
const unknown = only.filter((name) => !BENCHES.includes(name));
if (unknown.length > 0) throw new Error(`no bench is called ${unknown.join(", ")}; there are ${BENCHES.join(", ")}`);

const before = loadavg()[0]!;
const rows: Row[] = [];
const failed: string[] = [];
for (const name of BENCHES.filter((one) => only.includes(one) && isInstalled(one))) {
  process.stderr.write(`${name} ...\n`);
  try {
    rows.push(...(await repeat(pathOf(name))).rows);
  } catch (error) {
    // One bench that fails must not cost the numbers of the others.
    console.error(error);
    failed.push(name);
  }
}
const result = `${machine()}\n\n${table(rows)}`;
console.log(result);
if (failed.length > 0) {
  console.error(`failed: ${failed.join(", ")}`);
  process.exitCode = 1;
} else if (flags.write === true) {
  write(result);
}

function pathOf(name: string): string {
  return fileURLToPath(new URL(name.startsWith("peer/") ? `${name}.mjs` : `${name}.ts`, import.meta.url));
}

/** A peer is compared with where somebody has installed it, and the server it needs. */
function isInstalled(name: string): boolean {
  const command = name.startsWith("peer/") ? toInstall(name.slice(5)) : undefined;
  if (command === undefined) return true;
  process.stderr.write(`${name} is left out; to compare: ${command}\n`);
  return false;
}

function toInstall(peer: string): string | undefined {
  if (!existsSync(new URL(`peer/node_modules/${peer}`, import.meta.url))) return "npm ci --prefix bench/peer";
  if (peer === "bullmq" && spawnSync("redis-server", ["--version"]).status !== 0) return "apt-get install redis-server";
  return undefined;
}

function machine(): string {
  const [cpu] = cpus();
  const when = new Date().toISOString().slice(0, 10);
  const sizes = `${quick ? ", small sizes (these numbers mean nothing)" : ""}${million ? ", with the million" : ""}`;
  return `${when}, Node ${process.version}, ${cpus().length} × ${cpu?.model.trim() ?? "CPU"}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, load average ${before.toFixed(2)} before${sizes}.`;
}

function write(text: string): void {
  if (quick || only.length < BENCHES.length)
    throw new Error("--write wants every bench at full size, so that the table is of one day");
  const path = fileURLToPath(new URL("README.md", import.meta.url));
  const page = readFileSync(path, "utf8");
  const [head, tail] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (head === -1 || tail < head) throw new Error(`${path} has no markers ${BEGIN} and ${END}`);
  writeFileSync(path, `${page.slice(0, head)}${BEGIN}\n\n${text}\n\n${page.slice(tail)}`);
}
