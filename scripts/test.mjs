// npm test: makes the clone ready, gets what the tests need from the system, and runs them with Node's test runner.
//   npm test                      everything
//   npm test -- PATH...           the test files at or below these paths
//   npm test -- --test-name-pattern=WORDS   options of `node --test`
// With CI=true a test that had to be skipped is a failure: a check that silently did not run is worse than none.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { bootstrap } from "./bootstrap.mjs";
import { provide } from "./provide.mjs";
import { root, run } from "./runtime.mjs";

const strict = process.env.CI === "true";
const node = bootstrap();
provide();

const options = process.argv.slice(2).filter((word) => word.startsWith("-"));
const paths = process.argv.slice(2).filter((word) => !word.startsWith("-"));
const files = testFiles(
  paths.length > 0
    ? paths.map((path) => resolve(path))
    : [join(root, "packages"), join(root, "scripts"), join(root, "catalog")],
);
// Tests of core touch nothing outside themselves, so they share one process; every other file gets its own.
const pure = files.filter((file) => file.startsWith("packages/maestro/src/core/"));
const rest = files.filter((file) => !pure.includes(file));

const results = [];
if (pure.length > 0) results.push(await test(["--test-isolation=none"], pure));
if (rest.length > 0) results.push(await test([`--test-concurrency=${availableParallelism()}`], rest));
process.exitCode = report(results);

async function test(flags, list) {
  const folder = mkdtempSync(join(tmpdir(), "maestro-test-"));
  const totals = join(folder, "totals.json");
  const reporters = [
    "--test-reporter=spec",
    "--test-reporter-destination=stdout",
    "--test-reporter=./scripts/test-totals.mjs",
    `--test-reporter-destination=${totals}`,
  ];
  try {
    const exit = await run(node, ["--test", "--test-timeout=120000", ...flags, ...reporters, ...options, ...list], {
      stdio: ["ignore", "inherit", "inherit"],
    });
    // A runner that died before its first test leaves no totals; its exit code still counts.
    return { exit, ...(existsSync(totals) ? JSON.parse(readFileSync(totals, "utf8") || "{}") : {}) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The last lines: what was skipped and what failed, by name, and the counts of both parts together. Returns the exit code. */
function report(parts) {
  const all = (key) => parts.flatMap((part) => part[key] ?? []);
  const sum = (key) => parts.reduce((total, part) => total + (part.counts?.[key] ?? 0), 0);
  const skipped = all("skipped");
  if (skipped.length > 0) {
    console.log(
      `\n${strict ? "FAILED, because CI=true and" : "NOT TESTED:"} ${skipped.length} tests were skipped on this machine`,
    );
  }
  for (const { name, file, reason } of skipped) console.log(`  ${name} (${file})\n    ${reason}`);
  const failed = all("failed");
  if (failed.length > 0) console.log(`\nFAILED: ${failed.length} tests`);
  for (const { name, file } of failed) console.log(`  ${name} (${file})`);
  console.log("");
  for (const [key, label] of [
    ["tests", "tests"],
    ["passed", "pass"],
    ["failed", "fail"],
    ["cancelled", "cancelled"],
    ["skipped", "skipped"],
    ["todo", "todo"],
  ]) {
    console.log(`ℹ ${label} ${sum(key)}`);
  }
  if (sum("tests") === 0) console.log("\nFAILED: no test ran");
  const broken = sum("tests") === 0 || parts.some((part) => part.exit !== 0) || (strict && skipped.length > 0);
  return broken ? 1 : 0;
}

/** Test files at or below the paths, relative to the repository, sorted. */
function testFiles(starts) {
  /** @type {Set<string>} */
  const found = new Set();
  const visit = (path) => {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return;
    if (stat.isDirectory()) {
      for (const name of readdirSync(path)) if (name !== "node_modules") visit(join(path, name));
    } else if (/\.test\.(ts|mjs)$/.test(path)) {
      found.add(relative(root, path));
    }
  };
  for (const start of starts) visit(start);
  return [...found].sort();
}
