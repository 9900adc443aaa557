// npm start: the demonstration. Makes the clone ready, runs the release-evidence runbook on this repository, and keeps
// its engine up until Ctrl-C. `npm start -- --once` ends after the receipt; other words after `--` go to the run.
import { spawnSync } from "node:child_process";
import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { bootstrap } from "./bootstrap.mjs";
import { root, run } from "./runtime.mjs";

const RUNBOOK = "catalog/release-evidence/release-evidence.maestro.yaml";
/** Called as people call it in a clone: its hints then can be typed as they stand. */
const MAESTRO = ["packages/maestro/bin/maestro.cjs", "--called", "./maestro"];
/** Codes of `maestro help exit-codes`: somebody pressed Ctrl-C, or asked the process to end. */
const INTERRUPTED = [130, 143];

const words = process.argv.slice(2);
const once = words.includes("--once");
const node = bootstrap();
// The commands below find a .maestro folder by themselves, so that they need no --data.
if (!process.env.MAESTRO_DATA) mkdirSync(join(root, ".maestro"), { recursive: true, mode: 0o700 });
process.exitCode = await demonstrate();

async function demonstrate() {
  const rest = words.filter((word) => word !== "--once");
  const code = await run(node, [...MAESTRO, "run", RUNBOOK, "--purpose", "release", "--authority", "demo", ...rest]);
  if (INTERRUPTED.includes(code)) return code;
  const id = newestRun();
  if (id !== undefined) console.error(code === 0 ? whatNext(id) : whatFailed(id));
  if (once || id === undefined) return code;
  return run(node, [...MAESTRO, "up"]);
}

/** The id of the run as short as the commands take it; undefined where none was started. */
function newestRun() {
  const asked = spawnSync(node, [...MAESTRO, "runs", "--workflow", "release-evidence", "--limit", "1", "-o", "name"], {
    cwd: root,
    encoding: "utf8",
  });
  return asked.stdout.trim().split("\n")[0]?.slice(-6) || undefined;
}

function whatNext(id) {
  const lines = [
    [`./maestro show ${id} --events`, "its history: a run is nothing else"],
    [`./maestro receipt show ${id}`, "its receipt, check by check"],
    [`./maestro replay ${id}`, "decide the history again and compare"],
    [`./maestro show ${id} --artifacts --save out`, "the packs that were compared"],
    [`./maestro run --from-run ${id} -i 'licences=["MIT"]'`, "again, so that it fails and says why"],
  ];
  const width = Math.max(...lines.map(([command]) => command.length));
  return `
What to try next${once ? "" : ", in another terminal"} (README.md goes on with a tour of five minutes):

${lines.map(([command, meaning]) => `  ${command.padEnd(width)}  ${meaning}`).join("\n")}
`;
}

function whatFailed(id) {
  // In the sandbox of a root engine npm is nobody, and reads what everybody may read.
  const closed = process.getuid?.() === 0 && (statSync(join(root, "package.json")).mode & 0o004) === 0;
  const hint = closed ? "\nThis clone is for root's eyes only, and the sandbox is not root: chmod -R go+rX .\n" : "";
  return `
Find out why:

  ./maestro show ${id}
  ./maestro logs ${id} --failed
${hint}`;
}
