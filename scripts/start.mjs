// npm start: the demonstration. Makes the clone ready, then runs the release-evidence runbook on this repository.
// Options after `--` go to the run: `npm start -- --once` ends after the receipt.
import { bootstrap } from "./bootstrap.mjs";
import { run } from "./runtime.mjs";

const runbook = "catalog/release-evidence/release-evidence.maestro.yaml";
const demo = ["run", runbook, "--purpose", "release", "--authority", "demo", "--watch"];

process.exitCode = await run(bootstrap(), ["packages/maestro/bin/maestro.mjs", ...demo, ...process.argv.slice(2)]);
